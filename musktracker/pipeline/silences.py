"""Long silences in the posts of files, which may be holes in what was collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from musktracker import timeline
from musktracker.pipeline.store import without
from musktracker.sources.file_posts import YEAR
from musktracker.timeline import MICROSECOND, Span, from_microseconds, iso, microseconds

LONG_SILENCE = timedelta(hours=72)
SHOWN_SILENCES = 5


class Silences:
    """Finds the long silences of a span from the times in it, in their order."""

    def __init__(self, within: Span) -> None:
        self._within = within
        self._last = microseconds(within.start)
        self._found: list[Span] = []

    def add(self, moments: list[int]) -> None:
        """Hear of the next posts, by when they were made (microseconds)."""
        for earlier, later in pairwise((self._last, *moments)):
            if later - earlier > _LONG_SILENCE:
                self._found.append(Span(from_microseconds(earlier), from_microseconds(later)))
        self._last = moments[-1]

    def found(self) -> list[Span]:
        """The silences, and what follows on the last post."""
        last = Span(from_microseconds(self._last), self._within.end)
        spans = [*self._found, last]
        return [Span(max(span.start, self._within.start), min(span.end, self._within.end)) for span in spans]


class Suspicions:
    """What is told of the silences of files that are imported together."""

    def __init__(self, covers: Span | None, holes: Sequence[Span]) -> None:
        self._covers = covers
        self._holes = holes
        self._quiet: list[Span] | None = None  # in what `covers` says, silent in every file so far

    def told(self, silences: list[Span], *, last: bool) -> Iterator[str]:
        """What may be holes: long silences of a file, or, in what `covers` says, those that all files share."""
        if self._covers:
            known = silences if self._quiet is None else _shared(self._quiet, silences)
            self._quiet = silences = known
            if not last:
                return
        else:
            silences = [span for span in silences if span.end - span.start <= YEAR]  # which is not covered
        suspects = [span for span in without(silences, self._holes) if span.end - span.start > LONG_SILENCE]
        for span in suspects[:SHOWN_SILENCES]:
            start, end = iso(span.start), iso(span.end)
            yield (
                f"no post from {start} to {end} ({span.hours():.0f} hours): if that is a hole in the collection and "
                f"no silence, import again with --hole {start}..{end}"
            )
        if len(suspects) > SHOWN_SILENCES:
            yield f"{len(suspects) - SHOWN_SILENCES} more silences of over {LONG_SILENCE // timeline.HOUR} hours"


def _shared(some: list[Span], others: list[Span]) -> list[Span]:
    return [span for each in some for span in timeline.holes(timeline.holes(others, each), each)]


_LONG_SILENCE = LONG_SILENCE // MICROSECOND
