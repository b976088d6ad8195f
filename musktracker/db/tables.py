"""The tables. The first six are the user's document, exactly; the rest is what the design adds."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.types import TypeEngine

from musktracker.db.types import Real, UTCDateTime, Whole

T = TypeVar("T")
PostId = Whole().with_variant(BigInteger(), "postgresql")  # on SQLite every INTEGER holds 64 bits


def required(kind: TypeEngine[T] | type[TypeEngine[T]], *more: SchemaItem, **options: Any) -> ColumnClause[T]:
    """A column that always holds something."""
    return Column(kind, *more, nullable=False, **options)


def optional(kind: TypeEngine[T] | type[TypeEngine[T]], *more: SchemaItem, **options: Any) -> ColumnClause[T | None]:
    """A column that may hold nothing."""
    column: Column[Any] = Column(kind, *more, nullable=True, **options)
    return column


class Base:
    """All tables of the database; a class stands for its table wherever a statement wants one.

    The toolkit's own declarations would bring all of its object mapper, which nothing here uses, into every process.
    """

    metadata: ClassVar[MetaData] = MetaData()
    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[SchemaItem, ...]] = ()
    __table__: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        columns = {name: found for name, found in vars(cls).items() if isinstance(found, Column)}
        for name, column in columns.items():
            column.name = column.key = name
        cls.__table__ = Table(cls.__tablename__, cls.metadata, *columns.values(), *cls.__table_args__)

    @classmethod
    def __clause_element__(cls) -> Table:
        return cls.__table__


class RawTweet(Base):
    """A post: its id, its time and its kind, never its content."""

    __tablename__ = "raw_tweets"
    __table_args__ = (Index("idx_created_at_not_deleted", "created_at", "is_deleted"),)

    id = required(Whole, primary_key=True)
    tweet_id = required(String(64), unique=True, index=True)
    created_at = required(UTCDateTime, index=True)
    source = required(String(32))
    ingest_time = required(UTCDateTime)
    is_deleted = required(Boolean, server_default=false())
    kind = optional(String(16))
    deleted_at = optional(UTCDateTime)


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

    id = required(Whole, primary_key=True)
    bucket_start = required(UTCDateTime)
    bucket_end = required(UTCDateTime)
    granularity = required(String(16))
    tweet_count = required(Whole)
    computed_at = required(UTCDateTime)


class ExogenousEvent(Base):
    """An outside event that may move the count; `removed_at` set means that it was taken out."""

    __tablename__ = "exogenous_events"
    __table_args__ = (
        Index("idx_event_time_range", "event_start", "event_end"),
        CheckConstraint("intensity >= 0 AND intensity <= 1", name="ck_exogenous_events_intensity"),
        CheckConstraint("event_end >= event_start", name="ck_exogenous_events_order"),
    )

    id = required(Whole, primary_key=True)
    name = required(String(256))
    description = optional(Text)
    category = optional(String(64))
    event_start = required(UTCDateTime, index=True)
    event_end = required(UTCDateTime, index=True)
    intensity = required(Real)
    source = required(String(64))
    created_at = required(UTCDateTime)
    updated_at = optional(UTCDateTime)
    removed_at = optional(UTCDateTime)


class Feature(Base):
    """What was known at `reference_time`, for the hour that begins then."""

    __tablename__ = "features"
    __table_args__ = (
        Index("idx_reference_time", "reference_time"),
        UniqueConstraint("reference_time", name="uq_features_reference_time"),
    )

    id = required(Whole, primary_key=True)
    reference_time = required(UTCDateTime, index=True)
    lag_1h = optional(Whole)
    lag_6h = optional(Whole)
    lag_12h = optional(Whole)
    lag_24h = optional(Whole)
    lag_7d = optional(Whole)
    rolling_mean_24h = optional(Real)
    rolling_std_24h = optional(Real)
    rolling_mean_7d = optional(Real)
    rolling_std_7d = optional(Real)
    hour_of_day = required(Whole)
    day_of_week = required(Whole)
    is_weekend = required(Boolean)
    event_intensity = required(Real)
    events_in_window = required(Whole)
    computed_at = required(UTCDateTime)


class ModelMetadata(Base):
    """One fitted version of a model; never edited after it is made."""

    __tablename__ = "model_metadata"
    __table_args__ = (
        Index("idx_model_name_version", "model_name", "model_version"),
        UniqueConstraint("model_name", "model_version", name="uq_model_metadata_name_version"),
    )

    id = required(Whole, primary_key=True)
    model_name = required(String(64), index=True)
    model_version = required(String(32))
    trained_at = required(UTCDateTime)
    training_start_date = required(UTCDateTime)
    training_end_date = required(UTCDateTime)
    hyperparameters = optional(Text)
    rmse = optional(Real)
    mae = optional(Real)
    mape = optional(Real)
    log_likelihood = optional(Real)
    artifact_path = optional(String(512))
    diagnostics = optional(Text)
    counting = optional(String(32))


class Forecast(Base):
    """The forecast of one hour: `target_time` is its start, `forecast_time` the origin it was made from."""

    __tablename__ = "forecasts"
    __table_args__ = (
        Index("idx_forecast_target", "forecast_time", "target_time"),
        UniqueConstraint("model_metadata_id", "forecast_time", "target_time", name="uq_forecasts_target"),
    )

    id = required(Whole, primary_key=True)
    model_metadata_id = required(
        Whole, ForeignKey("model_metadata.id", name="fk_forecasts_model_metadata_id"), index=True
    )
    forecast_time = required(UTCDateTime)
    target_time = required(UTCDateTime, index=True)
    predicted_count = required(Real)
    lower_bound_95 = optional(Real)
    upper_bound_95 = optional(Real)
    actual_count = optional(Whole)
    created_at = required(UTCDateTime)
    lower_bound_50 = optional(Real)
    upper_bound_50 = optional(Real)
    lower_bound_80 = optional(Real)
    upper_bound_80 = optional(Real)


class ForecastTotal(Base):
    """The total of a forecast's horizon, and what the forecast was made of.

    `quantiles` is JSON, probability to count; `warnings` is JSON, a list of texts; `counting` names which posts
    are counted.
    """

    __tablename__ = "forecast_totals"
    __table_args__ = (
        UniqueConstraint("model_metadata_id", "forecast_time", "horizon_hours", name="uq_forecast_totals"),
    )

    id = required(Whole, primary_key=True)
    model_metadata_id = required(
        Whole, ForeignKey("model_metadata.id", name="fk_forecast_totals_model_metadata_id"), index=True
    )
    forecast_time = required(UTCDateTime, index=True)
    horizon_hours = required(Whole)
    n_paths = required(Whole)
    seed = required(Whole)
    counting = required(String(32))
    predicted_total = required(Real)
    quantiles = required(Text)
    warnings = required(Text)
    actual_total = optional(Whole)
    created_at = required(UTCDateTime)


class ForecastQuantiles(Base):
    """All that a forecast said: quantiles of each hour's count and of the running total, as db.quantiles packs them.

    Apart from forecast_totals, whose rows are listed by the hundred; forecasts of old have none.
    """

    __tablename__ = "forecast_quantiles"

    forecast_total_id = required(
        Whole,
        ForeignKey("forecast_totals.id", name="fk_forecast_quantiles_forecast_total_id", ondelete="CASCADE"),
        primary_key=True,
    )
    content = required(LargeBinary)


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

    id = required(Whole, primary_key=True)
    model_metadata_id = required(Whole, ForeignKey("model_metadata.id", name="fk_forecast_scores_model_metadata_id"))
    forecast_time = required(UTCDateTime, index=True)
    horizon_hours = required(Whole)
    counting = required(String(32))
    actual = required(Whole)
    predicted = required(Real)
    crps = required(Real)
    reference_crps = optional(Real)
    log_score = optional(Real)
    pit = required(Real)
    inside_50 = required(Boolean)
    inside_80 = required(Boolean)
    inside_95 = required(Boolean)
    above_95 = required(Boolean)
    below_95 = required(Boolean)
    scored_at = required(UTCDateTime)


class Notice(Base):
    """Something about the account that an operator should know: what, since when, and whether it is over.

    `kind` is level_drift or profile_drift; `details` is JSON. At most one notice of a kind is not resolved.
    """

    __tablename__ = "notices"
    __table_args__ = (
        # on Postgres as well, by its migration: to say so here would import that dialect for everyone
        Index("uq_notices_open", "kind", unique=True, sqlite_where=text("resolved_at IS NULL")),
    )

    id = required(Whole, primary_key=True)
    kind = required(String(32))
    since = required(UTCDateTime)
    found_at = required(UTCDateTime, index=True)
    message = required(Text)
    details = required(Text)
    resolved_at = optional(UTCDateTime)


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

    id = required(Whole, primary_key=True)
    model_metadata_id = required(
        Whole, ForeignKey("model_metadata.id", name="fk_window_forecasts_model_metadata_id"), index=True
    )
    made_at = required(UTCDateTime, index=True)
    forecast_time = required(UTCDateTime)
    window_start = required(UTCDateTime)
    window_end = required(UTCDateTime, index=True)
    preset = optional(String(32))
    timezone = required(String(64))
    brackets = required(Text)
    brackets_sha256 = required(String(64))
    counting = required(String(32))
    n_paths = required(Whole)
    seed = required(Whole)
    counted_until = required(UTCDateTime)
    count_so_far = required(Whole)
    lower_bound = required(Boolean)
    hours_to_come = required(Real)
    predicted_total = required(Real)
    quantiles = required(Text)
    bracket_probabilities = required(Text)
    warnings = required(Text)
    actual_total = optional(Whole)
    scored_at = optional(UTCDateTime)
    created_at = required(UTCDateTime)


class ModelArtifact(Base):
    """A fitted version's numbers (npz), so that every machine on the database can forecast with it."""

    __tablename__ = "model_artifacts"

    model_metadata_id = required(
        Whole,
        ForeignKey("model_metadata.id", name="fk_model_artifacts_model_metadata_id"),
        primary_key=True,
    )
    sha256 = required(String(64))
    content = required(LargeBinary)


class ModelAlias(Base):
    """What an alias means now: the version that forecasts are made with, or the one that is tried against it."""

    __tablename__ = "model_aliases"
    __table_args__ = (CheckConstraint("alias IN ('champion', 'challenger')", name="ck_model_aliases_alias"),)

    alias = required(String(32), primary_key=True)
    model_metadata_id = required(
        Whole, ForeignKey("model_artifacts.model_metadata_id", name="fk_model_aliases_model_metadata_id")
    )
    since = required(UTCDateTime)
    who = required(String(255))
    reason = optional(Text)


class AliasChange(Base):
    """One change of an alias: the version before and after, who, why, and the gate's figures (JSON).

    Rows are only ever added; a roll back names the change that it undoes.
    """

    __tablename__ = "alias_changes"
    __table_args__ = (UniqueConstraint("undoes", name="uq_alias_changes_undoes"),)

    id = required(Whole, primary_key=True)
    alias = required(String(32))
    before = optional(Whole, ForeignKey("model_metadata.id", name="fk_alias_changes_before"))
    after = required(Whole, ForeignKey("model_metadata.id", name="fk_alias_changes_after"))
    changed_at = required(UTCDateTime)
    who = required(String(255))
    reason = optional(Text)
    gate = optional(Text)
    undoes = optional(Whole, ForeignKey("alias_changes.id", name="fk_alias_changes_undoes"))


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

    id = required(Whole, primary_key=True)
    kind = required(String(32))
    status = required(String(16))
    parameters = required(Text)
    stage = optional(String(64))
    progress = optional(Real)
    message = optional(Text)
    result = optional(Text)
    error = optional(Text)
    created_at = required(UTCDateTime)
    started_at = optional(UTCDateTime)
    finished_at = optional(UTCDateTime)
    heartbeat_at = optional(UTCDateTime)
    cancel_requested_at = optional(UTCDateTime)
    host = required(String(255))
    pid = optional(Whole)
    who = required(String(255))
    lease = optional(String(64))
    waits_until = optional(UTCDateTime)
    reserved = optional(Whole)


class RunLogLine(Base):
    """One line of a run's log."""

    __tablename__ = "run_log"
    __table_args__ = (Index("ix_run_log_run_id_id", "run_id", "id"),)

    id = required(Whole, primary_key=True)
    run_id = required(Whole, ForeignKey("runs.id", name="fk_run_log_run_id", ondelete="CASCADE"))
    time = required(UTCDateTime)
    level = required(String(16))
    message = required(Text)
    fields = optional(Text)


class Coverage(Base):
    """A span of time in which a source saw every post of the account that a `counting` counts (`all`: every one)."""

    __tablename__ = "coverage"
    __table_args__ = (CheckConstraint("span_end > span_start", name="ck_coverage_order"),)

    id = required(Whole, primary_key=True)
    source = required(String(64))
    span_start = required(UTCDateTime)
    span_end = required(UTCDateTime)
    created_at = required(UTCDateTime)
    counting = required(String(32), server_default="all")


class CoverageHole(Base):
    """A span of time that a source could not observe, and why; gone once something covers it."""

    __tablename__ = "coverage_holes"
    __table_args__ = (CheckConstraint("span_end > span_start", name="ck_coverage_holes_order"),)

    id = required(Whole, primary_key=True)
    source = required(String(64))
    span_start = required(UTCDateTime)
    span_end = required(UTCDateTime)
    reason = required(String(255))
    found_at = required(UTCDateTime)


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

    id = required(Whole, primary_key=True)
    source = required(String(64))
    purpose = required(String(16))
    endpoint = required(String(16))
    low_id = required(PostId)
    high_id = required(PostId)
    top_id = required(PostId)
    span_start = required(UTCDateTime)
    span_end = required(UTCDateTime)
    created_at = required(UTCDateTime)
    updated_at = required(UTCDateTime)


class HighWaterMark(Base):
    """Up to which post id a source's walks are complete; it moves only when a walk is."""

    __tablename__ = "high_water_marks"

    source = required(String(64), primary_key=True)
    post_id = required(PostId)
    moved_at = required(UTCDateTime)


class Spending(Base):
    """What was bought on a UTC day: posts, requests that cost by themselves, and both in millionths of a dollar."""

    __tablename__ = "spending"

    day = required(Date, primary_key=True)
    posts = required(Whole)
    requests = required(Whole)
    microdollars = required(BigInteger)


class BoughtPost(Base):
    """The UTC day on which a post was last paid for: until it ends, reading it again is free."""

    __tablename__ = "bought_posts"

    post_id = required(PostId, primary_key=True, autoincrement=False)
    day = required(Date)


class ApiLimit(Base):
    """A budget of the API as its last answer told it: requests of an endpoint, or posts of the plan's month."""

    __tablename__ = "api_limits"

    name = required(String(32), primary_key=True)
    budget = required(Whole)
    remaining = required(Whole)
    reset_at = optional(UTCDateTime)
    seen_at = required(UTCDateTime)


class EventChange(Base):
    """One change of an event: who, when, before and after (JSON); rows are only ever added."""

    __tablename__ = "event_changes"
    __table_args__ = (UniqueConstraint("undoes", name="uq_event_changes_undoes"),)

    id = required(Whole, primary_key=True)
    event_id = required(Whole, ForeignKey("exogenous_events.id", name="fk_event_changes_event_id"), index=True)
    changed_at = required(UTCDateTime)
    who = required(String(255))
    action = required(String(16))
    before = optional(Text)
    after = optional(Text)
    undoes = optional(Whole, ForeignKey("event_changes.id", name="fk_event_changes_undoes"))


class DatabaseSetting(Base):
    """A setting that belongs to the database, not to a process: which posts are counted, for one."""

    __tablename__ = "database_settings"

    name = required(String(64), primary_key=True)
    value = required(Text)
    updated_at = required(UTCDateTime)


class AlertRule(Base):
    """A condition to be told of: whether it is looked at, with which parameters (JSON), how often it may be told."""

    __tablename__ = "alert_rules"
    __table_args__ = (CheckConstraint("cooldown_minutes >= 0", name="ck_alert_rules_cooldown"),)

    name = required(String(64), primary_key=True)
    enabled = required(Boolean)
    parameters = required(Text)
    cooldown_minutes = required(Whole)


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

    id = required(Whole, primary_key=True)
    rule = required(String(64))
    key = required(String(255))
    severity = required(String(16))
    raised_at = required(UTCDateTime)
    last_seen_at = required(UTCDateTime)
    resolved_at = optional(UTCDateTime)
    acknowledged_at = optional(UTCDateTime)
    acknowledged_by = optional(String(255))
    message = required(Text)
    details = required(Text)
    delivered_at = optional(UTCDateTime)
    delivery_error = optional(Text)


class Backtest(Base):
    """A backtest that was asked for: its period, its data (as a digest) and its protocol (JSON)."""

    __tablename__ = "backtests"
    __table_args__ = (
        UniqueConstraint("name", name="uq_backtests_name"),
        CheckConstraint("span_end > span_start", name="ck_backtests_order"),
    )

    id = required(Whole, primary_key=True)
    name = required(String(64))
    created_at = required(UTCDateTime)
    span_start = required(UTCDateTime)
    span_end = required(UTCDateTime)
    counting = required(String(32))
    data_digest = required(String(64))
    protocol = required(Text)


class BacktestScore(Base):
    """What came of a model at an origin: scores (JSON) with CRPS and PIT by lead, or why it would not forecast."""

    __tablename__ = "backtest_scores"
    __table_args__ = (CheckConstraint("(scores IS NULL) <> (refused IS NULL)", name="ck_backtest_scores_outcome"),)

    backtest_id = required(
        Whole,
        ForeignKey("backtests.id", name="fk_backtest_scores_backtest_id", ondelete="CASCADE"),
        primary_key=True,
    )
    model_name = required(String(64), primary_key=True)
    origin = required(UTCDateTime, primary_key=True)
    seconds = optional(Real)
    scores = optional(Text)
    hourly_crps = optional(Text)
    hourly_pit = optional(Text)
    refused = optional(Text)
