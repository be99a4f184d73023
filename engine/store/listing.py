"""Tables of runs: rows read in bulk, filtered and sorted by walking indexes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, bindparam, exists, func, select
from sqlalchemy.orm import aliased

from engine.store import filters, models
from engine.store.criteria import COLUMNS, criteria
from engine.store.database import Store
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


def page(store: Store, text: str, sort: str, limit: int, offset: int) -> RunPage:
    """A window of the runs that match the filter `text`, in the order of `sort`.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    with store.connection() as connection:
        keys = filters.KnownKeys(connection)
        conditions = filters.resolve(filters.parse(text), keys)
        name = sort.removeprefix("-")
        metric = None if name in COLUMNS else filters.metric_value(name, keys)
        if metric is None and name not in COLUMNS:
            raise filters.unknown_key(name, keys, 0, "sort")
        plan = _planned(conditions, metric or name, sort.startswith("-"))
        rows = plan.rows(connection, limit, offset)
        total = store.remembered(connection, "total", lambda: connection.execute(_TOTAL).scalar_one())
        if not conditions:
            count = total
        elif len(rows) < limit and (rows or not offset):
            count = offset + len(rows)
        else:
            count = store.remembered(
                connection, conditions, lambda: connection.execute(plan.matching).scalar_one()
            )
        return RunPage(_views(connection, rows), count, total)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Statements of one filter and one order, kept so that they are put together and compiled once.

    `first` gives the runs that have what is sorted by; `rest` those that lack a metric, where one is sorted by.
    """

    first: AnySelect
    first_count: Select[int] | None
    rest: AnySelect | None
    matching: Select[int]

    def rows(self, connection: Connection, limit: int, offset: int) -> Sequence[Sequence[Any]]:
        rows = connection.execute(self.first, {"most": limit, "skipped": offset}).all()
        if self.rest is None or self.first_count is None or len(rows) == limit:
            return rows
        skipped = 0
        if offset and not rows:
            skipped = offset - connection.execute(self.first_count).scalar_one()
        rest = connection.execute(self.rest, {"most": limit - len(rows), "skipped": skipped})
        return [*rows, *rest.all()]


@lru_cache(maxsize=64)
def _planned(
    conditions: tuple[filters.Condition, ...], by: str | filters.MetricValue, descending: bool
) -> _Plan:
    meets = (_LISTED, *criteria(conditions))
    matching = select(func.count()).select_from(Run).where(*meets)
    if isinstance(by, str):
        column = COLUMNS[by]
        order: list[Any] = [column.desc(), Run.id.desc()] if descending else [column, Run.id]
        if column.nullable or by == "experiment":
            order.insert(0, column.is_(None))
        return _Plan(_paged(_rows(Run).where(*meets).order_by(*order)), None, None, matching)
    value = getattr(_sorted_by, by.statistic)
    has = (_sorted_by.key == by.key, value.is_not(None))
    along = (value.desc(), _sorted_by.run_id.desc()) if descending else (value, _sorted_by.run_id)
    counted = select(func.count()).select_from(_sorted_by).join(Run, Run.id == _sorted_by.run_id)
    lacks = ~exists().where(_sorted_by.run_id == Run.id, *has).correlate(Run)
    return _Plan(
        first=_paged(_rows(_sorted_by).where(*has, *meets).order_by(*along)),
        first_count=counted.where(*has, *meets),
        rest=_paged(_rows(Run).where(*meets, lacks).order_by(Run.id.desc())),
        matching=matching,
    )


def _paged(statement: AnySelect) -> AnySelect:
    return statement.limit(bindparam("most", type_=Integer)).offset(bindparam("skipped", type_=Integer))


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
