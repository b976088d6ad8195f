"""Marks: of what a state is, and on the records of a table, of which two are to be compared."""

from __future__ import annotations

MARK = "◆"


class Marks(dict[str, tuple[str, str]]):
    """A mark and a tone by state; one that nobody foresaw, which another program wrote, is bad."""

    def __missing__(self, state: str) -> tuple[str, str]:
        return "?", self.get("error", self.get("failed", ("", "bad")))[1]


def toggled(marked: list[int], one: int) -> list[int]:
    """With one marked, or no longer marked; at most two are, and a third takes the place of the first."""
    return [other for other in marked if other != one] if one in marked else [*marked[-1:], one]


def two_of(marked: list[int], here: int | None) -> tuple[int, int] | None:
    """The two that are marked, or the marked one and the one under the cursor; None where there are no two."""
    chosen = list(dict.fromkeys([*marked, *([] if here is None else [here])]))
    return (chosen[0], chosen[1]) if len(chosen) > 1 else None
