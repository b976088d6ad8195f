"""The fields of a post that are asked for, in whichever spelling the API takes: of tweets or of posts."""

from __future__ import annotations

from typing import Literal

from musktracker.sources.x_errors import InvalidRequest

Spelling = Literal["tweet", "post"]


class FieldNames:
    """The parameter and the names in use; changes to the other spelling where the API refuses or ignores this one.

    The specification and the guides differ, so that a parameter may be of one spelling and its values of the other.
    """

    def __init__(self, first: Spelling = "tweet") -> None:
        other: Spelling = "post" if first == "tweet" else "tweet"
        self._left = [(other, first), (first, other), (other, other)]
        self._current: tuple[str, str] = (first, first)
        self._doubted: tuple[str, str] | None = None
        self._understood = False

    @property
    def parameters(self) -> dict[str, str]:
        """What to add to a request for posts."""
        parameter, noun = self._current
        return {f"{parameter}.fields": f"created_at,referenced_{noun}s,edit_history_{noun}_ids"}

    def refused(self, error: InvalidRequest) -> bool:
        """Hear a 400; True where it is about the fields and another spelling is left to try."""
        said = f"{error.message} {' '.join(error.parameters)}"
        if not any(name in said for name in _NAMES):
            return False
        if self._doubted:
            self._settle(self._doubted)
            return True
        if self._understood or not self._left:
            return False
        self._current = self._left.pop()
        return True

    def answered(self, *, with_fields: bool) -> bool:
        """Hear of posts that came with the fields or without any; True where asking in another spelling may help."""
        if self._understood:
            return False
        if with_fields:
            self._settle(self._current)
            return False
        if self._doubted or not self._left:
            self._settle(self._doubted or self._current)
            return False
        self._doubted, self._current = self._current, self._left.pop()
        return True

    def _settle(self, spelling: tuple[str, str]) -> None:
        self._current, self._doubted, self._understood = spelling, None, True


_NAMES = ("tweet.fields", "post.fields", "referenced_", "edit_history_")
