"""Tables of runs: rows read in bulk, filtered and sorted by walking indexes."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, select
from sqlalchemy.orm import aliased

from engine.store import filters, models
from engine.store.models import Experiment, MetricSummary, Run, RunTag
from engine.store.runs import BEST_METRIC
from engine.store.views import Intent, LevelScore, Progress, RunPage, RunRow, Status

AnySelect = Select[*tuple[Any, ...]]
NAN = float("nan")
_LISTED = Run.deleted_at.is_(None)
_best, _sorted_by = aliased(MetricSummary), aliased(MetricSummary)
_COLUMNS = (
    Run.id,
    Run.name,
    Run.stage,
    Run.status,
    Run.intent,
    Experiment.name.label("experiment"),
    Run.created,
    Run.started,
    Run.ended,
    Run.waiting_for,
    Run.progress_done,
    Run.progress_total,
    Run.progress_unit,
    Run.heartbeat,
    Run.priority,
    Run.gpus,
    Run.attempt,
    Run.pid,
    Run.host,
    Run.devices,
    Run.exit_code,
    Run.error,
    Run.seed,
    Run.config_hash,
    Run.notes,
    Run.pinned,
    Run.directory,
    Run.pid_started,
    Run.records_offset,
    Run.reported_status,
    Run.reported_error,
    Run.best_evaluation,
    _best.max.label("f1_mean"),
)
_BEST_EVALUATION = len(_COLUMNS) - 2
_SORTABLE: dict[str, Any] = filters.COLUMNS | {"experiment": Experiment.name}
_TOTAL = select(func.count()).select_from(Run).where(_LISTED)
_SCORES = models.LevelScore
_LEVELS = (
    select(_SCORES.evaluation_id, _SCORES.level, _SCORES.f1_micro, _SCORES.f1_macro, _SCORES.accuracy)
    .where(_SCORES.evaluation_id.in_(bindparam("evaluations", expanding=True)))
    .order_by(_SCORES.evaluation_id, _SCORES.level)
)
_TAGS = (
    select(RunTag.run_id, RunTag.tag)
    .where(RunTag.run_id.in_(bindparam("runs", expanding=True)))
    .order_by(RunTag.run_id, RunTag.tag)
)


def page(connection: Connection, text: str, sort: str, limit: int, offset: int) -> RunPage:
    """A window of the runs that match the filter `text`, in the order of `sort`.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    terms = filters.parse(text)
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    keys = filters.KnownKeys(connection)
    matching = [_LISTED, *filters.criteria(terms, keys)]
    if name in _SORTABLE:
        listed = _by_column(name, descending).where(*matching).limit(limit).offset(offset)
        rows: Sequence[Sequence[Any]] = connection.execute(listed).all()
    else:
        value = filters.metric_value(name, keys)
        if value is None:
            raise filters.unknown_key(name, keys, 0, "sort")
        rows = _by_metric(connection, matching, value, descending, limit, offset)
    total = connection.execute(_TOTAL).scalar_one()
    if not terms:
        count = total
    elif len(rows) < limit and (rows or not offset):
        count = offset + len(rows)
    else:
        count = connection.execute(select(func.count()).select_from(Run).where(*matching)).scalar_one()
    return RunPage(_views(connection, rows), count, total)


def run_rows(
    connection: Connection, *matching: ColumnElement[bool], by_queue: bool = False
) -> tuple[RunRow, ...]:
    """All runs that meet the conditions, by id, or in the order of the queue."""
    order = (Run.priority.desc(), Run.id) if by_queue else (Run.id,)
    return _views(connection, connection.execute(_rows(Run).where(*matching).order_by(*order)).all())


def _rows(first: Any) -> AnySelect:
    """The columns of a row, read from `first` on: SQLite starts with the table it is given before outer joins."""
    start: AnySelect = select(*_COLUMNS).select_from(first)
    if first is not Run:
        start = start.join(Run, Run.id == first.run_id)
    return start.outerjoin(Experiment, Experiment.id == Run.experiment_id).outerjoin(
        _best, and_(_best.run_id == Run.id, _best.key == BEST_METRIC)
    )


@cache
def _by_column(name: str, descending: bool) -> AnySelect:
    column = _SORTABLE[name]
    order: list[Any] = [column.desc(), Run.id.desc()] if descending else [column, Run.id]
    if column.nullable or name == "experiment":
        order.insert(0, column.is_(None))
    return _rows(Run).order_by(*order)


@cache
def _along_metric(statistic: str, descending: bool) -> AnySelect:
    value = getattr(_sorted_by, statistic)
    order = (value.desc(), _sorted_by.run_id.desc()) if descending else (value, _sorted_by.run_id)
    return _rows(_sorted_by).where(*_has(statistic)).order_by(*order)


@cache
def _without_metric(statistic: str) -> AnySelect:
    has = exists().where(_sorted_by.run_id == Run.id, *_has(statistic)).correlate(Run)
    return _rows(Run).where(~has).order_by(Run.id.desc())


def _has(statistic: str) -> tuple[ColumnElement[bool], ...]:
    return (_sorted_by.key == bindparam("metric"), getattr(_sorted_by, statistic).is_not(None))


def _by_metric(
    connection: Connection,
    matching: list[ColumnElement[bool]],
    metric: filters.MetricValue,
    descending: bool,
    limit: int,
    offset: int,
) -> Sequence[Sequence[Any]]:
    """Runs that have the metric along its index, then the others, newest first."""
    named = {"metric": metric.key}
    scored = _along_metric(metric.statistic, descending).where(*matching)
    rows = connection.execute(scored.limit(limit).offset(offset), named).all()
    if len(rows) == limit:
        return rows
    skipped = 0
    if not rows and offset:
        number = select(func.count()).select_from(_sorted_by).join(Run, Run.id == _sorted_by.run_id)
        skipped = (
            offset - connection.execute(number.where(*_has(metric.statistic), *matching), named).scalar_one()
        )
    rest = _without_metric(metric.statistic).where(*matching)
    return [*rows, *connection.execute(rest.limit(limit - len(rows)).offset(skipped), named)]


def _views(connection: Connection, rows: Sequence[Sequence[Any]]) -> tuple[RunRow, ...]:
    tags: dict[int, list[str]] = defaultdict(list)
    levels: dict[int, list[LevelScore]] = defaultdict(list)
    if rows:
        for run_id, tag in connection.execute(_TAGS, {"runs": [row[0] for row in rows]}).all():
            tags[run_id].append(tag)
    if evaluations := [row[_BEST_EVALUATION] for row in rows if row[_BEST_EVALUATION] is not None]:
        for evaluation_id, *scores in connection.execute(_LEVELS, {"evaluations": evaluations}).all():
            levels[evaluation_id].append(level_view(scores))
    return tuple(
        _view(row, tuple(levels.get(row[_BEST_EVALUATION], ())), tuple(tags.get(row[0], ()))) for row in rows
    )


def _view(row: Sequence[Any], levels: tuple[LevelScore, ...], tags: tuple[str, ...]) -> RunRow:
    (
        run_id, name, stage, status, intent, experiment, created, started, ended, waiting_for, done, total, unit,
        heartbeat, priority, gpus, attempt, pid, host, devices, exit_code, error, seed, config_hash, notes, pinned,
        directory, pid_started, records_offset, reported_status, reported_error, _, f1_mean,
    ) = row  # fmt: skip
    return RunRow(
        id=run_id,
        name=name,
        stage=stage,
        status=Status(status),
        intent=Intent(intent),
        experiment=experiment,
        created=created,
        started=started,
        ended=ended,
        waiting_for=waiting_for,
        progress=None if done is None else Progress(done, total or 0, unit or ""),
        heartbeat=heartbeat,
        priority=priority,
        gpus=gpus,
        attempt=attempt,
        pid=pid,
        host=host,
        devices=devices,
        exit_code=exit_code,
        error=error,
        seed=seed,
        config_hash=config_hash,
        notes=notes,
        pinned=pinned,
        directory=directory,
        f1_mean=f1_mean,
        levels=levels,
        tags=tags,
        pid_started=pid_started,
        records_offset=records_offset,
        reported_status=reported_status,
        reported_error=reported_error,
    )


def level_view(scores: Sequence[Any]) -> LevelScore:
    """Level, micro F1, macro F1 and accuracy; what was not a number is none again."""
    level, *values = scores
    return LevelScore(level, *(NAN if value is None else value for value in values))
