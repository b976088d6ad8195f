"""A run is a row: it reports, is followed, cancelled, and its lease keeps others out."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from musktracker import runs
from musktracker.errors import Cancelled


def counting(engine: Engine, run: runs.Run, n: int) -> dict[str, int]:
    for i in range(n):
        run.progress(i / n, stage="count", message=f"{i} of {n}")
        run.info("counted", i=i)
    return {"n": n}


def test_a_run_leaves_its_result_and_its_log(engine: Engine) -> None:
    assert runs.execute(engine, "refresh", counting, {"n": 3}) == {"n": 3}
    [info] = runs.recent(engine)
    assert (info.status, info.progress, info.stage, info.result) == ("succeeded", 1.0, "count", {"n": 3})
    assert [line.fields["i"] for line in runs.log_lines(engine, info.id)] == [0, 1, 2]


def test_a_second_run_is_told_who_holds_the_lease(engine: Engine) -> None:
    holder = runs.create(engine, "import", {}, lease="ingest")
    with pytest.raises(runs.LeaseHeld, match=f"run {holder}"):
        runs.create(engine, "import", {}, lease="ingest")


def test_a_cancelled_run_stops_and_frees_its_lease(engine: Engine) -> None:
    def endless(engine: Engine, run: runs.Run) -> dict[str, int]:
        runs.request_cancel(engine, run.id or 0)
        while True:
            run.check()

    with pytest.raises(Cancelled):
        runs.execute(engine, "import", endless, {}, lease="ingest")
    [info] = runs.recent(engine)
    assert info.status == "cancelled"
    runs.create(engine, "import", {}, lease="ingest")
