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
from engine.store.derived import DURATION, level_of, order_by_level, order_by_param, order_by_tag
from engine.store.models import Experiment, MetricSummary, Run, RunTag
from engine.store.runs import BEST_METRIC
from engine.store.views import Intent, LevelScore, Progress, RunPage, RunRow, Status

AnySelect = Select[*tuple[Any, ...]]
NAN = float("nan")
_STATUS = {status.value: status for status in Status}
_INTENT = {intent.value: intent for intent in Intent}
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
    Run.held,
    Run.best_evaluation,
    _best.max.label("f1_mean"),
)
_ROWS: AnySelect = (
    select(*_COLUMNS)
    .select_from(Run)
    .outerjoin(Experiment, Experiment.id == Run.experiment_id)
    .outerjoin(_best, and_(_best.run_id == Run.id, _best.key == BEST_METRIC))
    .where(Run.id.in_(bindparam("runs", expanding=True)))
)
_MOST = 2**31 - 1
_CHUNK = 500  # runs in one question: databases limit the parameters of a statement
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
        notes = store.notebook(connection)
        plan = _plan(store, connection, text, sort)
        ids = plan.ids(connection, limit, offset)
        total = total_of(store, connection)
        if (count := notes.get(("matching", text))) is None:
            if len(ids) < limit and (ids or not offset):
                count = offset + len(ids)
            else:
                count = connection.execute(plan.matching).scalar_one() if text.strip() else total
            notes["matching", text] = count
        return RunPage(rows_of(connection, ids), count, total)


def ordered_ids(store: Store, connection: Connection, text: str, sort: str) -> Sequence[int]:
    """Every run that matches, in order.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    return _plan(store, connection, text, sort).ids(connection, _MOST, 0)


def total_of(store: Store, connection: Connection) -> int:
    """How many runs are listed at all."""
    notes = store.notebook(connection)
    if (total := notes.get("total")) is None:
        total = notes["total"] = connection.execute(_TOTAL).scalar_one()
    return int(total)


def _plan(store: Store, connection: Connection, text: str, sort: str) -> "_Plan":
    notes = store.notebook(connection)
    plan: _Plan | None = notes.get((text, sort))
    if plan is None:
        plan = notes[text, sort] = _planned(*_understood(connection, text, sort))
    return plan


def _understood(
    connection: Connection, text: str, sort: str
) -> tuple[tuple[filters.Condition, ...], str | filters.MetricValue | filters.ParamValue, bool]:
    keys = filters.KnownKeys(connection)
    conditions = filters.resolve(filters.parse(text), keys)
    name = sort.removeprefix("-")
    name = filters.SHOWN_AS.get(name, name)
    own = name in COLUMNS or name in ("tag", "duration") or level_of(name) is not None
    by = name if own else filters.metric_value(name, keys) or filters.param_value(name, keys)
    if by is None:
        raise filters.unknown_key(name, keys, 0, "sort")
    return conditions, by, sort.startswith("-")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Statements of one filter and one order, kept so that they are put together and compiled once.

    `first` gives the runs that have what is sorted by; `rest` those that lack a metric, where one is sorted by.
    """

    first: Select[int]
    first_count: Select[int] | None
    rest: Select[int] | None
    matching: Select[int]

    def ids(self, connection: Connection, limit: int, offset: int) -> Sequence[int]:
        """The window of runs, in order."""
        ids = connection.scalars(self.first, {"most": limit, "skipped": offset}).all()
        if self.rest is None or self.first_count is None or len(ids) == limit:
            return ids
        skipped = 0
        if offset and not ids:
            skipped = offset - connection.execute(self.first_count).scalar_one()
        rest = connection.scalars(self.rest, {"most": limit - len(ids), "skipped": skipped})
        return [*ids, *rest.all()]


@lru_cache(maxsize=64)
def _planned(
    conditions: tuple[filters.Condition, ...],
    by: str | filters.MetricValue | filters.ParamValue,
    descending: bool,
) -> _Plan:
    meets = (_LISTED, *criteria(conditions))
    matching = select(func.count()).select_from(Run).where(*meets)
    derived = _derived(by, descending)
    if derived is not None:
        chosen, order = derived
        return _Plan(_paged(chosen.where(*meets).order_by(*order)), None, None, matching)
    if isinstance(by, str):
        column = COLUMNS[by]
        order = [column.desc(), Run.id.desc()] if descending else [column, Run.id]
        if column.nullable or by == "experiment":
            order.insert(0, column.is_(None))
        named = select(Run.id).outerjoin(Experiment, Experiment.id == Run.experiment_id)
        chosen = named if by == "experiment" else select(Run.id)
        return _Plan(_paged(chosen.where(*meets).order_by(*order)), None, None, matching)
    assert isinstance(by, filters.MetricValue)
    value = getattr(_sorted_by, by.statistic)
    has = (_sorted_by.key == by.key, value.is_not(None))
    along = (value.desc(), _sorted_by.run_id.desc()) if descending else (value, _sorted_by.run_id)
    scored = select(_sorted_by.run_id).join(Run, Run.id == _sorted_by.run_id).where(*has, *meets)
    lacks = ~exists().where(_sorted_by.run_id == Run.id, *has).correlate(Run)
    return _Plan(
        first=_paged(scored.order_by(*along)),
        first_count=select(func.count()).select_from(scored.subquery()),
        rest=_paged(select(Run.id).where(*meets, lacks).order_by(Run.id.desc())),
        matching=matching,
    )


def _derived(
    by: str | filters.MetricValue | filters.ParamValue, descending: bool
) -> tuple[Select[int], list[Any]] | None:
    """Runs and their order by what no column of theirs holds."""
    if isinstance(by, filters.ParamValue):
        return order_by_param(by.key, descending=descending)
    if by == "tag":
        return order_by_tag(descending=descending)
    if by == "duration":
        along = [DURATION.desc(), Run.id.desc()] if descending else [DURATION, Run.id]
        return select(Run.id), [Run.started.is_(None), *along]
    return order_by_level(by, descending=descending) if isinstance(by, str) else None


def _paged(statement: Select[int]) -> Select[int]:
    return statement.limit(bindparam("most", type_=Integer)).offset(bindparam("skipped", type_=Integer))


def run_rows(
    connection: Connection, *matching: ColumnElement[bool], by_queue: bool = False, limit: int | None = None
) -> tuple[RunRow, ...]:
    """Runs that meet the conditions, by id, or in the order of the queue; at most the first `limit` of them."""
    order = (Run.priority.desc(), Run.id) if by_queue else (Run.id,)
    ids = select(Run.id).where(*matching).order_by(*order).limit(limit)
    return rows_of(connection, connection.scalars(ids).all())


def rows_of(connection: Connection, ids: Sequence[int]) -> tuple[RunRow, ...]:
    """Rows of runs known by id: read after the sorting, which then moves ids alone."""
    views: list[RunRow] = []
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        rows = {row[0]: row for row in connection.execute(_ROWS, {"runs": some}).all()}
        tags: dict[int, list[str]] = defaultdict(list)
        for run_id, tag in connection.execute(_TAGS, {"runs": some}).all():
            tags[run_id].append(tag)
        best = [row[_BEST_EVALUATION] for row in rows.values() if row[_BEST_EVALUATION] is not None]
        levels: dict[int, list[LevelScore]] = defaultdict(list)
        if best:
            for evaluation_id, *scores in connection.execute(_LEVELS, {"evaluations": best}).all():
                levels[evaluation_id].append(level_view(scores))
        for run_id in some:
            row = rows[run_id]
            of_best = levels.get(row[_BEST_EVALUATION], ())
            views.append(_view(row, tuple(of_best), tuple(tags.get(run_id, ()))))
    return tuple(views)


def _view(row: Sequence[Any], levels: tuple[LevelScore, ...], tags: tuple[str, ...]) -> RunRow:
    (
        run_id, name, stage, status, intent, experiment, created, started, ended, waiting_for, done, total, unit,
        heartbeat, priority, gpus, attempt, pid, host, devices, exit_code, error, seed, config_hash, notes, pinned,
        directory, pid_started, records_offset, reported_status, reported_error, held, _, f1_mean,
    ) = row  # fmt: skip
    return RunRow(
        id=run_id,
        name=name,
        stage=stage,
        status=_STATUS[status],
        intent=_INTENT[intent],
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
        held=held,
    )


def level_view(scores: Sequence[Any]) -> LevelScore:
    """Level, micro F1, macro F1 and accuracy; what was not a number is none again."""
    level, *values = scores
    return LevelScore(level, *(NAN if value is None else value for value in values))
