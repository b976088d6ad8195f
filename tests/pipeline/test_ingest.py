"""An import stores each post once and what the file covers, whole or not at all."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update

from musktracker.db.queries import coverage
from musktracker.db.tables import Coverage, RawTweet
from musktracker.db.verbatim import sqlite_text
from musktracker.errors import Cancelled, MuskTrackerError, UsageError
from musktracker.pipeline import ingest
from musktracker.pipeline.ingest import import_files
from musktracker.pipeline.store import sqlite_times, storing
from musktracker.reporting import Run
from musktracker.timeline import DAY, EPOCH, HOUR, Span, iso, snowflake_floor, snowflake_time

START = datetime(2025, 3, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def ids(*hours: float) -> list[int]:
    return [snowflake_floor(START + HOUR * hour) for hour in hours]


def write(path: Path, numbers: Iterable[int], kinds: Iterable[str] = ()) -> str:
    rows = list(zip(numbers, kinds, strict=True)) if kinds else [(number, "") for number in numbers]
    path.write_text("tweet_id,kind\n" + "".join(f"{number},{kind}\n" for number, kind in rows))
    return str(path)


def stored(engine: Engine) -> dict[int, tuple[datetime, str | None, bool]]:
    with engine.begin() as connection:
        columns = (RawTweet.tweet_id, RawTweet.created_at, RawTweet.kind, RawTweet.is_deleted)
        rows = connection.execute(select(*columns).order_by(RawTweet.created_at))
        return {int(row[0]): (row[1], row[2], row[3]) for row in rows}


def everything(engine: Engine) -> list[Any]:
    with engine.begin() as connection:
        return [
            connection.execute(select(table.__table__).order_by(table.id)).all() for table in (RawTweet, Coverage)
        ]


def test_posts_are_stored_with_the_time_in_their_ids(engine: Engine, tmp_path: Path) -> None:
    numbers = ids(0, 1.5, 30)
    result = import_files(engine, Run(), files=[write(tmp_path / "a", numbers)])
    assert (result["imported"], result["already_there"], result["failed"]) == (3, 0, 0)
    assert stored(engine) == {number: (snowflake_time(number), None, False) for number in numbers}
    assert coverage.post_count(engine) == 3
    assert (coverage.first_post(engine), coverage.last_post(engine)) == (START, START + 30 * HOUR)


def test_a_post_older_than_snowflakes_keeps_the_files_time(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("id,created_at\n15434727182,2010-06-04T18:31:57.000001Z\n")
    import_files(engine, Run(), files=[str(path)])
    assert stored(engine)[15434727182][0] == datetime(2010, 6, 4, 18, 31, 57, 1, tzinfo=UTC)


def test_a_second_import_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0, 1, 2), ("reply", "", "quote"))]
    import_files(engine, Run(), files=files)
    before = everything(engine)
    result = import_files(engine, Run(), files=files)
    assert (result["imported"], result["already_there"], result["updated"]) == (0, 3, 0)
    assert everything(engine) == before


def test_a_later_import_fills_in_an_unknown_kind_and_changes_no_known_one(engine: Engine, tmp_path: Path) -> None:
    numbers = ids(0, 1, 2)
    import_files(engine, Run(), files=[write(tmp_path / "a", numbers, ("", "reply", "quote"))], source="first")
    with engine.begin() as connection:
        [ingested] = set(connection.scalars(select(RawTweet.ingest_time)))
    result = import_files(engine, Run(), files=[write(tmp_path / "b", numbers, ("repost", "quote", ""))])
    assert result["updated"] == 1
    assert [kind for _, kind, _ in stored(engine).values()] == ["repost", "reply", "quote"]
    with engine.begin() as connection:
        rows = set(connection.execute(select(RawTweet.source, RawTweet.ingest_time)).all())
    assert rows == {("first", ingested)}


def test_a_deleted_post_stays_deleted(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0, 1))]
    import_files(engine, Run(), files=files)
    with engine.begin() as connection:
        connection.execute(update(RawTweet).values(is_deleted=True))
    import_files(engine, Run(), files=files)
    assert [deleted for _, _, deleted in stored(engine).values()] == [True, True]
    assert (coverage.post_count(engine), coverage.last_post(engine)) == (0, None)


def test_a_file_covers_the_time_from_its_first_post_to_its_last(engine: Engine, tmp_path: Path) -> None:
    import_files(engine, Run(), files=[write(tmp_path / "a", ids(5, 0, 2))])
    assert coverage.covered(engine) == [Span(START, START + 5 * HOUR + MILLISECOND)]
    [span] = coverage.spans(engine, source="file")
    assert (span.start, coverage.spans(engine, source="other")) == (START, [])


def test_spans_of_a_source_that_meet_become_one_and_those_of_others_stay(engine: Engine, tmp_path: Path) -> None:
    for name, hours, source in (("a", (0, 4), "x"), ("b", (10, 12), "x"), ("c", (3, 11), "y"), ("d", (4, 10), "x")):
        import_files(engine, Run(), files=[write(tmp_path / name, ids(*hours))], source=source)
    ends = [(span.source, span.start, span.end) for span in coverage.spans(engine)]
    assert ends == [
        ("x", START, START + 12 * HOUR + MILLISECOND),
        ("y", START + 3 * HOUR, START + 11 * HOUR + MILLISECOND),
    ]
    assert coverage.holes(engine, Span(START - HOUR, START + HOUR)) == [Span(START - HOUR, START)]


def test_a_long_silence_is_reported_and_a_hole_left_out_also_of_earlier_coverage(
    engine: Engine, tmp_path: Path
) -> None:
    files, run = [write(tmp_path / "a", ids(0, 1, 80, 81))], Run()
    result = import_files(engine, run, files=files)
    hole = [iso(START + HOUR), iso(START + 80 * HOUR)]
    [warning] = result["files"][0]["warnings"]
    assert f"--hole {hole[0]}..{hole[1]}" in warning
    assert [line.level for line in run.lines].count("warning") == 1
    result = import_files(engine, Run(), files=files, holes=[hole])
    assert result["files"][0]["warnings"] == []
    assert coverage.holes(engine, Span(START, START + 81 * HOUR)) == [Span(START + HOUR, START + 80 * HOUR)]


def test_a_hole_as_wide_as_the_file_takes_all_of_it_back(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0, 1))]
    import_files(engine, Run(), files=files)
    import_files(engine, Run(), files=files, holes=[[iso(START - HOUR), iso(START + 2 * HOUR)]])
    assert coverage.covered(engine) == []


def test_what_several_files_cover_together_counts_once_all_are_in(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0, 100)), write(tmp_path / "b", ids(50, 60, 200))]
    span = Span(START - DAY, START + 10 * DAY)
    result = import_files(engine, Run(), files=files, covers=[iso(span.start), iso(span.end)])
    assert coverage.covered(engine) == [span]
    assert [len(outcome["warnings"]) for outcome in result["files"]] == [0, 1]  # of 100 to 200 hours, which both lack


def test_what_files_cover_together_does_not_count_where_one_could_not_be_read(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0)), str(tmp_path / "missing"), write(tmp_path / "b", ids(1))]
    result = import_files(engine, Run(), files=files, covers=[iso(START), iso(START + DAY)])
    assert (result["imported"], result["failed"], coverage.covered(engine)) == (2, 1, [])


def test_without_coverage_nothing_is_claimed(engine: Engine, tmp_path: Path) -> None:
    import_files(engine, Run(), files=[write(tmp_path / "a", ids(0, 5))], coverage=False)
    assert (coverage.post_count(engine), coverage.covered(engine)) == (2, [])


def test_a_dry_run_says_the_same_and_stores_nothing(engine: Engine, tmp_path: Path) -> None:
    files = [write(tmp_path / "a", ids(0, 1)), write(tmp_path / "b", ids(1, 2))]
    dry = import_files(engine, Run(), files=files, dry_run=True)
    assert everything(engine) == [[], []]
    real = import_files(engine, Run(), files=files)
    assert dry | {"dry_run": False} == real
    assert (real["imported"], real["already_there"]) == (3, 1)


def test_bad_rows_are_left_out_and_reported(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(f"id\n{ids(0)[0]}\nwhat\n")
    [outcome] = import_files(engine, Run(), files=[str(path)])["files"]
    assert (outcome["imported"], outcome["bad"]) == (1, 1)
    assert outcome["bad_rows"] == [{"where": "line 3", "reason": "it has no post id"}]
    assert "missing" in outcome["warnings"][0]


def test_the_log_lists_bad_rows_by_file_and_line_and_counts_those_beyond_twenty(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "a\x1b[31m"
    path.write_text(f"id\n{ids(0)[0]}\n" + "what\n" * 1_254)
    run = Run()
    import_files(engine, run, files=[str(path)])
    warned = [line.message for line in run.lines if line.level == "warning"]
    assert warned[0] == "a�[31m, line 3: it has no post id"
    assert warned[19].startswith("a�[31m, line 22: ")
    assert warned[20].endswith(": and 1,234 more bad rows")


def test_one_row_is_told_in_the_singular(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    first, second = ids(0, 1)
    path.write_text(f"id,created_at\n{first},soon\n{second},2025-03-01T01:07:00Z\n")
    [outcome] = import_files(engine, Run(), files=[str(path)])["files"]
    assert outcome["warnings"] == [
        "1 row states a time more than 2 s from the one in the id, which was taken (first: line 3)",
        "1 row states a time that cannot be read; the one in the id was taken",
    ]


def test_strict_stores_nothing_of_a_file_with_a_bad_row(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.write_text(f"id\n{ids(1)[0]}\nwhat\n")
    with pytest.raises(MuskTrackerError, match="line 3: it has no post id"):
        import_files(engine, Run(), files=[write(tmp_path / "a", ids(0)), str(path)], strict=True)
    assert list(stored(engine)) == ids(0)


def test_where_no_file_can_be_used_the_import_fails_in_words(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(MuskTrackerError, match=r"None of the 2 files .*missing is not there.*is a directory"):
        import_files(engine, Run(), files=[str(tmp_path / "missing"), str(tmp_path)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "x" * 33},
        {"source": "\n"},
        {"covers": [iso(START), iso(START)]},
        {"covers": ["2025-01-01", "2025-01-02"]},
        {"covers": [iso(START), "2999-01-01T00:00Z"]},
        {"holes": [[iso(START), iso(START + DAY)]], "coverage": False},
    ],
)
def test_what_cannot_be_is_wrong_use(engine: Engine, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        import_files(engine, Run(), files=[write(tmp_path / "a", ids(0))], **wrong)
    assert stored(engine) == {}


def test_a_cancelled_import_leaves_rows_but_covers_nothing_and_can_be_finished(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Run):
        def check(self) -> None:
            if self.stage == "store" and (self.fraction or 0) > 0.6:
                raise Cancelled("Cancelled on request")

    monkeypatch.setitem(ingest.BATCH, engine.dialect.name, 10)
    files = [write(tmp_path / "a", ids(*range(100)))]
    with pytest.raises(Cancelled):
        import_files(engine, Impatient(), files=files)
    left = len(stored(engine))
    assert 0 < left < 100
    assert coverage.covered(engine) == []
    assert import_files(engine, Run(), files=files)["imported"] == 100 - left
    assert coverage.covered(engine) == [Span(START, START + 99 * HOUR + MILLISECOND)]


def test_the_last_rows_and_the_coverage_commit_together(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def failing(engine: Engine, run: Run) -> Any:
        with storing(engine, run) as connection:
            yield connection
            raise OSError("the machine went away")

    monkeypatch.setattr(ingest, "storing", failing)
    with pytest.raises(OSError, match="went away"):
        import_files(engine, Run(), files=[write(tmp_path / "a", ids(0, 1))])
    assert everything(engine) == [[], []]


def test_many_rows_go_in_by_the_fast_way_of_each_database(engine: Engine, tmp_path: Path) -> None:
    numbers = [snowflake_floor(START) + (i << 22) for i in range(6_000)]
    result = import_files(engine, Run(), files=[write(tmp_path / "a", numbers)])
    assert result["imported"] == 6_000
    assert set(stored(engine)) == set(numbers)


@pytest.mark.parametrize("rounded_first", [False, True])
def test_a_post_is_not_stored_again_under_its_id_rounded(engine: Engine, tmp_path: Path, rounded_first: bool) -> None:
    numbers = [number + 77_301 for number in ids(*range(40))]
    rounded = [*numbers[:20], *(int(float(number)) for number in numbers[20:22]), *numbers[22:]]
    files = [write(tmp_path / "a", numbers), write(tmp_path / "b", rounded)]
    dry = import_files(engine, Run(), files=files[::-1] if rounded_first else files, dry_run=True)
    real = import_files(engine, Run(), files=files[::-1] if rounded_first else files)
    assert dry | {"dry_run": False} == real
    assert (real["imported"], real["already_there"], real["bad"]) == (40, 38, 2)
    assert list(stored(engine)) == (rounded if rounded_first else numbers)
    [first, _] = real["files"][1]["bad_rows"]
    assert (first["where"], "rounded" in first["reason"]) == ("line 22", True)


def test_strict_stops_at_an_id_that_is_a_stored_one_rounded(engine: Engine, tmp_path: Path) -> None:
    numbers = [number + 77_301 for number in ids(0, 1)]
    import_files(engine, Run(), files=[write(tmp_path / "a", numbers[:1])])
    with pytest.raises(MuskTrackerError, match=r"line 2.*rounded"):
        import_files(engine, Run(), files=[write(tmp_path / "b", [int(float(numbers[0])), numbers[1]])], strict=True)
    assert list(stored(engine)) == numbers[:1]


def test_posts_of_one_millisecond_that_no_rounding_explains_are_all_stored(engine: Engine, tmp_path: Path) -> None:
    [first] = ids(0)
    numbers = [first + 77_301, first + 77_302, first + 3_000_000]
    import_files(engine, Run(), files=[write(tmp_path / "a", numbers[:1])])
    assert import_files(engine, Run(), files=[write(tmp_path / "b", numbers[1:])])["imported"] == 2
    assert set(stored(engine)) == set(numbers)


def test_a_post_more_than_a_year_from_all_others_is_stored_but_not_covered(engine: Engine, tmp_path: Path) -> None:
    numbers = [*ids(*range(30)), 158860640866144768, *ids(*range(30, 60))]
    [outcome] = import_files(engine, Run(), files=[write(tmp_path / "a", numbers)])["files"]
    assert coverage.covered(engine) == [Span(START, START + 59 * HOUR + MILLISECOND)]
    [warning] = outcome["warnings"]
    for words in ("158860640866144768", "line 32", "2012-01-16T10:38:22", "--covers"):
        assert words in warning
    begin = datetime(2012, 1, 1, tzinfo=UTC)
    covers = [iso(begin), iso(START + 60 * HOUR)]
    [outcome] = import_files(engine, Run(), files=[outcome["file"]], covers=covers)["files"]
    assert coverage.covered(engine) == [Span(begin, START + 60 * HOUR)]
    assert not any("158860640866144768" in warning for warning in outcome["warnings"])


def test_a_single_post_a_year_from_a_few_others_is_not_covered_either(engine: Engine, tmp_path: Path) -> None:
    file = write(tmp_path / "a", [158860640866144768, *ids(0, 1, 2)])
    [outcome] = import_files(engine, Run(), files=[file])["files"]
    assert coverage.covered(engine) == [Span(START, START + 2 * HOUR + MILLISECOND)]
    assert ["158860640866144768" in warning for warning in outcome["warnings"]] == [True]


def test_a_year_of_silence_is_not_covered_and_what_lies_around_it_is(engine: Engine, tmp_path: Path) -> None:
    later = 24 * 400
    file = write(tmp_path / "a", [number for hour in (0, 5) for number in ids(hour - later, hour)])
    [outcome] = import_files(engine, Run(), files=[file])["files"]
    begin = START - later * HOUR
    assert coverage.covered(engine) == [
        Span(begin, begin + 5 * HOUR + MILLISECOND),
        Span(START, START + 5 * HOUR + MILLISECOND),
    ]
    [warning] = outcome["warnings"]
    assert f"--covers {iso(begin)}..{iso(START + 5 * HOUR + MILLISECOND)}" in warning


def test_posts_that_a_file_says_are_deleted_are_stored_so_and_do_not_count(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a"
    one, two, three = ids(0, 1, 2)
    import_files(engine, Run(), files=[write(tmp_path / "b", [two])])
    path.write_text(f"id,is_deleted\n{one},True\n{two},yes\n{three},False\n")
    [outcome] = import_files(engine, Run(), files=[str(path)])["files"]
    assert (outcome["imported"], outcome["deleted"]) == (2, 2)
    assert {number: gone for number, (_, _, gone) in stored(engine).items()} == {one: True, two: True, three: False}
    before = everything(engine)
    import_files(engine, Run(), files=[str(path)])
    assert everything(engine) == before


def test_a_kind_other_than_the_stored_one_is_told(engine: Engine, tmp_path: Path) -> None:
    numbers = ids(0, 1, 2)
    files = [
        write(tmp_path / "a", numbers, ("original", "original", "reply")),
        write(tmp_path / "b", numbers, ("reply", "quote", "reply")),
    ]
    dry = import_files(engine, Run(), files=files, dry_run=True)
    real = import_files(engine, Run(), files=files)
    assert dry | {"dry_run": False} == real
    assert [outcome["warnings"] for outcome in real["files"]] == [
        [],
        ["2 posts are stored with another kind, which was kept"],
    ]
    assert [kind for _, kind, _ in stored(engine).values()] == ["original", "original", "reply"]


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["", "original", "reply", "quote", "repost"])), min_size=1
    ),
    st.randoms(),
)
@settings(max_examples=15)
def test_order_and_repetition_of_rows_change_nothing(
    engine: Engine, tmp_path: Path, rows: list[tuple[int, str]], draw: random.Random
) -> None:
    def imported(rows: list[tuple[int, str]]) -> tuple[Any, Any]:
        with engine.begin() as connection:
            connection.execute(delete(RawTweet))
            connection.execute(delete(Coverage))
        import_files(engine, Run(), files=[write(tmp_path / "a", ids(*(n for n, _ in rows)), [k for _, k in rows])])
        return stored(engine), coverage.covered(engine)

    shuffled = [*rows, *draw.choices(rows, k=3)]
    draw.shuffle(shuffled)
    assert imported(rows) == imported(shuffled)


@given(st.integers(0, 2**52))
def test_times_written_straight_are_those_that_the_column_type_writes(moment: int) -> None:
    assert sqlite_times([moment]) == [sqlite_text(EPOCH + timedelta(microseconds=moment))]
