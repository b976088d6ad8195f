"""The regression finds what made the counts, says what is doubtful, and simulates by its own features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from musktracker.models import negative_binomial
from musktracker.models.base import Diagnostics, Events, History, SimulationWarning
from musktracker.models.features import MICROSECONDS, compute
from musktracker.models.negative_binomial import FittedNegativeBinomial, NegativeBinomial

START = 480_000
PLAIN = NegativeBinomial(features=("lag_1h", "hour_of_day"), harmonics=1)
TRUE = {"intercept": 0.3, "lag_1h": 0.4, "hour_of_day:sin1": 0.5, "hour_of_day:cos1": -0.3}
DISPERSION = 0.8


def generated(hours: int = 8000, *, dispersion: float = DISPERSION, seed: int = 1) -> History:
    """Counts made by the regression itself."""
    rng = np.random.default_rng(seed)
    counts = np.zeros(hours)
    phase = 2 * np.pi * ((START + np.arange(hours)) % 24) / 24
    fixed = TRUE["intercept"] + TRUE["hour_of_day:sin1"] * np.sin(phase) + TRUE["hour_of_day:cos1"] * np.cos(phase)
    for hour in range(1, hours):
        rate = np.exp(fixed[hour] + TRUE["lag_1h"] * np.log1p(counts[hour - 1]))
        counts[hour] = rng.poisson(rate * rng.gamma(1 / dispersion, dispersion))
    return History(START, counts)


def diagnosed(fitted: FittedNegativeBinomial) -> Diagnostics:
    assert fitted.diagnostics is not None
    return fitted.diagnostics


def test_parameters_and_dispersion_are_recovered_within_their_errors() -> None:
    diagnostics = diagnosed(PLAIN.fit(generated()))
    assert diagnostics.converged
    assert diagnostics.warnings == ()
    for name, true in {**TRUE, "dispersion": DISPERSION}.items():
        estimate, error = diagnostics.estimates[name]
        assert 0 < error < 0.1
        assert abs(estimate - true) < 4 * error, name


def test_the_likelihood_is_that_of_the_distribution() -> None:
    from scipy.stats import nbinom

    history = generated(1000)
    fitted = PLAIN.fit(history)
    rows = compute(START, history.counts, Events.none(), slice(START + 1, START + 1000))
    phase = 2 * np.pi * rows.hour_of_day / 24
    design = np.column_stack([np.ones(999), np.log1p(rows.lag_1h), np.sin(phase), np.cos(phase)])
    mean, size = np.exp(design @ fitted.coefficients), 1 / fitted.dispersion
    expected = nbinom.logpmf(history.counts[1:], size, size / (size + mean)).sum()
    assert diagnosed(fitted).log_likelihood == pytest.approx(expected)


def test_rows_that_touch_unobserved_hours_are_left_out() -> None:
    history = generated(1000)
    counts = history.counts.copy()
    counts[500:510] = np.nan
    values = diagnosed(PLAIN.fit(History(START, counts))).values
    assert values["rows"] == 1000 - 1 - 10 - 1  # the first has no lag, ten are unknown, one follows them


def test_only_the_window_is_fitted_to() -> None:
    diagnostics = diagnosed(dataclasses.replace(PLAIN, window_days=30).fit(generated(3000)))
    assert diagnostics.trained_on == (START + 3000 - 720, START + 3000)
    assert diagnostics.values["rows"] == 720


def test_every_simulated_hour_uses_the_features_of_the_counts_before_it() -> None:
    """Rates drawn from, computed again from the features of the finished path."""
    model = NegativeBinomial(features=(*negative_binomial.MEMORY, "hour_of_day", "day_of_week"))
    history = generated(60 * 24)
    fitted = model.fit(history)
    drawn: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []

    class Watching(np.random.Generator):
        def poisson(self, lam, size=None):  # type: ignore[no-untyped-def, override]
            drawn.append(np.asarray(lam))
            return super().poisson(lam, size)

        def standard_gamma(self, shape, size=None, **_):  # type: ignore[no-untyped-def, override]
            return np.full(size, shape)

    paths = fitted.simulate(history.origin, 200, 1, Watching(np.random.PCG64(1)))
    whole = np.concatenate([history.counts, paths[0]])
    rows = compute(START, whole, Events.none(), slice(history.origin, history.origin + 200))
    columns = negative_binomial._columns(rows, model.features, model.harmonics)
    predictor = np.column_stack([np.ones(200), *columns.values()]) @ fitted.coefficients
    assert np.concatenate(drawn) == pytest.approx(np.exp(predictor))


def test_known_events_reach_the_hours_to_come() -> None:
    history = generated(2000)
    rng = np.random.default_rng(2)
    begins = START + rng.choice(np.arange(200, 1900, 40), 20, replace=False)
    hours = np.concatenate([begins, [START + 2010]])  # the last is announced for ten hours after the origin
    counts = history.counts.copy()
    for begin in begins - START:
        counts[begin + 1 : begin + 25] += 12
    moments = hours * MICROSECONDS
    events = Events.named(moments, moments + 1, np.ones(21), np.zeros_like(moments), [""] * 21)
    model = dataclasses.replace(PLAIN, features=("hour_of_day", "event_intensity"))
    fitted = model.fit(History(START, counts, events))
    unannounced = dataclasses.replace(fitted, history=History(START, counts))
    announced, plain = (
        one.simulate(START + 2000, 40, 500, np.random.default_rng(3)) for one in (fitted, unannounced)
    )
    ratio = announced.mean(axis=0) / plain.mean(axis=0)
    assert ratio[:11] == pytest.approx(1)
    assert ratio[11:35].min() > 3
    assert ratio[35:] == pytest.approx(1, abs=0.3)


def test_a_feature_that_never_varies_is_left_out_and_told() -> None:
    model = dataclasses.replace(PLAIN, features=("lag_1h", "hour_of_day", "event_intensity"))
    diagnostics = diagnosed(model.fit(generated(1000)))
    assert "event_intensity" not in diagnostics.estimates
    assert diagnostics.notes == ("left out, as constant over the training: event_intensity",)


def test_a_hole_just_before_the_origin_is_refused_in_words() -> None:
    history = generated(1000)
    counts = history.counts.copy()
    counts[-30:-20] = np.nan
    fitted = NegativeBinomial(features=("lag_24h", "hour_of_day"), harmonics=1).fit(History(START, counts))
    with pytest.raises(ValueError, match="lag_24h at the origin needs 1 hours that were not observed"):
        fitted.simulate(START + 1000, 5, 10, np.random.default_rng(1))


def test_a_recursion_that_explodes_is_held_and_told() -> None:
    fitted = dataclasses.replace(PLAIN.fit(generated(1000)), coefficients=np.array([1.0, 2.0, 0.0, 0.0]))
    with pytest.warns(SimulationWarning, match=r"% of the simulated hours were held"):
        paths = fitted.simulate(START + 1000, 48, 50, np.random.default_rng(1))
    assert paths[:, 24:].mean() < 1.5 * fitted.largest_rate


def test_a_search_that_does_not_converge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from statsmodels.discrete.discrete_model import NegativeBinomial as Regression

    search = Regression.fit
    monkeypatch.setattr(Regression, "fit", lambda self, **options: search(self, **{**options, "maxiter": 1}))
    diagnostics = diagnosed(PLAIN.fit(generated(1000)))
    assert not diagnostics.converged
    assert any("do not rely on these estimates" in warning for warning in diagnostics.warnings)


def test_counts_without_overdispersion_are_told() -> None:
    rng = np.random.default_rng(1)
    counts = rng.binomial(6, 0.5, 2000).astype(float)  # less dispersed than any negative binomial
    diagnostics = diagnosed(PLAIN.fit(History(START, counts)))
    assert diagnostics.values["dispersion"] < 0.001
    assert any("may not be overdispersed" in warning for warning in diagnostics.warnings)


def test_an_empty_training_is_refused() -> None:
    with pytest.raises(ValueError, match="have a post"):
        PLAIN.fit(History(START, np.zeros(1000)))
