"""What events do is told by category, drawn towards nothing, and scales only the hours that a known event reaches."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from musktracker.models import event_effects, registry
from musktracker.models.base import Events, Fitted, FloatArray, History
from musktracker.models.event_effects import AFTER, EventEffects
from musktracker.models.features import MICROSECONDS
from musktracker.models.har_bootstrap import HarBootstrap
from musktracker.models.level import Rates, fit_level
from musktracker.models.simulation import EVENT_BOOST, HOURS_PER_YEAR, simulate_account, simulate_events

START = 480_000
DAYS = 400
END = START + 24 * DAYS
MODELS = ("har_bootstrap", "har_negative_binomial", "hawkes", "pool")
EVERY = 7 * 24 + 5  # hours from event to event


def events(starts: Any, *, hours: float = 4, intensity: float = 1.0, category: str = "launch") -> Events:
    """Events of this length at these hours."""
    moments = np.array([round(start * MICROSECONDS) for start in starts], dtype=np.int64)
    lengths = round(hours * MICROSECONDS)
    strength = np.full(len(moments), intensity)
    return Events.named(moments, moments + lengths, strength, np.zeros_like(moments), [category] * len(moments))


def joined(*parts: Events) -> Events:
    """All of these together."""
    names = [one.categories[code] for one in parts for code in one.category.tolist()]
    columns = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("start", "end", "intensity", "known")
    )
    return Events.named(*columns, names)


def made(past: Events, *, effect: float = 0.0, seed: int = 1) -> History:
    """A year of overdispersed hours and their posts, multiplied by exp(effect) where an event reaches them."""
    rng = np.random.default_rng(seed)
    hours = START + np.arange(24 * DAYS)
    rate = 2.5 * (1 + 0.7 * np.cos(2 * np.pi * (hours % 24 - 18) / 24))
    for start, end, intensity in zip(past.start, past.end, past.intensity, strict=True):
        reached = (hours >= start // MICROSECONDS) & (hours < end / MICROSECONDS + AFTER)
        rate[reached] *= np.exp(effect * intensity)
    counts = rng.poisson(rate * rng.gamma(2.0, 0.5, len(rate)))
    times = np.repeat(hours, counts) + rng.random(counts.sum())
    return History(START, counts.astype(float), past, np.sort(times * MICROSECONDS).astype(np.int64))


def told(history: History) -> EventEffects | None:
    rates = Rates(history, history.origin)
    level = fit_level(rates, ridge=2000.0, half_life=400.0)
    return event_effects.estimate(history, rates, level, profile_half_life=90.0)


def found(history: History) -> EventEffects:
    effects = told(history)
    assert effects is not None
    return effects


def weekly(count: int = 40) -> list[int]:
    """Hours of events, most of a year of them, at every hour of the day; none in the last three weeks."""
    return [END - 21 * 24 - EVERY * (k + 1) for k in range(count)]


def simulate(
    name: str, history: History, *, horizon: int = 60, seed: int = 3, **hyperparameters: Any
) -> NDArray[np.float64]:
    return simulated(fit(name, history, **hyperparameters), horizon=horizon, seed=seed)


def fit(name: str, history: History, **hyperparameters: Any) -> Fitted:
    own = {"stretch_days": 14} if name == "pool" else {}
    return registry.create(name, {**own, **hyperparameters}).fit(history)


def simulated(fitted: Fitted, *, horizon: int = 60, seed: int = 3) -> NDArray[np.float64]:
    return fitted.simulate(END, horizon, 300, np.random.default_rng(seed))


def test_a_known_effect_is_recovered_with_its_uncertainty() -> None:
    for effect in (-0.7, 0.4, 0.9):
        effects = found(made(events(weekly()), effect=effect))
        assert effects.categories == ("launch",)
        assert effects.numbers.tolist() == [40, 40]
        assert effects.effects[0] == pytest.approx(effect, abs=max(2.5 * effects.errors[0], 0.1))
        assert 0.05 < effects.errors[0] < 0.25


def test_the_boost_of_the_simulated_account_is_found_and_shifted_events_do_nothing() -> None:
    end = 495_000 * MICROSECONDS
    start = end - 4 * HOURS_PER_YEAR * MICROSECONDS
    posts = simulate_account(start, end, 1).times
    simulated = simulate_events(start, end, 1)
    counts = np.bincount((posts - start) // MICROSECONDS, minlength=4 * HOURS_PER_YEAR).astype(float)
    for shift, least, most in ((0, 0.6, np.log(1 + EVENT_BOOST) + 0.3), (9 * 24 * MICROSECONDS, -0.3, 0.3)):
        begin, over = simulated.start + shift, simulated.end + shift
        past = Events.named(begin, over, simulated.intensity, simulated.known, ["launch"] * len(begin))
        effects = found(History(start // MICROSECONDS, counts, past))
        assert least < effects.effects[0] < most
        assert bool(effects.effects[0] - 1.96 * effects.errors[0] > 0) == (shift == 0)


@pytest.mark.parametrize("seed", range(4))
def test_where_events_do_nothing_the_effect_is_drawn_to_nothing(seed: int) -> None:
    effects = found(made(events(weekly(6)), seed=seed))
    assert abs(effects.effects[0]) < 0.25
    assert abs(effects.effects[0]) < 1.5 * effects.errors[0]


def test_a_category_with_few_events_is_drawn_towards_the_others() -> None:
    starts = weekly(36)
    launches = events(starts[2:])
    history = made(launches, effect=0.8)  # the two of another kind do nothing
    past = joined(launches, events(starts[:2], category="market"))
    effects = found(dataclasses.replace(history, events=past))
    alone = found(dataclasses.replace(history, events=events(starts[:2], category="market")))
    assert effects.categories == ("launch", "market")
    assert alone.effects[0] + 0.1 < effects.effects[1] < effects.effects[0] - 0.1
    assert effects.errors[1] > effects.errors[0]


def test_at_half_the_intensity_an_event_does_half_in_logs() -> None:
    effects = found(made(events(weekly(), intensity=0.5), effect=1.2))
    assert effects.effects[0] == pytest.approx(1.2, abs=0.3)
    halves = effects.exposure(events([END + 2], intensity=0.5), END, 10)
    assert halves[0].tolist() == [0, 0, *[0.5] * (4 + AFTER), 0, 0]


def test_a_long_event_is_held_against_the_level_before_it() -> None:
    """Its own rise would have filled half of the trailing windows, and hidden itself."""
    effects = found(made(events([END - 30 * 24 * (k + 1) for k in range(10)], hours=5 * 24), effect=0.7))
    assert effects.effects[0] == pytest.approx(0.7, abs=0.15)


def test_hours_that_were_not_observed_are_left_out_and_an_event_in_a_hole_is_not_used() -> None:
    history = made(events(weekly()), effect=0.8)
    counts = history.counts.copy()
    for start in weekly()[::2]:  # a third of every other event
        counts[start - START : start - START + 2] = np.nan
    part = found(dataclasses.replace(history, counts=counts))
    assert part.numbers[-1] == 40
    assert part.effects[0] == pytest.approx(0.8, abs=0.2)
    for start in weekly()[::2]:
        counts[start - START : start - START + 6] = np.nan
    assert found(dataclasses.replace(history, counts=counts)).numbers[-1] == 20


@pytest.mark.parametrize(
    ("past", "why"),
    [
        (Events.none(), "there is none"),
        (events([END - 3]), "it goes on"),
        (events([END + 3]), "it is still to come"),
        (events([START + 24]), "the level before it is not known"),
        (events(weekly(3), intensity=0.0), "it is of no intensity"),
    ],
)
def test_nothing_is_told_from_an_event_that_cannot_be_judged(past: Events, why: str) -> None:
    assert told(made(past)) is None, why


@pytest.mark.parametrize("name", MODELS)
def test_paths_that_no_event_reaches_are_those_of_a_model_without_events(name: str) -> None:
    history = made(joined(events(weekly(12)), events([END + 100])), effect=0.9)
    plain = simulate(name, dataclasses.replace(history, events=Events.none()))
    assert np.array_equal(simulate(name, history), plain)
    assert np.array_equal(simulate(name, history, event_effects=0), plain)


@pytest.mark.parametrize("name", MODELS)
def test_a_known_event_scales_the_hours_that_it_reaches_and_no_others(name: str) -> None:
    past = events(weekly(30))
    history = made(joined(past, events([END + 20])), effect=0.9)
    with_it, without_it = (simulate(name, one) for one in (history, dataclasses.replace(history, events=past)))
    reached = np.zeros(60, dtype=bool)
    reached[20 : 24 + AFTER] = True
    assert np.array_equal(with_it[:, ~reached], without_it[:, ~reached])
    effect = found(history).effects[0]
    ratio = with_it[:, reached].sum() / without_it[:, reached].sum()
    assert ratio == pytest.approx(np.exp(effect), rel=0.1)
    assert np.array_equal(simulate(name, history, event_effects=0), without_it)


@pytest.mark.parametrize("name", MODELS)
def test_an_event_that_is_known_only_after_the_origin_changes_no_path(name: str) -> None:
    past = events(weekly(12))
    late = events([END + 4])
    late = dataclasses.replace(late, known=np.array([(END + 1) * MICROSECONDS]))
    history = made(past, effect=0.9)
    longer = History(START, np.append(history.counts, np.full(40, 3.0)), joined(past, late), history.posts)
    own = {"stretch_days": 14} if name == "pool" else {}
    model = registry.create(name, own)
    fitted = model.fit(longer.until(END))
    handed_all = model.restore(fitted.parameters(), longer)  # handed what came, it must not look
    expected = simulate(name, history, horizon=30)
    for one in (fitted, handed_all):
        assert np.array_equal(one.simulate(END, 30, 300, np.random.default_rng(3)), expected)


@pytest.mark.parametrize("name", MODELS)
def test_with_an_event_a_shorter_horizon_is_still_the_beginning_of_a_longer_one(name: str) -> None:
    history = made(joined(events(weekly(12)), events([END + 10, END + 40])), effect=0.9)
    fitted = fit(name, history)
    assert np.array_equal(simulated(fitted, horizon=43), simulated(fitted)[:, :43])


def test_an_unsure_effect_widens_what_an_event_may_bring_and_keeps_its_mean() -> None:
    ahead = events([END], hours=10)
    base = np.full((20_000, 10), 20.0)
    spreads = []
    for error in (0.0, 0.3):
        effects = EventEffects(("launch",), np.full(2, 0.5), np.full(2, error), np.ones(2, dtype=np.int64))
        paths = effects.apply(base.copy(), ahead, END, np.random.default_rng(1))
        assert paths.mean() == pytest.approx(20 * np.exp(0.5), rel=0.01)
        spreads.append(paths.sum(axis=1).std())
    assert spreads[1] > 20 * spreads[0]


def test_an_event_of_a_kind_not_seen_before_has_the_common_effect() -> None:
    effects = EventEffects(("launch",), np.array([0.9, 0.4]), np.zeros(2), np.ones(2, dtype=np.int64))
    paths = np.full((4000, 6), 50.0)
    paths = effects.apply(paths, events([END], hours=1, category="moon"), END, np.random.default_rng(1))
    assert paths[:, : 1 + AFTER].mean() == pytest.approx(50 * np.exp(0.4), rel=0.01)
    assert (paths[:, 1 + AFTER :] == 50).all()


def test_of_an_event_under_way_what_the_level_holds_is_taken_off_and_its_first_hour_is_left() -> None:
    effects = EventEffects(("launch",), np.array([0.9, 0.4]), np.zeros(2), np.ones(2, dtype=np.int64))
    exposure = effects.exposure(events([END - 24], hours=100), END, 5)[0]
    assert exposure[0] == 0
    assert (exposure[1:] < 1).all()
    older = effects.exposure(events([END - 24 * 60], hours=24 * 100), END, 5)
    assert not older.any()


@given(st.lists(st.tuples(st.floats(-50, 60), st.floats(0, 90), st.floats(0, 1)), max_size=6), st.integers(1, 72))
def test_an_exposure_is_never_more_than_the_strongest_event(
    spans: list[tuple[float, float, float]], horizon: int
) -> None:
    ahead = joined(*(events([END + a], hours=b, intensity=z) for a, b, z in spans)) if spans else Events.none()
    effects = EventEffects(("launch",), np.zeros(2), np.ones(2), np.ones(2, dtype=np.int64))
    exposure: FloatArray = effects.exposure(ahead, END, horizon)
    assert exposure.shape == (2, horizon)
    assert (exposure >= 0).all()
    assert exposure.max(initial=0.0) <= max((z for *_, z in spans), default=0.0)


def test_a_fit_tells_the_effects_and_a_stored_one_keeps_them() -> None:
    history = made(joined(events(weekly(20)), events([END + 5])), effect=0.9)
    fitted = HarBootstrap().fit(history)
    diagnostics = fitted.diagnostics
    assert diagnostics is not None
    effect, error = diagnostics.estimates["event:launch"]
    assert (effect, error) == (found(history).effects[0], found(history).errors[0])
    assert (diagnostics.values["events:launch"], diagnostics.values["events"]) == (20, 20)
    restored = HarBootstrap().restore(fitted.parameters(), history)
    paths = (one.simulate(END, 30, 50, np.random.default_rng(2)) for one in (fitted, restored))
    assert np.array_equal(*paths)


def test_a_fit_that_was_stored_before_there_were_effects_leaves_events_out() -> None:
    history = made(joined(events(weekly(20)), events([END + 5])), effect=0.9)
    stored = HarBootstrap().fit(history).parameters()
    older = {name: value for name, value in stored.items() if not name.startswith("event_")}
    paths = HarBootstrap().restore(older, history).simulate(END, 60, 300, np.random.default_rng(3))
    assert np.array_equal(paths, simulate("har_bootstrap", history, event_effects=0))
