"""Alerts in the database: one row for as long as a condition holds, cooldown, resolving, rules that are set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from musktracker.db.engines import reading, writing
from musktracker.db.queries import alerts as queries
from musktracker.db.tables import AlertRule, Coverage, ForecastTotal, ModelMetadata, RawTweet, RunRow, WindowForecast
from musktracker.errors import Cancelled, MuskTrackerError, UsageError
from musktracker.pipeline import alert_snapshot, alerts
from musktracker.pipeline.alert_conditions import CONDITIONS, Condition, Finding, Snapshot
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, Span

NOW = datetime(2026, 3, 6, 15, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COOLDOWN = 60


class Stub:
    """A condition that finds what it is told to."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.severity = "warning"
        self.error: Exception | None = None

    def look(self, snapshot: Snapshot, parameters: Mapping[str, float]) -> list[Finding]:
        if self.error is not None:
            raise self.error
        return [Finding(key, self.severity, f"About {key}", {"n": parameters["n"]}) for key in self.keys]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The only rule that there is."""
    made = Stub()
    monkeypatch.setattr(alerts, "CONDITIONS", {"stub": Condition("of a test", made.look, {"n": 3.0}, COOLDOWN)})
    return made


def look(engine: Engine, after: timedelta = timedelta(0), run: Run | None = None) -> list[str]:
    return [alert.key for alert in alerts.look(engine, run or Run(), NOW + after)]


def test_what_holds_is_one_alert_seen_again(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a"]
    assert look(engine) == ["a"]
    assert look(engine, 5 * MINUTE) == []
    assert look(engine, 3 * HOUR) == []
    [alert] = queries.listed(engine)
    assert (alert.raised_at, alert.last_seen_at, alert.state) == (NOW, NOW + 3 * HOUR, "open")
    assert (alert.rule, alert.key, alert.severity, alert.message) == ("stub", "a", "warning", "About a")
    assert alert.details == {"n": 3.0}


@pytest.mark.parametrize("text", ["a\x00b", "a\udcc3b"])
def test_what_no_database_takes_is_replaced_and_hushes_no_other(engine: Engine, stub: Stub, text: str) -> None:
    stub.keys = [text, "z"]
    [first, other] = alerts.look(engine, Run(), NOW)
    assert text not in first.message
    assert other.key == "z"
    assert look(engine, MINUTE) == []


def test_what_holds_no_longer_is_resolved(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a", "b"]
    assert look(engine) == ["a", "b"]
    stub.keys = ["b"]
    look(engine, MINUTE)
    assert {alert.key: alert.resolved_at for alert in queries.listed(engine)} == {"a": NOW + MINUTE, "b": None}


def test_what_comes_back_during_the_cooldown_is_no_news_and_afterwards_it_is(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a"]
    look(engine)
    stub.keys = []
    look(engine, MINUTE)
    stub.keys = ["a"]
    assert look(engine, 30 * MINUTE) == []
    [alert] = queries.listed(engine)
    assert (alert.state, alert.last_seen_at) == ("open", NOW + 30 * MINUTE)
    stub.keys = []
    look(engine, 31 * MINUTE)
    stub.keys = ["a"]
    assert look(engine, 61 * MINUTE) == ["a"]
    assert len(queries.listed(engine)) == 2


def test_the_cooldown_of_one_key_does_not_hush_another(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a"]
    look(engine)
    stub.keys = ["b"]
    assert look(engine, MINUTE) == ["b"]


def test_a_rule_that_is_off_finds_nothing_and_its_alerts_are_resolved(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a"]
    look(engine)
    alerts.change(engine, "stub", enabled=False)
    assert look(engine, MINUTE) == []
    assert [alert.state for alert in queries.listed(engine)] == ["resolved"]
    assert [one.key for one in alerts.findings(engine, "stub", NOW)] == ["a"]


def test_a_condition_that_breaks_is_told_and_changes_nothing(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a"]
    look(engine)
    stub.error = ZeroDivisionError("no hours")
    run = Run()
    assert look(engine, MINUTE, run) == []
    assert "The rule stub cannot be looked at: ZeroDivisionError: no hours" in run.lines[0].message
    assert [alert.state for alert in queries.listed(engine)] == ["open"]


def test_a_run_that_is_ended_while_a_condition_is_looked_at_ends(engine: Engine, stub: Stub) -> None:
    stub.error = Cancelled("Ended by SIGTERM")
    with pytest.raises(Cancelled):
        look(engine)


def test_who_acknowledges_is_kept_and_the_first_to_do_so_counts(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a", "b"]
    look(engine)
    [a, b] = sorted(queries.listed(engine), key=lambda alert: alert.key)
    alerts.acknowledge(engine, a.id, "ada@tower")
    alerts.acknowledge(engine, a.id, "eve@tower")
    look(engine, MINUTE)
    [acknowledged] = [alert for alert in queries.listed(engine) if alert.id == a.id]
    assert (acknowledged.acknowledged_by, acknowledged.state) == ("ada@tower", "acknowledged")
    unseen, count = queries.unseen(engine)
    assert ([alert.id for alert in unseen], count) == ([b.id], 1)
    with pytest.raises(MuskTrackerError, match="There is no alert 99"):
        alerts.acknowledge(engine, 99, "ada@tower")


def test_the_worst_are_shown_first_and_all_are_counted(engine: Engine, stub: Stub) -> None:
    for after, severity in enumerate(("info", "error", "warning", "error")):
        stub.severity = severity
        stub.keys.append(f"{severity} {after}")
        with writing(engine) as connection:
            finding = Finding(stub.keys[-1], severity, "Something")
            alerts._insert(connection, "stub", finding.key, finding, NOW + after * MINUTE)
    found, count = queries.unseen(engine, 3)
    assert [(alert.severity, alert.raised_at - NOW) for alert in found] == [
        ("error", 3 * MINUTE),
        ("error", MINUTE),
        ("warning", 2 * MINUTE),
    ]
    assert count == 4


def test_what_nobody_was_told_of_can_still_be_delivered(engine: Engine, stub: Stub) -> None:
    stub.keys = ["a", "b", "c"]
    told, failed, left = alerts.look(engine, Run(), NOW)
    alerts.note_delivery(engine, told.id, NOW, None)
    alerts.note_delivery(engine, failed.id, NOW, "No route")
    assert alerts.undelivered(engine, NOW) == [left]
    assert alerts.undelivered(engine, NOW + MINUTE) == []


def test_rules_begin_with_their_defaults_and_are_stored_by_the_first_look(engine: Engine) -> None:
    assert [rule.name for rule in alerts.rules(engine)] == list(CONDITIONS)
    with reading(engine) as connection:
        assert connection.scalars(select(AlertRule.name)).all() == []
    assert look(engine) == []
    with reading(engine) as connection:
        stored = {row.name: row for row in connection.execute(select(AlertRule.__table__))}
    assert set(stored) == set(CONDITIONS)
    assert json.loads(stored["bracket"].parameters) == CONDITIONS["bracket"].parameters


def test_what_is_set_of_a_rule_is_kept(engine: Engine) -> None:
    look(engine)
    changed = alerts.change(engine, "silence", enabled=False, cooldown_minutes=5, parameters={"quantile": "0.95"})
    assert (changed.enabled, changed.cooldown_minutes) == (False, 5)
    assert changed.parameters == {"quantile": 0.95, "at_least_minutes": 60}
    look(engine)
    assert alerts.rule(engine, "silence") == changed


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("nothing", {}),
        ("silence", {"parameters": {"colour": "1"}}),
        ("silence", {"parameters": {"quantile": "1.5"}}),
        ("silence", {"parameters": {"quantile": "much"}}),
        ("silence", {"parameters": {"at_least_minutes": "-1"}}),
        ("silence", {"parameters": {"at_least_minutes": "inf"}}),
        ("silence", {"cooldown_minutes": -1}),
    ],
)
def test_what_a_rule_cannot_be_is_refused(engine: Engine, rule: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        alerts.change(engine, rule, **options)
    assert alerts.rules(engine) == [alerts.rule(engine, name) for name in CONDITIONS]


def test_the_snapshot_is_read_from_what_is_stored(engine: Engine) -> None:
    fill(engine)
    found = alert_snapshot.read(engine, NOW)
    assert found.ingesting_since == NOW - HOUR
    assert found.observed == (Span(NOW - DAY, NOW),)
    assert found.posts == (NOW - HOUR, NOW - MINUTE)
    [total] = found.totals
    assert (total.model, total.mean, total.quantiles, total.actual) == ("hawkes", 61.0, {0.25: 50.0, 0.75: 70.0}, 58)
    assert found.scored == found.totals
    [window] = found.windows
    assert (window.preset, window.brackets) == ("fri-noon", ((0, 19, 0.25), (20, None, 0.75)))
    ended = {run.label: run.failed for run in found.ended}
    assert ended == {"train hawkes": True, "score": False, "service": False}


def test_a_lost_run_is_one_that_failed(engine: Engine) -> None:
    store_run(engine, "forecast", "running", {}, heartbeat_at=NOW - HOUR)
    [lost] = alert_snapshot.read(engine, NOW).ended
    assert (lost.failed, lost.error) == (True, "it gives no sign of life")
    assert look(engine) == ["forecast"]


def test_a_service_that_was_lost_is_no_longer_told_once_another_goes_on(engine: Engine) -> None:
    store_run(engine, "service", "failed", {}, finished_at=NOW - MINUTE, error="Lost")
    assert look(engine) == ["service"]
    store_run(engine, "service", "running", {}, started_at=NOW, heartbeat_at=NOW + MINUTE)
    look(engine, MINUTE)
    assert [alert.state for alert in queries.listed(engine)] == ["resolved"]


def test_a_look_notes_when_it_was(engine: Engine) -> None:
    look(engine, HOUR)
    assert alert_snapshot.read(engine, NOW + DAY).looked_at == NOW + HOUR


def fill(engine: Engine) -> None:
    """One of everything that conditions look at, and of some things that they must not see."""
    store_run(engine, "service", "running", {"ingest": True}, started_at=NOW - HOUR, heartbeat_at=NOW)
    store_run(engine, "score", "succeeded", {}, finished_at=NOW - HOUR)
    store_run(engine, "train", "failed", {"model": "hawkes"}, finished_at=NOW - MINUTE, error="Busy")
    store_run(engine, "refresh", "cancelled", {}, finished_at=NOW)
    posts = [(NOW - HOUR, False), (NOW - MINUTE, False), (NOW - 2 * MINUTE, True), (NOW - 40 * DAY, False)]
    rows = [
        {"tweet_id": str(i), "created_at": at, "source": "x", "ingest_time": at, "is_deleted": gone}
        for i, (at, gone) in enumerate(posts)
    ]
    quantiles = json.dumps({"0.25": 50, "0.75": 70})
    common = {"model_metadata_id": 1, "n_paths": 100, "seed": 1, "counting": "all", "predicted_total": 61.0}
    common |= {"quantiles": quantiles, "warnings": "[]", "forecast_time": NOW - HOUR, "created_at": NOW}
    window = {
        "made_at": NOW - HOUR,
        "window_start": NOW - DAY,
        "window_end": NOW + DAY,
        "preset": "fri-noon",
        "timezone": "UTC",
        "brackets": "[[0, 19], [20, null]]",
        "brackets_sha256": "x",
        "counted_until": NOW,
        "count_so_far": 2,
        "lower_bound": False,
        "hours_to_come": 24.0,
        "bracket_probabilities": "[0.25, 0.75]",
    }
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), rows)
        span = {"source": "x", "span_start": NOW - DAY, "span_end": NOW + HOUR, "created_at": NOW}
        connection.execute(insert(Coverage).values(span))
        trained = {"trained_at": NOW, "training_start_date": NOW - DAY, "training_end_date": NOW}
        connection.execute(insert(ModelMetadata).values(id=1, model_name="hawkes", model_version="v1", **trained))
        connection.execute(insert(ForecastTotal).values(horizon_hours=24, actual_total=58, **common))
        connection.execute(insert(WindowForecast).values(**common, **window))


def store_run(engine: Engine, kind: str, status: str, parameters: dict[str, Any], **values: Any) -> None:
    common = {"created_at": NOW - HOUR, "host": "tower", "who": "ada@tower", "parameters": json.dumps(parameters)}
    with writing(engine) as connection:
        connection.execute(insert(RunRow).values(kind=kind, status=status, **common, **values))


def test_open_alerts_are_listed_before_acknowledged_ones_and_those_before_what_is_over(
    engine: Engine, stub: Stub
) -> None:
    stub.keys = ["over", "seen"]
    look(engine)
    stub.keys = ["seen"]
    look(engine, MINUTE)
    stub.keys = ["seen", "old"]
    look(engine, 2 * MINUTE)
    stub.keys = ["seen", "old", "new"]
    look(engine, 3 * MINUTE)
    alerts.acknowledge(engine, next(one.id for one in queries.listed(engine) if one.key == "seen"), "ada")
    assert [one.key for one in queries.listed(engine)] == ["new", "old", "seen", "over"]
    assert [one.key for one in queries.listed(engine, resolved=False)] == ["new", "old", "seen"]


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_rule_is_explained_in_words(name: str) -> None:
    assert alerts.explained(name).endswith(".")
    assert "`" not in alerts.explained(name)
    assert alerts.defaults(name) == CONDITIONS[name].parameters
