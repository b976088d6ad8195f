"""A simulated account: a seasonal self-exciting process whose posts are settled by a seed and the calendar alone.

Posts come in clusters (Hawkes & Oakes, "A cluster process representation of a self-exciting process", 1974):
immigrants by a Poisson process whose rate follows the hour and the weekday in US Eastern time, a slowly wandering
log level (an autoregression of order one on days) and outside events; every post then has Poisson many children after
exponential delays, which have theirs, until none come. Time is cut into blocks of 28 days with a random stream each,
so that any two simulations agree on every post of the time that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from musktracker.models.base import FloatArray, IntArray
from musktracker.timeline import SNOWFLAKE_EPOCH_MS, from_hour_index

MICROSECONDS_PER_HOUR = 3_600_000_000
HOURS_PER_YEAR = 8_766
POSTS_PER_YEAR = 20_000
BLOCK_DAYS = 28
BLOCK_HOURS = 24 * BLOCK_DAYS
FIRST_BLOCK = 600  # early 2016: where the level's autoregression begins

BRANCHING_RATIO = 0.7
MEAN_DELAY = 0.25  # hours from a post to each of its children
LEVEL_DEVIATION = 0.4  # of the log level, stationary
LEVEL_MEMORY = 25.0  # days in which a deviation falls to 1/e
EVENT_BOOST = 2.0  # relative rise of the rate in an event of intensity 1
HOME = ZoneInfo("America/New_York")
NIGHT_AND_MORNING = (1.6, 1.3, 0.9, 0.45, 0.15, 0.06, 0.05, 0.1, 0.35, 0.8, 1.2, 1.35)  # from local midnight
AFTERNOON_AND_EVENING = (1.4, 1.35, 1.25, 1.2, 1.15, 1.1, 1.1, 1.15, 1.3, 1.45, 1.6, 1.7)
HOURLY_PROFILE = NIGHT_AND_MORNING + AFTERNOON_AND_EVENING
WEEKDAY_PROFILE = (0.95, 1.0, 1.0, 1.05, 1.1, 1.0, 0.9)  # Monday first
KINDS = ("original", "reply", "quote", "repost")
KIND_SHARES = (0.22, 0.52, 0.1, 0.16)

_POSTS, _LEVEL, _EVENTS = range(3)  # the streams of a block


@dataclass(frozen=True, slots=True)
class SimulatedPosts:
    """Posts by time: `times` in microseconds since the epoch (whole milliseconds), snowflake `ids`, `kinds` as
    indexes into KINDS."""

    times: IntArray
    ids: IntArray
    kinds: IntArray


@dataclass(frozen=True, slots=True)
class SimulatedEvents:
    """Outside events by start, times in microseconds since the epoch; `known` is when each was announced.

    `theme` is any number from 0 up, from which a name can be chosen.
    """

    start: IntArray
    end: IntArray
    known: IntArray
    intensity: FloatArray
    theme: IntArray


def simulate_account(start: int, end: int, seed: int) -> SimulatedPosts:
    """The posts of an account with start <= time < end (microseconds since the epoch), about 20,000 a year.

    Raises ValueError for times before 2016, where the account begins.
    """
    first = start // MICROSECONDS_PER_HOUR // BLOCK_HOURS - 1  # clusters of the block before reach into the first
    last = end // MICROSECONDS_PER_HOUR // BLOCK_HOURS
    if first < FIRST_BLOCK:
        raise ValueError("The simulated account begins in 2016")
    levels = _levels(last, seed)
    blocks = [_block(block, levels[block - FIRST_BLOCK], seed) for block in range(first, last + 1)]
    times = np.concatenate([times for times, _ in blocks])
    kinds = np.concatenate([kinds for _, kinds in blocks])
    inside = (times >= start) & (times < end)
    times, kinds = times[inside], kinds[inside]
    order = np.argsort(times, kind="stable")
    return SimulatedPosts(times[order], _snowflakes(times[order]), kinds[order])


def simulate_events(start: int, end: int, seed: int) -> SimulatedEvents:
    """The outside events that begin in start <= time < end (microseconds since the epoch), about nine a year."""
    first, last = (moment // MICROSECONDS_PER_HOUR // BLOCK_HOURS for moment in (start, end))
    drawn = [_block_events(block, seed) for block in range(first, last + 1)]
    names = SimulatedEvents.__slots__
    columns = [np.concatenate([getattr(events, name) for events in drawn]) for name in names]
    inside = (columns[0] >= start) & (columns[0] < end)
    return SimulatedEvents(*(column[inside] for column in columns))


def _block(block: int, levels: FloatArray, seed: int) -> tuple[IntArray, IntArray]:
    """The posts of all clusters that begin in a block: times (they may reach into the next block) and kinds."""
    rng = np.random.default_rng([seed, block, _POSTS])
    rates = _rates(block, levels, seed)
    hours = np.repeat(np.arange(BLOCK_HOURS, dtype=np.float64), rng.poisson(rates))
    generation = hours + rng.random(len(hours))
    found = [generation]
    while len(generation):
        parents = np.repeat(generation, rng.poisson(BRANCHING_RATIO, len(generation)))
        generation = parents + rng.exponential(MEAN_DELAY, len(parents))
        found.append(generation)
    offsets = np.concatenate(found)
    offsets = offsets[offsets < 2 * BLOCK_HOURS]
    milliseconds = np.int64(block) * BLOCK_HOURS * 3_600_000 + (offsets * 3_600_000).astype(np.int64)
    kinds = rng.choice(len(KINDS), len(offsets), p=KIND_SHARES)
    return milliseconds * 1_000, kinds.astype(np.int64)


def _rates(block: int, levels: FloatArray, seed: int) -> FloatArray:
    """Immigrants per hour in each hour of a block."""
    hourly = np.array(HOURLY_PROFILE) / np.mean(HOURLY_PROFILE)
    weekday = np.array(WEEKDAY_PROFILE) / np.mean(WEEKDAY_PROFILE)
    first = block * BLOCK_HOURS
    local = first + np.arange(BLOCK_HOURS) + np.repeat(_local_offsets(block), 24)
    base = POSTS_PER_YEAR / HOURS_PER_YEAR * (1 - BRANCHING_RATIO)
    rates = base * hourly[local % 24] * weekday[(local // 24 + 3) % 7]  # the epoch was a Thursday
    rates = rates * np.exp(np.repeat(levels, 24) - LEVEL_DEVIATION**2 / 2)
    events = simulate_events(
        (first - 24 * 7) * MICROSECONDS_PER_HOUR, (first + BLOCK_HOURS) * MICROSECONDS_PER_HOUR, seed
    )
    hours = (first + np.arange(BLOCK_HOURS)) * MICROSECONDS_PER_HOUR
    during = (hours[:, None] + MICROSECONDS_PER_HOUR > events.start) & (hours[:, None] < events.end)
    boosted: FloatArray = rates * (1 + EVENT_BOOST * (during * events.intensity).max(axis=1, initial=0.0))
    return boosted


def _local_offsets(block: int) -> IntArray:
    """Hours from UTC to the account's local time, for each day of a block."""
    noons = (from_hour_index(block * BLOCK_HOURS + 24 * day + 12) for day in range(BLOCK_DAYS))
    offsets = (moment.astimezone(HOME).utcoffset() for moment in noons)
    return np.array([offset.total_seconds() // 3600 if offset else 0 for offset in offsets], dtype=np.int64)


def _levels(last_block: int, seed: int) -> FloatArray:
    """The log level of every day from FIRST_BLOCK on, shape (blocks, BLOCK_DAYS)."""
    memory = float(np.exp(-1 / LEVEL_MEMORY))
    scale = LEVEL_DEVIATION * (1 - memory**2) ** 0.5
    levels = np.empty((last_block - FIRST_BLOCK + 1, BLOCK_DAYS))
    level = 0.0
    for i, row in enumerate(levels):
        shocks = np.random.default_rng([seed, FIRST_BLOCK + i, _LEVEL]).normal(0.0, scale, BLOCK_DAYS)
        for day, shock in enumerate(shocks.tolist()):
            level = memory * level + shock
            row[day] = level
    return levels


def _block_events(block: int, seed: int) -> SimulatedEvents:
    rng = np.random.default_rng([seed, block, _EVENTS])
    n = int(rng.random() < 0.7)
    hour = MICROSECONDS_PER_HOUR
    start = block * BLOCK_HOURS * hour + (rng.integers(0, BLOCK_DAYS, n) * 24 + rng.integers(13, 24, n)) * hour
    end = start + rng.integers(2, 13, n) * hour
    known = start - rng.integers(45, 120, n) * 24 * hour
    return SimulatedEvents(start, end, known, rng.integers(4, 11, n) / 10, rng.integers(0, 1 << 16, n))


def _snowflakes(times: IntArray) -> IntArray:
    """Ids that hold the times; posts of one millisecond differ in their sequence bits."""
    milliseconds = times // 1_000
    position = np.arange(len(times))
    is_first = np.ones(len(times), dtype=bool)
    is_first[1:] = milliseconds[1:] != milliseconds[:-1]
    sequence = position - np.maximum.accumulate(np.where(is_first, position, 0))
    return ((milliseconds - SNOWFLAKE_EPOCH_MS) << 22) | sequence
