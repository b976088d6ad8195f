"""Work that goes on beside what is shown, as workers of what asked for it, which take it with them when they go."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from textual.css.query import NoMatches

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

    It is called only once the worker runs: one that ends before leaves no coroutine that nobody awaits. What it
    misses of a node that goes is no error: the parts go first, then the node and its workers.
    """

    async def working() -> None:
        try:
            await work(*arguments)
        except NoMatches:
            if not node._pruning:
                raise

    node.run_worker(cast(Any, working), group=group, exclusive=exclusive, description=description)
