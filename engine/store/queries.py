"""What screens and the command line read: one function a question, plain values for answers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, func, or_, select

from engine.errors import RunError
from engine.store import listing, models
from engine.store.database import CHANGES, Store
from engine.store.listing import AnySelect
from engine.store.models import Metric, MetricSummary, Run, RunConfig, RunInput
from engine.store.points import STEP_AXIS, window
from engine.store.rollups import Rollup
from engine.store.views import (
    ArtifactRow,
    CheckpointRow,
    ClassScore,
    EvaluationRow,
    InputRow,
    LevelScore,
    Queue,
    RunDetail,
    RunPage,
    RunRow,
    Series,
    SeriesPoint,
    Status,
)
from engine.store.views import MetricSummary as Summary

_LISTED = Run.deleted_at.is_(None)
_RUN: BindParameter[int] = bindparam("run")
_checkpoint, _artifact, _evaluation, _class = (
    models.Checkpoint,
    models.Artifact,
    models.Evaluation,
    models.ClassScore,
)
_SUMMARIES: AnySelect = (
    select(
        MetricSummary.key,
        Metric.unit,
        Metric.axis,
        MetricSummary.count,
        MetricSummary.last,
        MetricSummary.last_step,
        MetricSummary.min,
        MetricSummary.max,
        MetricSummary.min_step,
        MetricSummary.max_step,
    )
    .join(Metric, Metric.id == MetricSummary.metric_id)
    .where(MetricSummary.run_id == _RUN)
    .order_by(MetricSummary.key)
)
_CONFIG = select(RunConfig.config, RunConfig.env).where(RunConfig.run_id == _RUN)
_METRIC = (
    select(Metric.id, Metric.axis, MetricSummary.count.label("number"))
    .join(MetricSummary, MetricSummary.metric_id == Metric.id)
    .where(Metric.run_id == _RUN, Metric.key == bindparam("named"))
)
_CHECKPOINTS: AnySelect = select(
    _checkpoint.id,
    _checkpoint.time,
    _checkpoint.step,
    _checkpoint.epoch,
    _checkpoint.kind,
    _checkpoint.path,
    _checkpoint.bytes,
    _checkpoint.sha256,
    _checkpoint.f1_mean,
    _checkpoint.pinned,
).where(_checkpoint.run_id == _RUN, _checkpoint.deleted_at.is_(None))
_ARTIFACTS: AnySelect = select(
    _artifact.id,
    _artifact.time,
    _artifact.kind,
    _artifact.path,
    _artifact.bytes,
    _artifact.sha256,
    _artifact.meta,
).where(_artifact.run_id == _RUN)
_EVALUATIONS: AnySelect = (
    select(
        _evaluation.id,
        _evaluation.time,
        _evaluation.step,
        _evaluation.epoch,
        _evaluation.split,
        _evaluation.fold,
        _evaluation.loss,
        _evaluation.f1_mean,
        _checkpoint.path,
    )
    .outerjoin(
        _checkpoint, and_(_checkpoint.id == _evaluation.checkpoint_id, _checkpoint.deleted_at.is_(None))
    )
    .where(_evaluation.run_id == _RUN)
    .order_by(_evaluation.step, _evaluation.id)
)
_LEVELS: AnySelect = (
    select(
        models.LevelScore.evaluation_id,
        models.LevelScore.level,
        models.LevelScore.f1_micro,
        models.LevelScore.f1_macro,
        models.LevelScore.accuracy,
    )
    .join(_evaluation, _evaluation.id == models.LevelScore.evaluation_id)
    .where(_evaluation.run_id == _RUN)
    .order_by(models.LevelScore.evaluation_id, models.LevelScore.level)
)
_CLASSES: AnySelect = (
    select(_class.level, _class.category, _class.precision, _class.recall, _class.f1, _class.support)
    .where(_class.evaluation_id == bindparam("evaluation"))
    .order_by(_class.level, _class.category)
)
_INPUTS: AnySelect = (
    select(RunInput.role, RunInput.source_run_id, Run.name, RunInput.which, Run.status)
    .outerjoin(Run, Run.id == RunInput.source_run_id)
    .where(RunInput.run_id == _RUN)
    .order_by(RunInput.id)
)
_DEPENDANTS = (
    select(RunInput.run_id)
    .join(Run, Run.id == RunInput.run_id)
    .where(RunInput.source_run_id == _RUN, _LISTED)
    .distinct()
    .order_by(RunInput.run_id)
)


def change_counter(store: Store) -> int:
    """A number that grows with every write: while it stands still, nothing needs to be read again."""
    with store.connection() as connection:
        return connection.execute(CHANGES).scalar_one()


def list_runs(
    store: Store,
    filter: str = "",  # noqa: A002
    sort: str = "-created",
    limit: int = 100,
    offset: int = 0,
) -> RunPage:
    """A window of the runs that match `filter` (see `engine.store.filters`).

    `sort` is a column, `f1_mean` (the best), or a metric as in filters; `-` before it puts the highest first. Runs
    that lack it come last, in both directions.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    return listing.page(store, filter, sort, limit, offset)


def live_runs(store: Store) -> tuple[RunRow, ...]:
    """Runs with a process, or about to have one, by id."""
    live = [status.value for status in Status if status.live]
    with store.connection() as connection:
        return listing.run_rows(connection, Run.status.in_(live), _LISTED)


def waiting_runs(store: Store, limit: int | None = None) -> Queue:
    """Queued runs in the order in which they may start: higher priority first, then the older.

    Args:
        limit: how many of them are read.
    """
    waiting = (Run.status == Status.QUEUED.value, _LISTED)
    with store.connection() as connection:
        total = connection.scalar(select(func.count()).select_from(Run).where(*waiting)) or 0
        return Queue(listing.run_rows(connection, *waiting, by_queue=True, limit=limit), total)


def run_row(store: Store, run_id: int) -> RunRow:
    """One run.

    Raises:
        RunError: there is none, or it was deleted.
    """
    with store.connection() as connection:
        return _run_row(connection, run_id)


def run_detail(store: Store, run_id: int) -> RunDetail:
    """All that one page about a run shows, but its points and its classes.

    Raises:
        RunError: there is none, or it was deleted.
    """
    one = {"run": run_id}
    with store.connection() as connection:
        row = _run_row(connection, run_id)
        config, env = connection.execute(_CONFIG, one).one()
        levels: dict[int, list[LevelScore]] = {}
        for evaluation_id, *scores in connection.execute(_LEVELS, one):
            levels.setdefault(evaluation_id, []).append(listing.level_view(scores))
        return RunDetail(
            run=row,
            config=config,
            env=env,
            inputs=tuple(_input(item) for item in connection.execute(_INPUTS, one)),
            evaluations=tuple(
                _evaluation_row(item, tuple(levels.get(item.id, ())))
                for item in connection.execute(_EVALUATIONS, one)
            ),
            checkpoints=tuple(
                CheckpointRow(*item)
                for item in connection.execute(_CHECKPOINTS.order_by(_checkpoint.step, _checkpoint.id), one)
            ),
            artifacts=tuple(
                ArtifactRow(*item) for item in connection.execute(_ARTIFACTS.order_by(_artifact.id), one)
            ),
            metrics=tuple(Summary(*item) for item in connection.execute(_SUMMARIES, one)),
            dependants=tuple(connection.scalars(_DEPENDANTS, one)),
        )


def metric_summaries(store: Store, run_id: int) -> tuple[Summary, ...]:
    """The series of a run, one row each, by key."""
    with store.connection() as connection:
        return tuple(Summary(*row) for row in connection.execute(_SUMMARIES, {"run": run_id}))


def series(
    store: Store,
    run_id: int,
    key: str,
    *,
    max_points: int = 400,
    first_step: int | None = None,
    last_step: int | None = None,
) -> Series:
    """A series, or its part between two steps, for a chart of about `max_points` columns; empty where there is none.

    A drawn point that stands for several has their mean as its value, lies in their middle, and keeps their lowest
    and highest value. `count` of the series is of all its points. However long it is, a bounded number of rows is read.
    """
    with store.connection() as connection:
        metric = connection.execute(_METRIC, {"run": run_id, "named": key}).first()
        if metric is None:
            return Series(key, STEP_AXIS, (), 0)
        parts = window(
            connection, metric.id, first_step=first_step, last_step=last_step, most=max(1, max_points)
        )
        return Series(key, metric.axis, tuple(_drawn(part) for part in parts), metric.number)


def class_scores(store: Store, evaluation_id: int) -> tuple[ClassScore, ...]:
    """Scores of every class of an evaluation, by level and category."""
    with store.connection() as connection:
        return tuple(
            ClassScore(level, category, _nan(precision), _nan(recall), _nan(f1), support)
            for level, category, precision, recall, f1, support in connection.execute(
                _CLASSES, {"evaluation": evaluation_id}
            )
        )


def checkpoint_of(store: Store, run_id: int, which: str) -> CheckpointRow | None:
    """The newest checkpoint that is `best`, `last` (else the newest of any kind but EMA), or `epoch-N`."""
    query = _CHECKPOINTS.order_by(_checkpoint.step.desc(), _checkpoint.id.desc()).limit(1)
    word, _, number = which.partition("-")
    if word == "epoch" and number.isascii() and number.isdigit():
        queries = [query.where(_checkpoint.epoch == int(number), _checkpoint.kind == "epoch")]
        queries.append(query.where(_checkpoint.epoch == int(number)))
    else:
        queries = [query.where(_checkpoint.kind == which)]
    if which == "last":
        queries.append(query.where(_checkpoint.kind != "ema"))
    with store.connection() as connection:
        for each in queries:
            row = connection.execute(each, {"run": run_id}).first()
            if row is not None:
                return CheckpointRow(*row)
    return None


def artifact_of(store: Store, run_id: int, kind: str) -> ArtifactRow | None:
    """The newest artifact of a kind."""
    query = _ARTIFACTS.where(_artifact.kind == kind).order_by(_artifact.id.desc()).limit(1)
    with store.connection() as connection:
        row = connection.execute(query, {"run": run_id}).first()
    return None if row is None else ArtifactRow(*row)


def predicting_runs(store: Store, limit: int = 300) -> tuple[RunRow, ...]:
    """The newest finished runs that wrote validation predictions, or classified with another's checkpoint."""
    kinds = select(_artifact.id).where(_artifact.run_id == Run.id)
    validated = kinds.where(_artifact.kind == "validation").exists()
    predicted = and_(Run.stage == "predict", kinds.where(_artifact.kind == "predictions").exists())
    newest = select(Run.id).where(Run.status == Status.FINISHED.value, _LISTED, or_(validated, predicted))
    with store.connection() as connection:
        ids = connection.scalars(newest.order_by(Run.id.desc()).limit(limit)).all()
        return listing.run_rows(connection, Run.id.in_(ids))[::-1]


def finished_by_hash(store: Store) -> dict[str, list[int]]:
    """Ids of finished runs by the hash of their config, the newest first."""
    query = select(Run.config_hash, Run.id).where(Run.status == Status.FINISHED.value, _LISTED)
    found: dict[str, list[int]] = {}
    with store.connection() as connection:
        for config_hash, run_id in connection.execute(query.order_by(Run.id.desc())):
            found.setdefault(config_hash, []).append(run_id)
    return found


def _run_row(connection: Connection, run_id: int) -> RunRow:
    rows = listing.run_rows(connection, Run.id == run_id, _LISTED)
    if not rows:
        raise RunError(f"no run {run_id}: see `reeltop ls`")
    return rows[0]


def _input(row: Sequence[Any]) -> InputRow:
    role, source, name, which, status = row
    if status is None:  # its directory was gone when the store was made again
        return InputRow(role, source, "?", which, Status.FAILED)
    return InputRow(role, source, name, which, Status(status))


def _evaluation_row(row: Sequence[Any], levels: tuple[LevelScore, ...]) -> EvaluationRow:
    evaluation_id, time, step, epoch, split, fold, loss, f1_mean, checkpoint = row
    return EvaluationRow(
        evaluation_id, time, step, epoch, split, fold, loss, _nan(f1_mean), levels, checkpoint
    )


def _drawn(part: Rollup) -> SeriesPoint:
    return SeriesPoint(
        step=(part.first_step + part.last_step) // 2,
        time=(part.first_time + part.last_time) / 2,
        value=part.mean,
        min=part.min,
        max=part.max,
        count=part.count,
    )


def _nan(value: float | None) -> float:
    return listing.NAN if value is None else value
