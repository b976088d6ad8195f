"""Whether an account has changed: its level against what the level model expected, its day against the days before.

Both tests take whole days up to the last midnight (UTC), so that a day gets one verdict. They hold their level (the
chance of an alarm where nothing changed) by what the account's own past does, not by a law that posts do not obey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musktracker.models.base import FloatArray, History, IntArray
from musktracker.models.level import PRIOR, Rates, log_rate

LEVEL_ALPHA = 0.05  # the chance of a false alarm in the days watched
PROFILE_ALPHA = 0.01  # that of one at any midnight
PROFILE_OVER = 0.1  # what chance must reach again before an alarm is over, so that none comes and goes
WATCHED = 28  # days that a change is looked for in
FEWEST_WATCHED = 7
REFERENCE = 730  # days before those watched, that tell what errors are usual
FEWEST_REFERENCE = 120
CLIP = 2.5  # deviations: no single day makes a level
ALLOWANCE = 0.25  # deviations a day that are no change
LEVEL_WINDOWS = (7, 28)
LEAST_SHARE = 0.75  # of a window's hours that must be observed

RESAMPLES = 4000
PROFILE_WEEKS = 4
PROFILE_BEFORE = 26  # weeks: about 180 days
FEWEST_BEFORE = 12
PROFILE_SEARCHED = 12  # weeks back that the change is placed in
LEAST_OBSERVED = 3  # days of a week on which each hour of the day must have been observed


@dataclass(frozen=True, slots=True)
class Expected:
    """The level of the last `days` days: posts a day observed, expected before them, and the 95% bounds of that."""

    days: int
    observed: float
    expected: float
    lower: float
    upper: float

    @property
    def outside(self) -> bool:
        """Whether it lies outside the bounds."""
        return not self.lower <= self.observed <= self.upper


@dataclass(frozen=True, slots=True)
class LevelDrift:
    """The level test: the highest CUSUM of the days watched, up or down, and the limit of an alarm.

    Of alarms in both directions it is the later. `since` is the first hour of the change, and `ratio` the level since
    over that of the 28 days before; `since` is None without an alarm, `ratio` also where too little was observed.
    `windows` are those of LEVEL_WINDOWS that were observed.
    """

    until: int
    statistic: float
    limit: float
    rose: bool
    since: int | None
    ratio: float | None
    windows: tuple[Expected, ...]

    @property
    def found(self) -> bool:
        """Whether there is an alarm."""
        return self.since is not None


@dataclass(frozen=True, slots=True)
class ProfileDrift:
    """The profile test: the distance of the last four weeks' profile, and how often chance is as far.

    `recent` and `before` (24,) are rates by hour of the day, of mean 1; `since` is the first hour of the change, None
    without an alarm.
    """

    until: int
    distance: float
    p_value: float
    since: int | None
    recent: FloatArray
    before: FloatArray

    @property
    def found(self) -> bool:
        """Whether there is an alarm."""
        return self.since is not None

    @property
    def over(self) -> bool:
        """Whether an earlier alarm is over."""
        return self.p_value > PROFILE_OVER


def level(history: History, *, alpha: float = LEVEL_ALPHA) -> LevelDrift | None:
    """Page's CUSUM of the daily errors of the level model over the last 28 days; None where too little is known.

    The error of a day is its log(1 + posts) less what the HAR level (with its prior weights) expected the midnight
    before, in deviations of the errors of the two years before, and clipped. Page (1954), "Continuous Inspection
    Schemes". The limit is a quantile of the highest CUSUM of as many days in a row in those two years (subsampling,
    Politis & Romano 1994), which keeps what days have to do with each other: the one that a stretch like m others,
    apart from each other, exceeds with probability `alpha` at most, (1 - alpha)(m + 1) / m (Vovk et al. 2005,
    "Algorithmic Learning in a Random World"). Days that were not wholly observed are left out.
    """
    until = history.origin - history.origin % 24
    rates = Rates(history, until)
    ends = until - 24 * np.arange(REFERENCE + WATCHED - 1, -1, -1)
    days = log_rate(rates.daily(ends - 24, ends, 1.0))
    errors = days - _expected(rates, ends - 24)
    usual, watched = errors[:-WATCHED], errors[-WATCHED:]
    if (~np.isnan(usual)).sum() < FEWEST_REFERENCE or (~np.isnan(watched)).sum() < FEWEST_WATCHED:
        return None
    mean, deviation = np.nanmean(usual), max(float(np.nanstd(usual)), 1e-9)
    usual, watched = (np.clip((one - mean) / deviation, -CLIP, CLIP) for one in (usual, watched))
    limit = _limit(usual, alpha)
    rising, falling = cusum(watched), cusum(-watched)
    alarms = [path for path in (rising, falling) if path.max() > limit]
    path = max(alarms, key=lambda one: int(one.argmax())) if alarms else max((rising, falling), key=np.max)
    since = until - 24 * (WATCHED - _onset(days[-2 * WATCHED :], path)) if alarms else None
    ratio = None if since is None else _ratio(rates, since, until)
    return LevelDrift(until, float(path.max()), limit, path is rising, since, ratio, _windows(rates, until))


def profile(
    history: History, local_hours: IntArray, *, alpha: float = PROFILE_ALPHA, seed: int = 1
) -> ProfileDrift | None:
    """Whether the last four weeks' shape of the day is that of the 26 weeks before; None where too little is known.

    `local_hours` (hours,) is the hour of the day, where the account lives, of each of the last hours up to the last
    midnight (UTC): 30 weeks of them. The distance is the squared one between the means of weekly profiles, in units
    of what weeks with as many posts differ by. How far chance goes is told by a permutation of whole weeks (Chung &
    Romano 2013, "Exact and asymptotically robust permutation tests"): posts come in clusters and days follow each
    other, so that a test that takes each post, or even each day, as one of its own sees changes everywhere.
    """
    until = history.origin - history.origin % 24
    weeks, posts = _weekly_profiles(history.before(until, len(local_hours)), local_hours)
    whole = np.array(~np.isnan(weeks).any(axis=1))
    before, after = int(whole[:-PROFILE_WEEKS].sum()), int(whole[-PROFILE_WEEKS:].sum())
    if before < FEWEST_BEFORE or after < PROFILE_WEEKS - 1:
        return None
    ago = np.arange(len(weeks) - 1, -1, -1)[whole]
    weeks, posts, recent = weeks[whole], posts[whole], np.arange(before, before + after)
    distance = float(_distances(weeks, posts, recent[None])[0])
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(np.arange(len(weeks)), (RESAMPLES, 1)), axis=1)[:, :after]
    further = int((_distances(weeks, posts, drawn) >= distance - 1e-12).sum())
    p_value = (1 + further) / (RESAMPLES + 1)
    since = until - 168 * _weeks_since_change(weeks, posts, ago) if p_value <= alpha else None
    now, then = (24 * weeks[part].mean(axis=0) for part in (recent, slice(before)))
    return ProfileDrift(until, distance, p_value, since, now, then)


def cusum(errors: FloatArray) -> FloatArray:
    """The CUSUM upwards of standardised errors (..., days): what exceeds ALLOWANCE adds up, never below zero.

    A day without an error (NaN) changes nothing.
    """
    steps = np.nan_to_num(errors - ALLOWANCE)
    found = np.empty_like(steps)
    value = np.zeros(steps.shape[:-1])
    for day in range(steps.shape[-1]):
        value = np.maximum(value + steps[..., day], 0)
        found[..., day] = value
    return found


def _expected(rates: Rates, origins: IntArray) -> FloatArray:
    """What the level model expects after each origin, but for a constant."""
    expected: FloatArray = rates.features(origins) @ PRIOR
    return expected


def _limit(usual: FloatArray, alpha: float) -> float:
    known = usual[int(np.argmax(~np.isnan(usual))) :]
    stretches = np.lib.stride_tricks.sliding_window_view(known, WATCHED)
    highest = np.maximum(cusum(stretches).max(axis=1), cusum(-stretches).max(axis=1))
    apart = len(known) // WATCHED
    return float(np.quantile(highest, min((1 - alpha) * (apart + 1) / apart, 1.0)))


def _onset(days: FloatArray, path: FloatArray) -> int:
    """Which of the days watched is the first of a change that put the CUSUM where it was highest.

    The split of the log rates `days`, those watched and as many before, by which the mean differs most, in least
    squares (Bai 1994, "Least squares estimation of a shift in linear processes").
    """
    before = len(days) - len(path)
    known = ~np.isnan(days)
    values = np.nan_to_num(days)
    gains = []
    for first in range(before, before + int(path.argmax()) + 1):
        earlier, later = int(known[:first].sum()), int(known[first:].sum())
        apart = values[:first].sum() / max(earlier, 1) - values[first:].sum() / max(later, 1)
        gains.append(earlier * later * apart**2)
    return int(np.argmax(gains))


def _ratio(rates: Rates, since: int, until: int) -> float | None:
    begins, ends = np.array([since, since - 24 * WATCHED]), np.array([until, since])
    now, then = rates.daily(begins, ends, 0.5).tolist()
    return now / then if then > 0 and not np.isnan(now) else None


def _windows(rates: Rates, until: int) -> tuple[Expected, ...]:
    """The last days against what was expected of them, with the bounds of the errors of such windows before."""
    found = []
    for days in LEVEL_WINDOWS:
        origins = until - 24 * days - 24 * np.arange(REFERENCE)
        came = log_rate(rates.daily(origins, origins + 24 * days, LEAST_SHARE))
        expected = _expected(rates, origins)
        errors = (came - expected)[days:]  # of windows that were over when this one began
        errors = errors[~np.isnan(errors)]
        if len(errors) >= FEWEST_REFERENCE and not np.isnan(came[0] - expected[0]):
            bounds = expected[0] + np.quantile(errors, [0.025, 0.5, 0.975])
            lower, middle, upper = np.maximum(np.expm1(bounds), 0).tolist()
            found.append(Expected(days, float(np.expm1(came[0])), middle, lower, upper))
    return tuple(found)


def _weekly_profiles(counts: FloatArray, local_hours: IntArray) -> tuple[FloatArray, FloatArray]:
    """Each week's shares by local hour, (weeks, 24), smoothed and each row of sum 1, and its posts (weeks,).

    NaN for a week without posts or with an hour of the day that was hardly observed.
    """
    weeks = len(counts) // 168
    cell = 24 * np.repeat(np.arange(weeks), 168) + local_hours
    known = ~np.isnan(counts)
    observed = np.bincount(cell[known], minlength=24 * weeks).reshape(weeks, 24)
    total = np.bincount(cell[known], weights=counts[known], minlength=24 * weeks).reshape(weeks, 24)
    rates = np.where(observed >= LEAST_OBSERVED, total / np.maximum(observed, 1), np.nan)
    smooth = (np.roll(rates, 1, axis=1) + 2 * rates + np.roll(rates, -1, axis=1)) / 4
    sums = smooth.sum(axis=1, keepdims=True)
    shares: FloatArray = smooth / np.where(sums > 0, sums, np.nan)
    return shares, total.sum(axis=1)


def _distances(weeks: FloatArray, posts: FloatArray, chosen: IntArray) -> FloatArray:
    """How far the mean of some weeks lies from that of the others, for each choice (choices, weeks chosen).

    In units of what chance does: a week's share varies as one over its posts.
    """
    n, k = len(weeks), chosen.shape[1]
    ours, noise = weeks[chosen].sum(axis=1), (1 / posts)[chosen].sum(axis=1)
    theirs, their_noise = weeks.sum(axis=0) - ours, (1 / posts).sum() - noise
    apart = np.square(ours / k - theirs / (n - k)).sum(axis=1)
    return np.asarray(apart / (noise / k**2 + their_noise / (n - k) ** 2))


def _weeks_since_change(weeks: FloatArray, posts: FloatArray, ago: IntArray) -> int:
    """How many of the last weeks are furthest from those before; `ago` is how many weeks ago each one ended."""
    searched = [last for last in range(1, len(weeks)) if ago[-last] < PROFILE_SEARCHED]
    apart = [_distances(weeks, posts, np.arange(len(weeks) - last, len(weeks))[None])[0] for last in searched]
    return int(ago[-searched[int(np.argmax(apart))]]) + 1
