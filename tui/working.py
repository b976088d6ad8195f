"""Work that goes on beside what is shown, as workers of what asked for it, which take it with them when they go."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.dom import DOMNode


def begin(
    node: DOMNode,
    group: str,
    work: Callable[..., Coroutine[Any, Any, None]],
    *arguments: Any,
    exclusive: bool = False,
    description: str = "",
) -> None:
    """Begin `work(*arguments)` in a worker of a node; an exclusive one ends those of its group that go on.

    It is called only once the worker runs: one that ends before leaves no coroutine that nobody awaits.
    """
    call: Any = partial(work, *arguments)
    node.run_worker(call, group=group, exclusive=exclusive, description=description)
