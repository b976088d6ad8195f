"""What a refresh costs: everything from scratch, then after one new post, beside pandas and beside Postgres.

python tests/benchmarks/bench_refresh.py [POSTS.csv[.gz]] [--postgres URL]

The file's posts (columns tweet_id, created_at), or simulated ones, go into a database of its own. CPU seconds of this
process, the best of a few rounds; starting up and importing are left out, as is what a Postgres server itself uses
(its elapsed time is printed). Budgets: 0.6 s from scratch and 0.12 s after one post, on SQLite.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, create_engine, delete, func, insert, select, text

from musktracker.db import engines, migrate
from musktracker.db.tables import Coverage, Feature, RawTweet, TimeBucket
from musktracker.db.upsert import upsert
from musktracker.models.base import Events
from musktracker.models.features import compute
from musktracker.pipeline.aggregate import refresh
from musktracker.reporting import Run
from musktracker.timeline import HOUR, Span, ceil_hour, floor_day

ROUNDS = 5
Post = tuple[str, datetime]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", nargs="?", type=Path, help="a CSV of posts with tweet_id and created_at")
    parser.add_argument("--postgres", metavar="URL", help="also measure on this server, in a database of its own")
    arguments = parser.parse_args()
    posts = read(arguments.posts) if arguments.posts else simulated()
    span = Span(floor_day(posts[0][1]), ceil_hour(posts[-1][1]))
    print(f"{len(posts):,} posts in {span.hours():,.0f} hours")
    with tempfile.TemporaryDirectory() as directory:
        measure("SQLite", engines.connect(f"sqlite:///{directory}/bench.db"), posts, span)
    if arguments.postgres:
        with postgres_database(arguments.postgres) as engine:
            measure("Postgres", engine, posts, span)
    compare_with_pandas(posts, span)


def measure(name: str, engine: Engine, posts: list[Post], span: Span) -> None:
    """Print the cost of a refresh from scratch, of one after one post, and of one that finds nothing."""
    fill(engine, posts, span)
    scratch = [timed(lambda: refresh(engine, Run())) for _ in range(ROUNDS) if empty(engine)]
    one_post = [timed(lambda: refresh(engine, Run())) for i in range(ROUNDS) if add_post(engine, span, i)]
    nothing = [timed(lambda: refresh(engine, Run())) for _ in range(ROUNDS)]
    for what, costs in (("from scratch", scratch), ("after one post", one_post), ("nothing new", nothing)):
        cpu, elapsed = (min(column) for column in zip(*costs, strict=True))
        print(f"{name:<9}{what:<15}{cpu:7.3f} s CPU {elapsed:7.3f} s elapsed")
    engine.dispose()


def compare_with_pandas(posts: list[Post], span: Span) -> None:
    """Print the cost of the features alone, ours and with pandas' shift and rolling, after checking they agree."""
    import pandas as pd

    made = np.array([when.replace(tzinfo=None) for _, when in posts], dtype="datetime64[h]").astype(np.int64)
    start, size = int(made.min()), (span.end - span.start) // HOUR
    counts = np.bincount(made - start, minlength=size).astype(float)

    def ours() -> Any:
        return compute(start, counts, Events.none(), slice(start, start + size))

    def with_pandas() -> Any:
        hours = pd.date_range(pd.Timestamp(start, unit="h", tz="UTC"), periods=len(counts), freq="h")
        series = pd.Series(counts, index=hours)
        before = series.shift(1)
        frame = pd.DataFrame({f"lag_{lag}h": series.shift(lag) for lag in (1, 6, 12, 24, 168)})
        for width in (24, 168):
            frame[f"mean_{width}"] = before.rolling(width).mean()
            frame[f"std_{width}"] = before.rolling(width).std()
        frame["hour"], frame["day"] = hours.hour, hours.day_of_week
        frame["weekend"] = frame["day"] >= 5
        return frame

    theirs = with_pandas()["std_168"].to_numpy()
    np.testing.assert_allclose(ours().rolling_std_7d[: len(theirs)], theirs[:size], rtol=1e-6, atol=1e-6)
    mine, other = (min(timed(f)[0] for _ in range(20)) for f in (ours, with_pandas))
    print(f"Features alone: {mine * 1e3:.1f} ms, pandas {other * 1e3:.1f} ms: {other / mine:.1f} times as long")


def timed(function: Callable[[], Any]) -> tuple[float, float]:
    """CPU and elapsed seconds of a call."""
    cpu, elapsed = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - cpu, time.perf_counter() - elapsed


def read(path: Path) -> list[Post]:
    """The posts of a file, by time."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return sorted(
            ((row["tweet_id"], datetime.fromisoformat(row["created_at"])) for row in csv.DictReader(file)),
            key=lambda post: post[1],
        )


def simulated() -> list[Post]:
    """70,000 posts in bursts over 27,768 hours, the same every time."""
    generator = np.random.default_rng(1)
    hours = generator.negative_binomial(0.4, 0.4 / (0.4 + 70_000 / 27_768), size=27_768)
    seconds = np.sort(np.repeat(np.arange(len(hours)) * 3600.0, hours) + generator.random(hours.sum()) * 3600)
    start = datetime(2022, 11, 1, tzinfo=UTC)
    return [(str(i), start + timedelta(seconds=second)) for i, second in enumerate(seconds.tolist())]


def fill(engine: Engine, posts: list[Post], span: Span) -> None:
    """Migrate, and store the posts and their coverage."""
    migrate.ensure_current(engine)
    columns = ("tweet_id", "created_at", "source", "ingest_time", "is_deleted")
    rows = [(post_id, when, "bench", span.end, False) for post_id, when in posts]
    with engines.writing(engine) as connection:
        upsert(connection, RawTweet.__table__, columns, rows, conflict=("tweet_id",))
        covered = {"source": "bench", "span_start": span.start, "span_end": span.end}
        connection.execute(insert(Coverage).values(**covered, created_at=span.end))
    if not engines.is_sqlite(engine):
        with engines.writing(engine) as connection:
            connection.execute(text("ANALYZE raw_tweets"))


def empty(engine: Engine) -> bool:
    """Delete all buckets and features."""
    with engines.writing(engine) as connection:
        connection.execute(delete(TimeBucket))
        connection.execute(delete(Feature))
    return True


def add_post(engine: Engine, span: Span, number: int) -> bool:
    """Store one more post, in the last hours."""
    values = {"tweet_id": f"new{number}", "created_at": span.end - HOUR * (number + 0.5), "source": "bench"}
    with engines.writing(engine) as connection:
        connection.execute(insert(RawTweet).values(**values, ingest_time=span.end))
        return bool(connection.scalar(select(func.count()).select_from(RawTweet)))


@contextmanager
def postgres_database(url: str) -> Iterator[Engine]:
    """A database of its own on a server, dropped at the end."""
    admin = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield engines.connect(admin.url.set(database=name).render_as_string(hide_password=False))
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


if __name__ == "__main__":
    main()
