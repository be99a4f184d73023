"""The schema: one typed class per table, plain rows that `sqlite3` and `pandas.read_sql` can use.

Moments are UTC without a time zone; `time` of a point is seconds since the Unix epoch. NaN is stored as NULL.
"""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from engine.store.views import Intent, Status


def storable(text: str) -> str:
    """`text` as a store can hold it: NUL becomes its picture, lone surrogates become `?`."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


class ForeignText(TypeDecorator[str]):
    """Text from outside, made storable on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Plain text, of any length and any characters that UTF-8 can write."""
        return None if value is None else storable(value)


Big = Annotated[int, mapped_column(BigInteger)]
Word = Annotated[str, mapped_column(String(32))]
RunKey = Annotated[int, mapped_column(ForeignKey("run.id", ondelete="CASCADE"))]


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that a migration can name them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        str: ForeignText,
        float: Double,
        datetime: DateTime,
        bool: Boolean,
        dict[str, Any]: JSON,
    }


def _one_of(column: str, words: type[Status] | type[Intent]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word.value) for word in words)})", name=column)


class StoreState(Base):
    """The store as a whole, one row: `changes` counts write transactions, so that a screen can poll cheaply."""

    __tablename__ = "store_state"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    changes: Mapped[Big]


class Experiment(Base):
    """A named group of runs."""

    __tablename__ = "experiment"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    notes: Mapped[str] = mapped_column(default="")


class Run(Base):
    """One launch of one stage. Ids are never used twice: they name directories."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int | None] = mapped_column(ForeignKey("experiment.id", ondelete="SET NULL"))
    stage: Mapped[Word]
    name: Mapped[str]
    status: Mapped[Word]
    intent: Mapped[Word]
    attempt: Mapped[int] = mapped_column(default=1)
    priority: Mapped[int] = mapped_column(default=0)
    gpus: Mapped[int] = mapped_column(default=0)
    seed: Mapped[Big]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    heartbeat: Mapped[datetime | None]
    waiting_for: Mapped[str | None]
    pinned: Mapped[bool] = mapped_column(default=False)
    directory: Mapped[str]
    config_hash: Mapped[str]
    records_offset: Mapped[Big] = mapped_column(default=0)
    progress_done: Mapped[int | None] = mapped_column(BigInteger)
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    progress_unit: Mapped[str | None]
    pid: Mapped[int | None]
    pid_started: Mapped[float | None]
    exit_code: Mapped[int | None]
    host: Mapped[str | None]
    devices: Mapped[str | None]
    git_sha: Mapped[str | None]
    git_dirty: Mapped[bool | None]
    best_evaluation: Mapped[int | None]
    reported_status: Mapped[str | None]
    reported_error: Mapped[str | None]
    notes: Mapped[str] = mapped_column(default="")
    error: Mapped[str | None]
    held: Mapped[bool] = mapped_column(default=False, server_default=false())

    __table_args__ = (
        _one_of("status", Status),
        _one_of("intent", Intent),
        Index(None, "status"),
        Index(None, "name"),
        # The migration gives PostgreSQL the same condition; said here, it would load that dialect at every start.
        Index("ix_run_listed", "created", "id", sqlite_where=text("deleted_at IS NULL")),
        {"sqlite_autoincrement": True},
    )


class RunConfig(Base):
    """A run's resolved config and its environment: kept apart, or every scan of runs would read past them."""

    __tablename__ = "run_config"
    run_id: Mapped[RunKey] = mapped_column(primary_key=True, autoincrement=False)
    config: Mapped[dict[str, Any]]
    env: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RunInput(Base):
    """An edge of the lineage graph. The source is no foreign key: a rebuilt store may have lost its directory."""

    __tablename__ = "run_input"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[RunKey] = mapped_column(index=True)
    role: Mapped[str]
    source_run_id: Mapped[int] = mapped_column(index=True)
    which: Mapped[str | None]


class RunParam(Base):
    """A config value, flattened; `number` is set where the value is one."""

    __tablename__ = "run_param"
    run_id: Mapped[RunKey] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    number: Mapped[float | None]

    __table_args__ = (
        Index(None, "key", "number", "run_id"),
        Index(None, "key", "text", "run_id"),
        {"sqlite_with_rowid": False},
    )


class RunTag(Base):
    """A tag of a run."""

    __tablename__ = "run_tag"
    run_id: Mapped[RunKey] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)

    __table_args__ = ({"sqlite_with_rowid": False},)


class Metric(Base):
    """A named series of a run. `axis` is `step`, or `time` where steps are seconds since the epoch."""

    __tablename__ = "metric"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[RunKey]
    key: Mapped[str]
    unit: Mapped[str | None]
    axis: Mapped[Word]

    __table_args__ = (Index(None, "run_id", "key", unique=True),)


MetricKey = Annotated[int, mapped_column(ForeignKey("metric.id", ondelete="CASCADE"))]


class MetricPoint(Base):
    """One value, clustered by (metric, step)."""

    __tablename__ = "metric_point"
    metric_id: Mapped[MetricKey] = mapped_column(primary_key=True)
    step: Mapped[Big] = mapped_column(primary_key=True)
    time: Mapped[float]
    value: Mapped[float | None]

    __table_args__ = ({"sqlite_with_rowid": False},)


class MetricBucket(Base):
    """A complete group of 64 (level 1), 4,096 (level 2), ... points in order; the rest is in the level below.

    `min`, `max` keep infinities; `sum` and `finite` leave them out; `count` has the gaps too.
    """

    __tablename__ = "metric_bucket"
    metric_id: Mapped[MetricKey] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    first_step: Mapped[Big] = mapped_column(primary_key=True)
    last_step: Mapped[Big]
    bucket: Mapped[Big]
    first_time: Mapped[float]
    last_time: Mapped[float]
    count: Mapped[Big]
    finite: Mapped[Big]
    sum: Mapped[float]
    min: Mapped[float | None]
    min_step: Mapped[int | None] = mapped_column(BigInteger)
    max: Mapped[float | None]
    max_step: Mapped[int | None] = mapped_column(BigInteger)
    first: Mapped[float | None]
    last: Mapped[float | None]

    __table_args__ = ({"sqlite_with_rowid": False},)


class MetricSummary(Base):
    """A series in one row; the indexes make sorting all runs by a metric a walk along one of them."""

    __tablename__ = "metric_summary"
    metric_id: Mapped[MetricKey] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[RunKey]
    key: Mapped[str]
    count: Mapped[Big]
    last: Mapped[float | None]
    last_step: Mapped[Big]
    min: Mapped[float | None]
    min_step: Mapped[int | None] = mapped_column(BigInteger)
    max: Mapped[float | None]
    max_step: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index(None, "run_id", "key", unique=True),
        Index(None, "key", "last", "run_id"),
        Index(None, "key", "min", "run_id"),
        Index(None, "key", "max", "run_id"),
    )


class Evaluation(Base):
    """One pass over a labelled split."""

    __tablename__ = "evaluation"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[RunKey]
    checkpoint_id: Mapped[int | None] = mapped_column(
        ForeignKey("checkpoint.id", ondelete="SET NULL"), index=True
    )
    time: Mapped[datetime]
    step: Mapped[Big]
    epoch: Mapped[int | None]
    split: Mapped[str]
    fold: Mapped[int | None]
    loss: Mapped[float | None]
    f1_mean: Mapped[float | None]

    __table_args__ = (Index(None, "run_id", "step"),)


EvaluationKey = Annotated[int, mapped_column(ForeignKey("evaluation.id", ondelete="CASCADE"))]


class LevelScore(Base):
    """An evaluation's scores at one level of the taxonomy; level 1 is the coarsest."""

    __tablename__ = "level_score"
    evaluation_id: Mapped[EvaluationKey] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    f1_micro: Mapped[float | None]
    f1_macro: Mapped[float | None]
    accuracy: Mapped[float | None]

    __table_args__ = ({"sqlite_with_rowid": False},)


class ClassScore(Base):
    """An evaluation's scores of one class."""

    __tablename__ = "class_score"
    evaluation_id: Mapped[EvaluationKey] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    precision: Mapped[float | None]
    recall: Mapped[float | None]
    f1: Mapped[float | None]
    support: Mapped[Big]

    __table_args__ = ({"sqlite_with_rowid": False},)


class Checkpoint(Base):
    """One saved state; `path` is relative to the run's directory."""

    __tablename__ = "checkpoint"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[RunKey]
    time: Mapped[datetime]
    step: Mapped[Big]
    epoch: Mapped[int | None]
    kind: Mapped[str]
    path: Mapped[str]
    bytes: Mapped[Big]
    sha256: Mapped[str]
    f1_mean: Mapped[float | None]
    pinned: Mapped[bool] = mapped_column(default=False)
    deleted_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "run_id", "step"),)


class Artifact(Base):
    """Any other output of a run; `path` is relative to its directory."""

    __tablename__ = "artifact"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[RunKey]
    time: Mapped[datetime]
    kind: Mapped[str]
    path: Mapped[str]
    bytes: Mapped[Big]
    sha256: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (Index(None, "run_id", "kind"),)
