"""The tables. The first six are the user's document, exactly; the rest is what the design adds."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from musktracker.db.types import Real, UTCDateTime, Whole

PostId = Whole().with_variant(BigInteger(), "postgresql")  # on SQLite every INTEGER holds 64 bits


class Base(DeclarativeBase):
    """All tables of the database."""

    type_annotation_map = {datetime: UTCDateTime(), float: Real()}  # noqa: RUF012


class RawTweet(Base):
    """A post: its id, its time and its kind, never its content."""

    __tablename__ = "raw_tweets"
    __table_args__ = (Index("idx_created_at_not_deleted", "created_at", "is_deleted"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    tweet_id: Mapped[str] = mapped_column(String(64), unique=True, index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(32))
    ingest_time: Mapped[datetime]
    is_deleted: Mapped[bool] = mapped_column(Boolean, server_default=false())
    kind: Mapped[str | None] = mapped_column(String(16))
    deleted_at: Mapped[datetime | None]


class TimeBucket(Base):
    """How many counted posts an observed hour or day had; an unobserved one has no row."""

    __tablename__ = "time_buckets"
    __table_args__ = (
        UniqueConstraint("bucket_start", "granularity", name="uq_bucket_granularity"),
        Index("idx_bucket_start_granularity", "bucket_start", "granularity"),
        CheckConstraint("granularity IN ('hourly', 'daily')", name="ck_time_buckets_granularity"),
        CheckConstraint("bucket_end > bucket_start", name="ck_time_buckets_order"),
        CheckConstraint("tweet_count >= 0", name="ck_time_buckets_count"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    bucket_start: Mapped[datetime]
    bucket_end: Mapped[datetime]
    granularity: Mapped[str] = mapped_column(String(16))
    tweet_count: Mapped[int] = mapped_column(Whole)
    computed_at: Mapped[datetime]


class ExogenousEvent(Base):
    """An outside event that may move the count; `removed_at` set means that it was taken out."""

    __tablename__ = "exogenous_events"
    __table_args__ = (
        Index("idx_event_time_range", "event_start", "event_end"),
        CheckConstraint("intensity >= 0 AND intensity <= 1", name="ck_exogenous_events_intensity"),
        CheckConstraint("event_end >= event_start", name="ck_exogenous_events_order"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    description: Mapped[str | None] = mapped_column(Text)
    category: Mapped[str | None] = mapped_column(String(64))
    event_start: Mapped[datetime] = mapped_column(index=True)
    event_end: Mapped[datetime] = mapped_column(index=True)
    intensity: Mapped[float] = mapped_column(Real)
    source: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class Feature(Base):
    """What was known at `reference_time`, for the hour that begins then."""

    __tablename__ = "features"
    __table_args__ = (
        Index("idx_reference_time", "reference_time"),
        UniqueConstraint("reference_time", name="uq_features_reference_time"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    reference_time: Mapped[datetime] = mapped_column(index=True)
    lag_1h: Mapped[int | None] = mapped_column(Whole)
    lag_6h: Mapped[int | None] = mapped_column(Whole)
    lag_12h: Mapped[int | None] = mapped_column(Whole)
    lag_24h: Mapped[int | None] = mapped_column(Whole)
    lag_7d: Mapped[int | None] = mapped_column(Whole)
    rolling_mean_24h: Mapped[float | None] = mapped_column(Real)
    rolling_std_24h: Mapped[float | None] = mapped_column(Real)
    rolling_mean_7d: Mapped[float | None] = mapped_column(Real)
    rolling_std_7d: Mapped[float | None] = mapped_column(Real)
    hour_of_day: Mapped[int] = mapped_column(Whole)
    day_of_week: Mapped[int] = mapped_column(Whole)
    is_weekend: Mapped[bool] = mapped_column(Boolean)
    event_intensity: Mapped[float] = mapped_column(Real)
    events_in_window: Mapped[int] = mapped_column(Whole)
    computed_at: Mapped[datetime]


class ModelMetadata(Base):
    """One fitted version of a model; never edited after it is made."""

    __tablename__ = "model_metadata"
    __table_args__ = (
        Index("idx_model_name_version", "model_name", "model_version"),
        UniqueConstraint("model_name", "model_version", name="uq_model_metadata_name_version"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    model_name: Mapped[str] = mapped_column(String(64), index=True)
    model_version: Mapped[str] = mapped_column(String(32))
    trained_at: Mapped[datetime]
    training_start_date: Mapped[datetime]
    training_end_date: Mapped[datetime]
    hyperparameters: Mapped[str | None] = mapped_column(Text)
    rmse: Mapped[float | None] = mapped_column(Real)
    mae: Mapped[float | None] = mapped_column(Real)
    mape: Mapped[float | None] = mapped_column(Real)
    log_likelihood: Mapped[float | None] = mapped_column(Real)
    artifact_path: Mapped[str | None] = mapped_column(String(512))
    diagnostics: Mapped[str | None] = mapped_column(Text)
    counting: Mapped[str | None] = mapped_column(String(32))


class Forecast(Base):
    """The forecast of one hour: `target_time` is its start, `forecast_time` the origin it was made from."""

    __tablename__ = "forecasts"
    __table_args__ = (
        Index("idx_forecast_target", "forecast_time", "target_time"),
        UniqueConstraint("model_metadata_id", "forecast_time", "target_time", name="uq_forecasts_target"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    model_metadata_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("model_metadata.id", name="fk_forecasts_model_metadata_id"), index=True
    )
    forecast_time: Mapped[datetime]
    target_time: Mapped[datetime] = mapped_column(index=True)
    predicted_count: Mapped[float] = mapped_column(Real)
    lower_bound_95: Mapped[float | None] = mapped_column(Real)
    upper_bound_95: Mapped[float | None] = mapped_column(Real)
    actual_count: Mapped[int | None] = mapped_column(Whole)
    created_at: Mapped[datetime]
    lower_bound_50: Mapped[float | None] = mapped_column(Real)
    upper_bound_50: Mapped[float | None] = mapped_column(Real)
    lower_bound_80: Mapped[float | None] = mapped_column(Real)
    upper_bound_80: Mapped[float | None] = mapped_column(Real)


class ForecastTotal(Base):
    """The total of a forecast's horizon, and what the forecast was made of.

    `quantiles` is JSON, probability to count; `warnings` is JSON, a list of texts; `counting` names which posts
    are counted.
    """

    __tablename__ = "forecast_totals"
    __table_args__ = (
        UniqueConstraint("model_metadata_id", "forecast_time", "horizon_hours", name="uq_forecast_totals"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    model_metadata_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("model_metadata.id", name="fk_forecast_totals_model_metadata_id"), index=True
    )
    forecast_time: Mapped[datetime] = mapped_column(index=True)
    horizon_hours: Mapped[int] = mapped_column(Whole)
    n_paths: Mapped[int] = mapped_column(Whole)
    seed: Mapped[int] = mapped_column(Whole)
    counting: Mapped[str] = mapped_column(String(32))
    predicted_total: Mapped[float] = mapped_column(Real)
    quantiles: Mapped[str] = mapped_column(Text)
    warnings: Mapped[str] = mapped_column(Text)
    actual_total: Mapped[int | None] = mapped_column(Whole)
    created_at: Mapped[datetime]


class ForecastQuantiles(Base):
    """All that a forecast said: quantiles of each hour's count and of the running total, as db.quantiles packs them.

    Apart from forecast_totals, whose rows are listed by the hundred; forecasts of old have none.
    """

    __tablename__ = "forecast_quantiles"

    forecast_total_id: Mapped[int] = mapped_column(
        Whole,
        ForeignKey("forecast_totals.id", name="fk_forecast_quantiles_forecast_total_id", ondelete="CASCADE"),
        primary_key=True,
    )
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ForecastScore(Base):
    """How the total of a forecast's first `horizon_hours` hours came out; there only once all of them were observed.

    `reference_crps` is of a seasonal naive forecast from the same origin, null where too little was known for one;
    `log_score` is of brackets, null for horizons that no bracket is asked of.
    """

    __tablename__ = "forecast_scores"
    __table_args__ = (
        UniqueConstraint("model_metadata_id", "forecast_time", "horizon_hours", name="uq_forecast_scores"),
        CheckConstraint("horizon_hours > 0", name="ck_forecast_scores_horizon"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    model_metadata_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("model_metadata.id", name="fk_forecast_scores_model_metadata_id")
    )
    forecast_time: Mapped[datetime] = mapped_column(index=True)
    horizon_hours: Mapped[int] = mapped_column(Whole)
    counting: Mapped[str] = mapped_column(String(32))
    actual: Mapped[int] = mapped_column(Whole)
    predicted: Mapped[float] = mapped_column(Real)
    crps: Mapped[float] = mapped_column(Real)
    reference_crps: Mapped[float | None] = mapped_column(Real)
    log_score: Mapped[float | None] = mapped_column(Real)
    pit: Mapped[float] = mapped_column(Real)
    inside_50: Mapped[bool] = mapped_column(Boolean)
    inside_80: Mapped[bool] = mapped_column(Boolean)
    inside_95: Mapped[bool] = mapped_column(Boolean)
    above_95: Mapped[bool] = mapped_column(Boolean)
    below_95: Mapped[bool] = mapped_column(Boolean)
    scored_at: Mapped[datetime]


class Notice(Base):
    """Something about the account that an operator should know: what, since when, and whether it is over.

    `kind` is level_drift or profile_drift; `details` is JSON. At most one notice of a kind is not resolved.
    """

    __tablename__ = "notices"
    __table_args__ = (
        # on Postgres as well, by its migration: to say so here would import that dialect for everyone
        Index("uq_notices_open", "kind", unique=True, sqlite_where=text("resolved_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    since: Mapped[datetime]
    found_at: Mapped[datetime] = mapped_column(index=True)
    message: Mapped[str] = mapped_column(Text)
    details: Mapped[str] = mapped_column(Text)
    resolved_at: Mapped[datetime | None]


class WindowForecast(Base):
    """What was forecast of a window at a moment, from the posts so far and the paths of the rest; and what came.

    `brackets` is JSON, first and last count of each (null where it has no end); `bracket_probabilities` and
    `quantiles` are JSON, by bracket and by probability; `warnings` is JSON, a list of texts. `lower_bound` tells that
    part of the window was not observed when it was made. `actual_total` stays null until all of it was.
    """

    __tablename__ = "window_forecasts"
    __table_args__ = (
        UniqueConstraint(
            "model_metadata_id",
            "made_at",
            "window_start",
            "window_end",
            "brackets_sha256",
            name="uq_window_forecasts",
        ),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    model_metadata_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("model_metadata.id", name="fk_window_forecasts_model_metadata_id"), index=True
    )
    made_at: Mapped[datetime] = mapped_column(index=True)
    forecast_time: Mapped[datetime]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime] = mapped_column(index=True)
    preset: Mapped[str | None] = mapped_column(String(32))
    timezone: Mapped[str] = mapped_column(String(64))
    brackets: Mapped[str] = mapped_column(Text)
    brackets_sha256: Mapped[str] = mapped_column(String(64))
    counting: Mapped[str] = mapped_column(String(32))
    n_paths: Mapped[int] = mapped_column(Whole)
    seed: Mapped[int] = mapped_column(Whole)
    counted_until: Mapped[datetime]
    count_so_far: Mapped[int] = mapped_column(Whole)
    lower_bound: Mapped[bool] = mapped_column(Boolean)
    hours_to_come: Mapped[float] = mapped_column(Real)
    predicted_total: Mapped[float] = mapped_column(Real)
    quantiles: Mapped[str] = mapped_column(Text)
    bracket_probabilities: Mapped[str] = mapped_column(Text)
    warnings: Mapped[str] = mapped_column(Text)
    actual_total: Mapped[int | None] = mapped_column(Whole)
    scored_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ModelArtifact(Base):
    """A fitted version's numbers (npz), so that every machine on the database can forecast with it."""

    __tablename__ = "model_artifacts"

    model_metadata_id: Mapped[int] = mapped_column(
        Whole,
        ForeignKey("model_metadata.id", name="fk_model_artifacts_model_metadata_id"),
        primary_key=True,
    )
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ModelAlias(Base):
    """What an alias means now: the version that forecasts are made with, or the one that is tried against it."""

    __tablename__ = "model_aliases"
    __table_args__ = (CheckConstraint("alias IN ('champion', 'challenger')", name="ck_model_aliases_alias"),)

    alias: Mapped[str] = mapped_column(String(32), primary_key=True)
    model_metadata_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("model_artifacts.model_metadata_id", name="fk_model_aliases_model_metadata_id")
    )
    since: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(Text)


class AliasChange(Base):
    """One change of an alias: the version before and after, who, why, and the gate's figures (JSON).

    Rows are only ever added; a roll back names the change that it undoes.
    """

    __tablename__ = "alias_changes"
    __table_args__ = (UniqueConstraint("undoes", name="uq_alias_changes_undoes"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    alias: Mapped[str] = mapped_column(String(32))
    before: Mapped[int | None] = mapped_column(Whole, ForeignKey("model_metadata.id", name="fk_alias_changes_before"))
    after: Mapped[int] = mapped_column(Whole, ForeignKey("model_metadata.id", name="fk_alias_changes_after"))
    changed_at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str | None] = mapped_column(Text)
    gate: Mapped[str | None] = mapped_column(Text)
    undoes: Mapped[int | None] = mapped_column(Whole, ForeignKey("alias_changes.id", name="fk_alias_changes_undoes"))


class RunRow(Base):
    """A long operation: who started what, where it stands, how it ended.

    `waits_until` is when it goes on, where it waits. `reserved` is what the answers that it asked for may yet cost,
    in millionths of a dollar.
    """

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="ck_runs_status"),
        UniqueConstraint("lease", name="uq_runs_lease"),
        Index("ix_runs_kind_id", "kind", "id"),
        Index("ix_runs_status_id", "status", "id"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    parameters: Mapped[str] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[float | None] = mapped_column(Real)
    message: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int | None] = mapped_column(Whole)
    who: Mapped[str] = mapped_column(String(255))
    lease: Mapped[str | None] = mapped_column(String(64))
    waits_until: Mapped[datetime | None]
    reserved: Mapped[int | None] = mapped_column(Whole)


class RunLogLine(Base):
    """One line of a run's log."""

    __tablename__ = "run_log"
    __table_args__ = (Index("ix_run_log_run_id_id", "run_id", "id"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    run_id: Mapped[int] = mapped_column(Whole, ForeignKey("runs.id", name="fk_run_log_run_id", ondelete="CASCADE"))
    time: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)
    fields: Mapped[str | None] = mapped_column(Text)


class Coverage(Base):
    """A span of time in which a source saw every post of the account that a `counting` counts (`all`: every one)."""

    __tablename__ = "coverage"
    __table_args__ = (CheckConstraint("span_end > span_start", name="ck_coverage_order"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    span_start: Mapped[datetime]
    span_end: Mapped[datetime]
    created_at: Mapped[datetime]
    counting: Mapped[str] = mapped_column(String(32), server_default="all")


class CoverageHole(Base):
    """A span of time that a source could not observe, and why; gone once something covers it."""

    __tablename__ = "coverage_holes"
    __table_args__ = (CheckConstraint("span_end > span_start", name="ck_coverage_holes_order"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    span_start: Mapped[datetime]
    span_end: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(255))
    found_at: Mapped[datetime]


class FetchRange(Base):
    """Post ids still to fetch: those above `low_id`, up to and with `high_id`; gone once all of them are stored.

    The walk came down from `top_id`; when it ends, what it observed is from `span_start` to `span_end`. `purpose` is
    follow or backfill; `endpoint` is timeline, recent or all.
    """

    __tablename__ = "fetch_ranges"
    __table_args__ = (
        CheckConstraint("low_id <= high_id AND high_id <= top_id", name="ck_fetch_ranges_order"),
        CheckConstraint("purpose IN ('follow', 'backfill', 'recheck')", name="ck_fetch_ranges_purpose"),
        CheckConstraint("endpoint IN ('timeline', 'recent', 'all')", name="ck_fetch_ranges_endpoint"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(16))
    endpoint: Mapped[str] = mapped_column(String(16))
    low_id: Mapped[int] = mapped_column(PostId)
    high_id: Mapped[int] = mapped_column(PostId)
    top_id: Mapped[int] = mapped_column(PostId)
    span_start: Mapped[datetime]
    span_end: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class HighWaterMark(Base):
    """Up to which post id a source's walks are complete; it moves only when a walk is."""

    __tablename__ = "high_water_marks"

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    post_id: Mapped[int] = mapped_column(PostId)
    moved_at: Mapped[datetime]


class Spending(Base):
    """What was bought on a UTC day: posts, requests that cost by themselves, and both in millionths of a dollar."""

    __tablename__ = "spending"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    posts: Mapped[int] = mapped_column(Whole)
    requests: Mapped[int] = mapped_column(Whole)
    microdollars: Mapped[int] = mapped_column(BigInteger)


class BoughtPost(Base):
    """The UTC day on which a post was last paid for: until it ends, reading it again is free."""

    __tablename__ = "bought_posts"

    post_id: Mapped[int] = mapped_column(PostId, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date)


class ApiLimit(Base):
    """A budget of the API as its last answer told it: requests of an endpoint, or posts of the plan's month."""

    __tablename__ = "api_limits"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    budget: Mapped[int] = mapped_column(Whole)
    remaining: Mapped[int] = mapped_column(Whole)
    reset_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]


class EventChange(Base):
    """One change of an event: who, when, before and after (JSON); rows are only ever added."""

    __tablename__ = "event_changes"
    __table_args__ = (UniqueConstraint("undoes", name="uq_event_changes_undoes"),)

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    event_id: Mapped[int] = mapped_column(
        Whole, ForeignKey("exogenous_events.id", name="fk_event_changes_event_id"), index=True
    )
    changed_at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(16))
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    undoes: Mapped[int | None] = mapped_column(Whole, ForeignKey("event_changes.id", name="fk_event_changes_undoes"))


class DatabaseSetting(Base):
    """A setting that belongs to the database, not to a process: which posts are counted, for one."""

    __tablename__ = "database_settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]


class AlertRule(Base):
    """A condition to be told of: whether it is looked at, with which parameters (JSON), how often it may be told."""

    __tablename__ = "alert_rules"
    __table_args__ = (CheckConstraint("cooldown_minutes >= 0", name="ck_alert_rules_cooldown"),)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    enabled: Mapped[bool] = mapped_column(Boolean)
    parameters: Mapped[str] = mapped_column(Text)
    cooldown_minutes: Mapped[int] = mapped_column(Whole)


class Alert(Base):
    """A condition that was met: of which rule, about what (`key`), since when, until when, and who was told.

    `details` is JSON. `resolved_at` stays null while it holds. `delivered_at` and `delivery_error` tell what came of
    the operator's command; both are null where none was to be run.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint("severity IN ('info', 'warning', 'error')", name="ck_alerts_severity"),
        Index("ix_alerts_rule_key", "rule", "key"),
        Index("ix_alerts_resolved_at", "resolved_at"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    rule: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(255))
    severity: Mapped[str] = mapped_column(String(16))
    raised_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))
    message: Mapped[str] = mapped_column(Text)
    details: Mapped[str] = mapped_column(Text)
    delivered_at: Mapped[datetime | None]
    delivery_error: Mapped[str | None] = mapped_column(Text)


class Backtest(Base):
    """A backtest that was asked for: its period, its data (as a digest) and its protocol (JSON)."""

    __tablename__ = "backtests"
    __table_args__ = (
        UniqueConstraint("name", name="uq_backtests_name"),
        CheckConstraint("span_end > span_start", name="ck_backtests_order"),
    )

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    span_start: Mapped[datetime]
    span_end: Mapped[datetime]
    counting: Mapped[str] = mapped_column(String(32))
    data_digest: Mapped[str] = mapped_column(String(64))
    protocol: Mapped[str] = mapped_column(Text)


class BacktestScore(Base):
    """What came of a model at an origin: scores (JSON) with CRPS and PIT by lead, or why it would not forecast."""

    __tablename__ = "backtest_scores"
    __table_args__ = (CheckConstraint("(scores IS NULL) <> (refused IS NULL)", name="ck_backtest_scores_outcome"),)

    backtest_id: Mapped[int] = mapped_column(
        Whole,
        ForeignKey("backtests.id", name="fk_backtest_scores_backtest_id", ondelete="CASCADE"),
        primary_key=True,
    )
    model_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[datetime] = mapped_column(primary_key=True)
    seconds: Mapped[float | None] = mapped_column(Real)
    scores: Mapped[str | None] = mapped_column(Text)
    hourly_crps: Mapped[str | None] = mapped_column(Text)
    hourly_pit: Mapped[str | None] = mapped_column(Text)
    refused: Mapped[str | None] = mapped_column(Text)
