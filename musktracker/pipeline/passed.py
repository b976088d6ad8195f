"""What the pages of a walk tell so far: down to where all has come, and what of them could not be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from musktracker.pipeline import ranges
from musktracker.pipeline.ranges import Range
from musktracker.sources.x_pages import Page
from musktracker.timeline import Span

LAG = 3  # pages that must follow before one counts as passed
STRAYS = 2  # posts of a page that may be out of their place
POLL_HOURS = 3  # that a poll after another looks back at most


class Passed:
    """The pages of a walk so far: which posts can still be to come, and what of the pages could not be read.

    What is still to come lies below the newest post of a later page, whatever old posts are out of their place there:
    surely all from `surely` up have come. From `nearly` up they have unless pages change places: a walk that is asked
    anew from there reads `STRAYS` posts again, and not `LAG` pages. What is not in a page lies below `gap_from`, as
    long as nothing came from below.
    """

    def __init__(self, left: Range) -> None:
        self.lowest = self.surely = self.nearly = left.high + 1
        self.gap_from: int | None = None
        self._left = left
        self._pages = self._posts = 0
        self._latest: deque[tuple[int, int]] = deque(maxlen=LAG + 1)  # the lowest and the highest post of a page
        self._gaps: list[tuple[int, int]] = []

    def add(self, page: Page) -> None:
        """Hear of the next page."""
        ids = sorted({number for number in page.ids if self._left.low < number <= self._left.high})
        self._add_gap(page, ids)
        self._pages += 1
        self._posts += len(ids)
        if not ids:
            return
        self.lowest = min(self.lowest, ids[0])
        self._latest.append((ids[0], ids[-1]))
        if len(self._latest) > LAG:
            (oldest, _), *later = self._latest
            self.surely = min(self.surely, max(oldest, *(newest + 1 for _, newest in later)))
        self.nearly = min(self.surely, ids[: STRAYS + 1][-1])

    def may_go_on(self, page: Page, size: int, *, asked_before: bool) -> bool:
        """Whether more may lie below a page that says to be the last.

        A poll whose one page is not full is believed, and the counts tell of a backfill's; below all others it is
        asked again, until no more comes than was read before. A long silence is believed when it is said twice.
        """
        is_long = self._left.purpose == "follow" and self._left.span.hours() > POLL_HOURS
        if not self._posts:
            return is_long and not asked_before
        is_doubtful = self._pages > 1 or page.result_count >= size or is_long
        return is_doubtful and self._posts > STRAYS and self.nearly - 1 > self._left.low

    def rest(self, left: Range) -> Range:
        """What of a range is to be asked for anew where the walk does not go on; what is not in a page lies above."""
        if self.gap_from is not None:
            self._gaps.append((self.gap_from, self.nearly))
        return left.down_to(self.nearly - 1)

    def take_gaps(self, left: Range) -> list[Span]:
        """The times of what could not be read and lies between posts that came, newest first; each once."""
        gaps, self._gaps = self._gaps, []
        spans = (Span(moment_in(left, low), moment_in(left, high)) for high, low in sorted(gaps, reverse=True))
        return [span for span in spans if span.end > span.start]

    def _add_gap(self, page: Page, ids: Sequence[int]) -> None:
        if self.gap_from is not None and ids and ids[-1] < self.gap_from:
            self._gaps.append((self.gap_from, ids[-1]))
            self.gap_from = None
        if not page.lacking:
            return
        upper, lower = page.gap
        upper = self.nearly if upper is None else upper
        if lower is None:
            self.gap_from = max(upper, self.gap_from or upper)
        else:
            self._gaps.append((upper, lower))


def moment_in(left: Range, post_id: int) -> datetime:
    """When a post was made, within the time of a range."""
    made = left.span.end if post_id > left.top else ranges.moment_of(post_id, left.span.start)
    return min(max(made, left.span.start), left.span.end)
