"""The steps of a search for the most likely parameters, told while it goes on to whoever listens.

Who listens is known by context, as it is for warnings: a model fits in the same way whether anyone does or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, float], None]  # number of the search and of its step, both from 1, and log-likelihood
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)
_SEARCHES: ContextVar[list[int] | None] = ContextVar("searches", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell `listener` of every step of the searches inside. What it raises ends the search."""
    tokens = _LISTENER.set(listener), _SEARCHES.set([0])
    try:
        yield
    finally:
        _LISTENER.reset(tokens[0])
        _SEARCHES.reset(tokens[1])


def search() -> Callable[[float], None] | None:
    """Begin a search: what to call with the log-likelihood after each step; None where nobody listens."""
    listener, searches = _LISTENER.get(), _SEARCHES.get()
    if listener is None or searches is None:
        return None
    searches[0] += 1
    number, step = searches[0], 0

    def tell(log_likelihood: float) -> None:
        nonlocal step
        step += 1
        listener(number, step, log_likelihood)

    return tell
