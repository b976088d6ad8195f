"""Work shared out: every result comes, whichever backend does it, and one that is not there is told."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from joblib import register_parallel_backend
from joblib._parallel_backends import ThreadingBackend

from musktracker.errors import UsageError
from musktracker.pipeline.workers import AT_ONCE, shared_out

TASKS = [(i, 1) for i in range(3 * AT_ONCE + 5)]


def add(one: int, other: int) -> int:
    return one + other


class AllAtOnce(ThreadingBackend):  # type: ignore[misc]
    """Gives nothing back before everything is done, as Ray's."""

    supports_return_generator = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("ray.util.joblib")
    module.register_ray = lambda: register_parallel_backend("ray", AllAtOnce)  # type: ignore[attr-defined]
    for name in ("ray", "ray.util"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "ray.util.joblib", module)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once(jobs: int) -> None:
    found = sorted(shared_out(add, TASKS, jobs=jobs, backend=None))
    assert found == [i + 1 for i, _ in TASKS]


def test_a_cluster_that_answers_all_at_once_is_given_some_at_a_time(ray: None) -> None:
    taken: list[int] = []

    def tasks() -> object:
        for task in TASKS:
            taken.append(task[0])
            yield task

    results = shared_out(add, tasks(), jobs=None, backend="ray")  # type: ignore[arg-type]
    first = next(results)
    assert first == 1
    assert len(taken) == AT_ONCE
    assert len(list(results)) == len(TASKS) - 1


def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="pip install distributed"):
        list(shared_out(add, TASKS, jobs=None, backend="dask"))


def test_a_backend_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="no backend 'slurm'"):
        list(shared_out(add, TASKS, jobs=None, backend="slurm"))
