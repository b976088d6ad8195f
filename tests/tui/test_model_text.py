"""A version in words: what its fit found that events do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.queries import models
from musktracker.db.tables import ModelMetadata
from tui.screens import model_text

MOMENT = datetime(2026, 1, 10, 12, tzinfo=UTC)


def test_effects_of_events_are_told_with_interval_and_number(engine: Engine) -> None:
    told = {
        "parameters": {
            "event": {"estimate": 0.1, "standard_error": 0.2},
            "event:[b]la\x1bunch": {"estimate": 0.405, "standard_error": 0.2},
        },
        "values": {"events": 7, "events:[b]la\x1bunch": 5},
    }
    values = {
        "model_name": "har_bootstrap",
        "model_version": "v1",
        "trained_at": MOMENT,
        "training_start_date": MOMENT,
        "training_end_date": MOMENT,
        "diagnostics": json.dumps(told),
    }
    with writing(engine) as connection:
        connection.execute(insert(ModelMetadata).values(values))
    [version] = models.versions(engine)
    lines = [text for text, _ in model_text.detail(version, None, lambda moment, *_: str(moment))]
    assert not any(line.startswith("Parameter") for line in lines)  # there is none beside the effects
    first = next(k for k, line in enumerate(lines) if line.startswith("Event, intensity 1"))
    launch, other = lines[first + 1 : first + 3]
    assert launch.startswith("[b]la")
    assert "\x1b" not in launch
    assert launch.split()[-3:] == ["+50%", "+1..+122%", "5"]
    assert other.split() == ["(any", "other)", "+11%", "-25..+64%", "7"]
