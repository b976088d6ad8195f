"""What events do, on the command line: told by train and events effects, asked of forecast and backtest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine
from stored_hours import START, store_hours

from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.pipeline import event_merge
from musktracker.pipeline.event_fields import EventFields
from musktracker.timeline import DAY, HOUR, iso

DAYS = 130
AS_OF = ("--as-of", iso(START + DAYS * DAY))
NEXT = START + DAYS * DAY + 10 * HOUR
IMAGINED = f"{iso(NEXT)}..{iso(NEXT + 3 * HOUR)},0.8,launch"
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker on the test's database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(list(arguments))


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """Counts of 130 days with ten launches, the name of their category untrusted."""
    rng = np.random.default_rng(1)
    rate = np.full(24 * DAYS, 3.0)
    begins = [24 * 60 + 150 * k for k in range(10)]
    for begin in begins:
        rate[begin : begin + 6] *= 3
    store_hours(engine, rng.poisson(rate * rng.gamma(4, 0.25, len(rate))))
    past = [
        EventFields(f"Launch {k}", START + begin * HOUR, START + (begin + 4) * HOUR, 1.0, "[red]launch")
        for k, begin in enumerate(begins)
    ]
    event_merge.merge(engine, [(one, START) for one in past])
    return engine


@pytest.fixture
def trained(command: Command, counted: Engine, capsys: pytest.CaptureFixture[str]) -> Engine:
    assert command("train", "--backtest-origins", "0") == 0
    out = capsys.readouterr().out
    assert "by how much an event of intensity 1 raises the hourly rate" in out
    assert "[red]launch" in out
    return counted


@pytest.mark.usefixtures("trained")
def test_effects_are_shown_with_interval_and_number(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("events", "effects") == 0
    out = capsys.readouterr().out
    assert "har_bootstrap v1" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if "%" in line and line[0] in "[("}
    assert rows["[red]launch"][1].startswith("+")
    assert rows["[red]launch"][-1] == rows["(any"][-1] == "10"
    assert command("events", "effects", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    launch, common = found["effects"]
    assert (launch["category"], launch["events"], common["category"]) == ("[red]launch", 10, None)
    assert launch["lower"] < launch["percent"] < launch["upper"]


@pytest.mark.usefixtures("counted")
def test_without_a_version_that_tells_effects_it_says_what_to_do(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("events", "effects") == 3
    assert "musktracker train" in capsys.readouterr().err


@pytest.mark.usefixtures("trained")
def test_a_forecast_with_and_without_an_imagined_event(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("forecast", *AS_OF, "--horizon", "2d", "--paths", "200", "--with", IMAGINED)
    assert command(*options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["with"]["total"]["mean"] > found["without"]["total"]["mean"]
    assert command(*options) == 0
    out = capsys.readouterr().out
    for text in ("nothing is stored", "imagined", "difference", "total"):
        assert text in out


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("text", ["now", IMAGINED.replace("0.8", "2"), IMAGINED.replace("0.8", "much"), "2025..,1"])
def test_what_is_no_event_is_wrong_use(command: Command, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("forecast", *AS_OF, "--with", text) == 2
    assert "musktracker: " in capsys.readouterr().err


@pytest.mark.usefixtures("trained")
def test_an_event_that_is_not_known_is_wrong_use(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("forecast", *AS_OF, "--without", "4711") == 2
    assert "Event 4711 is not known" in capsys.readouterr().err


@pytest.mark.usefixtures("counted")
def test_a_retrospective_backtest_is_marked_wherever_it_is_shown(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = iso(START + (DAYS - 9) * DAY)
    options = ("--models", "seasonal_naive", "--from", begin, "--paths", "20", "--jobs", "1")
    assert command("backtest", *options, "--name", "then") == 0
    assert "Retrospective" not in capsys.readouterr().out
    assert command("backtest", *options, "--name", "hindsight", "--retrospective-events") == 0
    for shown in (("show", "hindsight"), ("compare", "hindsight", "then")):
        assert command("backtest", *shown) == 0
        assert "Retrospective: every event counted as known from the beginning" in capsys.readouterr().out
    assert command("backtest", "list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "retrospective" in lines["hindsight"]
    assert "as entered" in lines["then"]


def test_effects_of_a_model_or_version_that_there_is_not_are_refused_with_those_that_there_are(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, code, said in (
        (("--model", "oracle"), 2, "There is no model 'oracle'. Models: har_bootstrap"),
        (("--version", "v99"), 3, "The newest that were: har_bootstrap:v1"),
    ):
        assert command("events", "effects", *options) == code
        assert said in capsys.readouterr().err
