"""Where work that can be shared out is done: processes of this machine, or a cluster that is configured."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, TypeVar

from musktracker.errors import UsageError

T = TypeVar("T")
AT_ONCE = 32  # tasks handed to a backend that gives nothing back before all of them are done
BACKENDS = {"dask": "distributed", "ray": "ray.util.joblib"}  # and the module that brings it


def shared_out(
    function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], *, jobs: int | None, backend: str | None
) -> Iterator[T]:
    """What the function makes of each task's arguments, in whatever order they are done; leaving off ends the others.

    `jobs` processes work, one a core. Raises as `workers`, and what the function raises.
    """
    from joblib import Parallel, cpu_count, delayed
    from joblib.parallel import get_active_backend

    calls = (delayed(function)(*task) for task in tasks)
    with workers(backend):
        n_jobs = jobs or (-1 if backend else cpu_count())
        if n_jobs == 1:
            yield from Parallel(n_jobs=1, return_as="generator")(calls)
        elif get_active_backend()[0].supports_return_generator:
            yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls)
        else:
            while some := list(islice(calls, AT_ONCE)):
                yield from Parallel(n_jobs=n_jobs)(some)


@contextmanager
def workers(backend: str | None) -> Iterator[None]:
    """Let joblib share work out by `backend` while the block lasts; None leaves it to this machine's processes.

    Dask finds its cluster by its own configuration (DASK_SCHEDULER_ADDRESS), Ray by RAY_ADDRESS; without one each
    makes one on this machine. Raises UsageError for a backend that there is not, or that is not installed.
    """
    if backend is None:
        yield
        return
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend {backend!r}", f"Choose one of {', '.join(BACKENDS)}")
    try:
        module = importlib.import_module(BACKENDS[backend])
    except ImportError:
        package = BACKENDS[backend].partition(".")[0]
        raise UsageError(f"The backend {backend} is not installed", f"pip install {package}") from None
    from joblib import parallel_config

    with _connected(backend, module), parallel_config(backend):
        yield


@contextmanager
def _connected(backend: str, module: Any) -> Iterator[None]:
    if backend == "ray":
        module.register_ray()
    with module.Client() if backend == "dask" else nullcontext():
        yield
