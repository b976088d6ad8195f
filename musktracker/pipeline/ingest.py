"""Posts come in: from files into raw_tweets, with the time that they cover.

A file is read whole before anything of it is written, so that a file that turns out to be damaged, mixed or, under
`strict`, wrong in one row leaves nothing behind, and so that no lock is held while parsing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, exists, select

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import is_sqlite, reading
from musktracker.db.settings import DEFAULT_COUNTING
from musktracker.db.tables import RawTweet
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.pipeline import requests
from musktracker.pipeline.file_doubts import doubts
from musktracker.pipeline.silences import Silences, Suspicions
from musktracker.pipeline.store import (
    cover,
    fill_kinds,
    ids_made_at,
    insert_rows,
    mark_deleted,
    sqlite_times,
    stored_kinds,
    storing,
    without,
)
from musktracker.reporting import Run
from musktracker.sources import files as sources
from musktracker.sources.file_posts import Posts, is_rounded_twin
from musktracker.text import counted, printable
from musktracker.timeline import Span, from_microseconds, iso, microseconds, now, parse_time

SOURCE = "file"
BATCH = {"sqlite": 2_000, "postgresql": 20_000}  # SQLite has one writer: others wait 15 ms for 2,000 rows
LONGEST_SHOWN = 80  # characters of a file's name in the log line of a row


@dataclass(slots=True)
class FileOutcome:
    """What became of a file: counts of rows and posts, the time it spans and covers, what to look at.

    `imported` + `already_there` = distinct posts, but for `bad` ones; `updated` are those already there whose kind it
    filled in, `other_kinds` those whose kind it says otherwise, `deleted` those that it says are deleted. Times are
    ISO 8601 in UTC. `error` is set where nothing of it could be used.
    """

    file: str
    form: str | None = None
    rows: int = 0
    imported: int = 0
    already_there: int = 0
    updated: int = 0
    repeated: int = 0
    bad: int = 0
    other_authors: int = 0
    deleted: int = 0
    other_kinds: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    bad_rows: list[dict[str, str]] = field(default_factory=list)
    span: list[str] | None = None
    covered: list[list[str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None


def import_files(
    engine: Engine,
    run: Run,
    *,
    files: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    author_id: str | None = None,
    source: str | None = None,
    strict: bool = False,
    dry_run: bool = False,
    coverage: bool = True,
    covers: Sequence[str] | None = None,
    holes: Sequence[Sequence[str]] = (),
    counting: str = DEFAULT_COUNTING,
) -> dict[str, Any]:
    """Bring in the posts of files; one that is there already stays, but for an unknown kind and that it was deleted.

    Each file covers the time from its first post to its last, but for silences of over a year; instead, `covers`
    (start, end; ISO 8601 with offset) is what all of them cover together, once all are in; `holes` (pairs of times)
    are never covered, and are taken out of what this source covered before; without `coverage` nothing is covered.
    `counting` names the posts of which the files hold every one. `dry_run` writes nothing.

    Returns totals, and under "files" a FileOutcome each. Raises UsageError for parameters that cannot be,
    MuskTrackerError where no file could be used, and under `strict` at the first bad row.
    """
    plan = _Plan(source or SOURCE, coverage, covers, holes, counting)
    importer = _Importer(engine, run, plan, dry_run)
    options = {"mapping": dict(mapping or {}), "author": author_id, "strict": strict}
    outcomes: list[FileOutcome] = []
    for i, name in enumerate(files):
        last = i + 1 == len(files) and not any(outcome.error for outcome in outcomes)
        outcomes.append(importer.import_file(name, options, last=last, share=(i / len(files), 1 / len(files))))
    failed = [outcome for outcome in outcomes if outcome.error]
    if len(failed) == len(outcomes):
        raise _nothing(failed)
    for outcome in failed:
        run.error(f"{Path(outcome.file).name} {outcome.error}")
    if failed and covers:
        run.warning("Nothing counts as covered, since not every file could be imported")
    counts = ("rows", "imported", "already_there", "updated", "bad")
    return {
        "dry_run": dry_run,
        "source": plan.source,
        **{name: sum(getattr(outcome, name) for outcome in outcomes) for name in counts},
        "failed": len(failed),
        "files": [asdict(outcome) for outcome in outcomes],
    }


class _Plan:
    """What is to be stored under which name, and what of time it covers; checked."""

    def __init__(
        self,
        source: str,
        coverage: bool,
        covers: Sequence[str] | None,
        holes: Sequence[Sequence[str]],
        counting: str,
    ) -> None:
        if not coverage and (covers or holes):
            raise UsageError("What is covered, or a hole in it, makes no sense without coverage")
        self.source = requests.source_name(source)
        self.counting = settings.known(counting).name
        self.coverage = coverage
        self.covers = _span(covers) if covers else None
        self.holes = timeline.union(_span(hole) for hole in holes)
        if self.covers and self.covers.end > now():
            raise UsageError("What is covered ends in the future, which nobody has seen yet")


class _Importer:
    """Imports files one after the other into one database."""

    def __init__(self, engine: Engine, run: Run, plan: _Plan, dry_run: bool) -> None:
        self._engine = engine
        self._run = run
        self._plan = plan
        self._dry_run = dry_run
        self._moment = now()
        self._pretended: dict[str, str | None] = {}  # what a dry run would have stored, with kinds
        self._pretended_at: dict[int, int] = {}  # and by the millisecond in their ids
        self._suspicions = Suspicions(plan.covers, plan.holes)

    def import_file(
        self, name: str, options: dict[str, Any], *, last: bool, share: tuple[float, float]
    ) -> FileOutcome:
        """Read and store one file; `last` where what `covers` says is true once it is stored."""
        outcome = FileOutcome(name)
        label, (done, part) = Path(name).name, share

        def report(stage: str, begin: float) -> Callable[[float], None]:
            return lambda fraction: self._run.progress(
                done + part * (begin + fraction / 2), stage=stage, message=label
            )

        try:
            read = sources.read(Path(name), moment=self._moment, progress=report("read", 0), **options)
        except sources.StrictStop as stop:
            raise _stopped(name, stop) from None
        except sources.Unreadable as error:
            outcome.error = f"{error.message}. {error.hint}" if error.hint else error.message
            return outcome
        self._describe(outcome, read)
        try:
            self._store(outcome, read.posts, last, report("store", 0.5), strict=options["strict"])
        except sources.StrictStop as stop:
            raise _stopped(name, stop) from None
        for bad in read.posts.bad_rows:
            self._run.warning(f"{_shown(label)}, {_shown(bad.where)}: {printable(bad.reason)}")
        if outcome.bad > len(outcome.bad_rows):
            self._run.warning(f"{label}: and {counted(outcome.bad - len(outcome.bad_rows), 'more bad row')}")
        for warning in outcome.warnings:
            self._run.warning(f"{label}: {warning}")
        self._run.info(_summary(label, outcome, self._dry_run))
        return outcome

    def _describe(self, outcome: FileOutcome, read: sources.FileRead) -> None:
        posts = read.posts
        outcome.form = read.form
        outcome.rows, outcome.other_authors = posts.rows, posts.other_authors
        outcome.span = _texts(posts.span())
        outcome.warnings = doubts(read, self._plan.covers, coverage=self._plan.coverage)

    def _store(
        self, outcome: FileOutcome, posts: Posts, last: bool, report: Callable[[float], None], *, strict: bool
    ) -> None:
        """Write the posts in batches, and with the last of them what they cover."""
        plan, total = self._plan, len(posts)
        covers = plan.coverage and (last or not plan.covers)
        spans = without([plan.covers] if plan.covers else posts.observed(), plan.holes) if covers else []
        known = self._any_stored(posts.span())
        if known and strict:
            self._require_no_twins(posts)
        silences = Silences(plan.covers or posts.span())
        kinds: Counter[str | None] = Counter()
        twins: list[int] = []
        seen = 0
        for batch, is_last in _marking_last(_batches(posts.distinct(), BATCH[self._engine.dialect.name])):
            moments = [posts.moment(number) for number, _ in batch]
            silences.add(moments)
            kinds.update(map(itemgetter(1), batch))
            gone = [str(number) for number, _ in batch if number in posts.deleted] if posts.deleted else []
            twins += self._store_batch(outcome, batch, moments, gone, spans if is_last and covers else None, known)
            seen += len(batch)
            report(seen / total)
        outcome.repeated = total - seen
        outcome.kinds = {kind or "unknown": n for kind, n in sorted(kinds.items(), key=str)}
        outcome.covered = [_texts(span) for span in spans]
        if twins:
            posts.drop(set(twins), TWIN)
        outcome.bad, outcome.bad_rows = posts.bad, [bad._asdict() for bad in posts.bad_rows]
        if outcome.other_kinds:
            outcome.warnings.append(f"{outcome.other_kinds:,} posts are stored with another kind, which was kept")
        if plan.coverage:
            outcome.warnings += self._suspicions.told(silences.found(), last=last)

    def _require_no_twins(self, posts: Posts) -> None:
        """Look for ids of stored posts, rounded, before anything is stored. Raises StrictStop."""
        twins: list[int] = []
        for batch in _batches(posts.distinct(), BATCH[self._engine.dialect.name]):
            stored = self._stored([str(number) for number, _ in batch])
            new = [number for number, _ in batch if str(number) not in stored]
            twins += self._twins(new, [posts.moment(number) for number in new])
        posts.drop(set(twins), TWIN)

    def _store_batch(
        self,
        outcome: FileOutcome,
        batch: list[_Post],
        moments: list[int],
        gone: list[str],
        spans: list[Span] | None,
        known: bool,
    ) -> list[int]:
        """Write posts, those `gone` as deleted, and what is covered; returns which ids were rounded."""
        ids = [str(number) for number, _ in batch]
        stored = self._stored(ids) if known else {}
        new = [i for i, name in enumerate(ids) if name not in stored] if stored else list(range(len(ids)))
        twins = self._twins([batch[i][0] for i in new], [moments[i] for i in new]) if known and new else []
        if twins:
            new = [i for i in new if batch[i][0] not in twins]
        said = [i for i, name in enumerate(ids) if batch[i][1] and name in stored] if stored else []
        filled = [i for i in said if stored[ids[i]] is None]
        outcome.other_kinds += sum(stored[ids[i]] not in (None, batch[i][1]) for i in said)
        imported, updated = len(new), len(filled)
        if self._dry_run:
            self._pretended |= {ids[i]: batch[i][1] for i in (*new, *filled)}
            self._pretended_at |= {batch[i][0] >> 22: batch[i][0] for i in new}
        elif new or filled or gone or spans is not None:
            new_rows, filled_rows = (self._rows(chosen, ids, batch, moments) for chosen in (new, filled))
            with storing(self._engine, self._run) as connection:
                imported = insert_rows(connection, new_rows)
                updated = fill_kinds(connection, filled_rows)
                if gone:
                    mark_deleted(connection, gone, self._moment)
                if spans is not None:
                    plan = self._plan
                    cover(
                        connection,
                        plan.source,
                        spans,
                        holes=plan.holes,
                        moment=self._moment,
                        counting=plan.counting,
                    )
        outcome.imported += imported
        outcome.already_there += len(batch) - imported - len(twins)
        outcome.updated += updated
        outcome.deleted += len(gone)
        return list(twins)

    def _twins(self, new: list[int], moments: list[int]) -> set[int]:
        """Which of these ids are those of stored posts, or those are of these, but for digits that were rounded."""
        with reading(self._engine) as connection:
            beside = [int(name) for name in ids_made_at(connection, self._verbatim(moments)) if name.isdecimal()]
        others = self._pretended_at | {number >> 22: number for number in beside}
        return {number for number in new if is_rounded_twin(number, others.get(number >> 22, 0))}

    def _rows(
        self, chosen: Sequence[int], ids: list[str], batch: list[_Post], moments: list[int]
    ) -> list[tuple[Any, ...]]:
        source = self._plan.source
        [ingested] = self._verbatim([microseconds(self._moment)])
        times = self._verbatim([moments[i] for i in chosen])
        return [(ids[i], time, source, ingested, batch[i][1]) for i, time in zip(chosen, times, strict=True)]

    def _verbatim(self, moments: list[int]) -> list[Any]:
        return sqlite_times(moments) if is_sqlite(self._engine) else [from_microseconds(moment) for moment in moments]

    def _any_stored(self, span: Span) -> bool:
        """Whether there are posts of that time at all: for a first import, no post need be looked up."""
        near = RawTweet.created_at.between(span.start - timeline.HOUR, span.end + timeline.HOUR)
        with reading(self._engine) as connection:
            return bool(self._pretended) or bool(connection.scalar(select(exists().where(near))))

    def _stored(self, ids: list[str]) -> dict[str, str | None]:
        """The kinds of those of these posts that are there already (or would be, in a dry run)."""
        with reading(self._engine) as connection:
            stored = stored_kinds(connection, ids)
        if not self._pretended:
            return stored
        return stored | {name: self._pretended[name] for name in ids if name in self._pretended}


_Post = tuple[int, str | None]


def _batches(posts: Iterator[_Post], size: int) -> Iterator[list[_Post]]:
    while batch := list(islice(posts, size)):
        yield batch


def _marking_last(batches: Iterator[list[_Post]]) -> Iterator[tuple[list[_Post], bool]]:
    held = next(batches)
    for batch in batches:
        yield held, False
        held = batch
    yield held, True


def _span(pair: Sequence[str]) -> Span:
    span = Span(*map(parse_time, pair))
    if span.end <= span.start:
        raise UsageError(f"{pair[0]}..{pair[1]} ends before it begins")
    return span


def _texts(span: Span) -> list[str]:
    return [iso(span.start), iso(span.end)]


def _shown(text: str) -> str:
    """Where a row is, with names of files in it: made safe to show, and short."""
    return printable(text if len(text) <= LONGEST_SHOWN else f"…{text[1 - LONGEST_SHOWN :]}")


def _stopped(name: str, stop: sources.StrictStop) -> MuskTrackerError:
    return MuskTrackerError(
        f"{name}, {stop.message}", "Nothing of this file was stored; without --strict bad rows are left out"
    )


def _summary(label: str, outcome: FileOutcome, dry_run: bool) -> str:
    verb = "would be imported" if dry_run else "imported"
    known, bad = f"{outcome.already_there:,} already stored", counted(outcome.bad, "bad row")
    return f"{label}: {counted(outcome.imported, 'post')} {verb}, {known}, {bad}"


def _nothing(failed: list[FileOutcome]) -> MuskTrackerError:
    reasons = [f"{outcome.file} {outcome.error}" for outcome in failed]
    if len(reasons) == 1:
        return MuskTrackerError(reasons[0])
    return MuskTrackerError(f"None of the {len(reasons)} files could be imported: {'; '.join(reasons)}")


TWIN = "a post of its millisecond is stored already: one of the two ids was rounded"
