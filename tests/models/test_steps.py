"""The steps of a search are told to whoever listens, and change nothing about the fit."""

from __future__ import annotations

import numpy as np
import pytest

from musktracker.models import steps
from musktracker.models.base import History, Model
from musktracker.models.hawkes import Hawkes
from musktracker.models.negative_binomial import NegativeBinomial
from musktracker.models.sarimax import Sarimax
from musktracker.timeline import hour_index, parse_time

START = hour_index(parse_time("2024-01-01T00:00Z"))
HOURS = 24 * 150
MODELS = (Hawkes(components=1), NegativeBinomial(features=("lag_1h",)), Sarimax(window_days=14, most_steps=20))


@pytest.fixture(scope="module")
def history() -> History:
    """Some months of counts, and the moments of their posts."""
    rng = np.random.default_rng(4)
    counts = rng.negative_binomial(2, 0.4, HOURS)
    hours = np.repeat(START + np.arange(HOURS), counts) + rng.random(counts.sum())
    return History(START, counts.astype(float), posts=np.sort((hours * 3_600_000_000).astype(np.int64)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_fit_tells_how_its_log_likelihood_rose_to_where_it_ended(model: Model, history: History) -> None:
    told: list[tuple[int, int, float]] = []
    with steps.heard_by(lambda *step: told.append(step)):
        found = model.fit(history).diagnostics
    assert found is not None
    assert found.log_likelihood is not None
    searches, numbers, values = zip(*told, strict=True)
    assert set(searches) == {1}
    assert numbers == tuple(range(1, len(told) + 1))
    assert len(told) == found.values["iterations"]
    assert values[-1] == pytest.approx(found.log_likelihood, rel=1e-6)
    assert values[-1] >= values[0]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_listening_changes_nothing(model: Model, history: History) -> None:
    alone = model.fit(history).diagnostics
    with steps.heard_by(lambda *_: None):
        heard = model.fit(history).diagnostics
    assert alone is not None
    assert heard is not None
    assert (alone.estimates, alone.log_likelihood) == (heard.estimates, heard.log_likelihood)


def test_what_the_listener_raises_ends_the_search(history: History) -> None:
    def stop(*_: float) -> None:
        raise KeyboardInterrupt

    for model in MODELS:
        with pytest.raises(KeyboardInterrupt), steps.heard_by(stop):
            model.fit(history)


def test_nobody_listens_after_the_fit() -> None:
    with steps.heard_by(lambda *_: None):
        assert steps.search() is not None
    assert steps.search() is None
