"""The table of runs with any columns, flat or in groups; however many runs, a window of it is what is read."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute

from engine.store import listing
from engine.store.criteria import COLUMNS
from engine.store.database import CHANGES, Store
from engine.store.derived import DURATION, AnySelect, level_of, level_scores
from engine.store.filters import (
    RUN_KEYS,
    KnownKeys,
    MetricValue,
    less_is_better,
    metric_value,
    param_value,
    unknown_key,
)
from engine.store.models import Experiment, MetricSummary, Run, RunParam, RunTag
from engine.store.table_views import Folding, GroupRow, Line, TablePage, Value

_CHUNK = 500
_NO_VALUE = "\0none"
_NONE: tuple[Value, ...] = (None,)
_CLOSED = Folding()
_RUNS: Any = bindparam("runs", expanding=True)


def run_table(
    store: Store,
    text: str,
    sort: str,
    columns: Sequence[str],
    *,
    group: str = "",
    folding: Folding = _CLOSED,
    limit: int,
    offset: int,
    max_age: float = 0.0,
) -> TablePage:
    """A window of the runs that match the filter `text`, with the values of `columns` for each.

    With `group`, lines are groups and, below those that are open, their runs; a group comes where its first run in the
    order of `sort` would. A run with several tags is in the group of each. Columns that no run has are empty.
    Groups need all matching runs to be read: where the store has changed, those read in the last `max_age` seconds do.

    Raises:
        FilterError: the filter, the order or the grouping cannot be understood.
    """
    if not group:
        page = listing.page(store, text, sort, limit, offset)
        with store.connection() as connection:
            cells = cells_of(connection, [run.id for run in page.runs], columns)
        return TablePage(page.runs, page.matching, page.matching, page.total, cells)
    with store.connection() as connection:
        layout = _recent(store, connection, (text, sort, group), max_age)
        places, length = layout.window(folding, offset, limit)
        ids = [place for place in places if isinstance(place, int)]
        rows = {run.id: run for run in listing.rows_of(connection, list(dict.fromkeys(ids)))}
        lines: tuple[Line, ...] = tuple(rows[place] if isinstance(place, int) else place for place in places)
        return TablePage(
            lines,
            length,
            layout.matching,
            listing.total_of(store, connection),
            cells_of(connection, list(rows), columns),
            len(layout.groups),
            layout.score,
        )


def matching_ids(store: Store, text: str, sort: str) -> tuple[int, ...]:
    """Every run that the table shows, in its order.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    with store.connection() as connection:
        return tuple(listing.ordered_ids(store, connection, text, sort))


def require_columns(store: Store, columns: Sequence[str]) -> None:
    """Refuse columns that would stay empty because no run has such a key.

    Raises:
        FilterError: naming the first of them.
    """
    with store.connection() as connection:
        keys = KnownKeys(connection)
        for column in columns:
            if _query(column, keys) is None:
                raise unknown_key(column, keys, 0, "columns")


def cells_of(
    connection: Connection, run_ids: Sequence[int], columns: Sequence[str]
) -> dict[int, dict[str, Value]]:
    """For each run the values of `columns`; a key is left out where the run, or every run, lacks it."""
    cells: dict[int, dict[str, Value]] = {run_id: {} for run_id in run_ids}
    if not run_ids:
        return cells
    keys = KnownKeys(connection)
    for column in columns:
        for run_id, value in _values(connection, column, keys, run_ids).items():
            cells[run_id][column] = value
    return cells


def values_of_all(connection: Connection, name: str) -> dict[int, Value]:
    """The value of a key for every listed run that has it.

    Raises:
        FilterError: there is no such key.
    """
    keys = KnownKeys(connection)
    if not _is_known(name, keys):
        raise unknown_key(name, keys, 0, "group")
    return _values(connection, name, keys, None)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Groups in the order of their first runs."""

    groups: tuple[GroupRow, ...]
    matching: int
    score: str

    def window(self, folding: Folding, offset: int, limit: int) -> tuple[list[int | GroupRow], int]:
        """What stands on the lines from `offset` on: runs by id, and groups; and how many lines there are in all."""
        places: list[int | GroupRow] = []
        at = 0
        for group in self.groups:
            is_open = folding.is_open(group.key)
            if offset <= at < offset + limit:
                places.append(_opened(group) if is_open else group)
            at += 1
            if not is_open:
                continue
            first, last = max(0, offset - at), min(group.count, offset + limit - at)
            places.extend(group.run_ids[first:last] if last > first else ())
            at += group.count
        return places, at


_LAYOUTS: "WeakKeyDictionary[Store, tuple[tuple[str, str, str], int, float, _Layout]]" = WeakKeyDictionary()


def _recent(store: Store, connection: Connection, wanted: tuple[str, str, str], max_age: float) -> _Layout:
    """The groups that were put together last, where they are the wanted ones and new enough; else put together now."""
    changes = connection.execute(CHANGES).scalar_one()
    kept = _LAYOUTS.get(store)
    if (
        kept is not None
        and kept[0] == wanted
        and (kept[1] == changes or time.monotonic() - kept[2] < max_age)
    ):
        return kept[3]
    layout = _layout(store, connection, *wanted)
    _LAYOUTS[store] = (wanted, changes, time.monotonic(), layout)
    return layout


def _opened(group: GroupRow) -> GroupRow:
    return GroupRow(group.key, group.value, group.count, group.mean, group.best, True, group.run_ids)


def _layout(store: Store, connection: Connection, text: str, sort: str, group: str) -> _Layout:
    ids = listing.ordered_ids(store, connection, text, sort)
    keys = KnownKeys(connection)
    score = sort.removeprefix("-")
    scores = _values(connection, score, keys, None) if _is_measured(score, keys) else {}
    if not scores:
        score = "f1_mean"
        scores = _values(connection, score, keys, None)
    best = min if less_is_better(score.removesuffix(".best")) or score == "duration" else max
    of_runs = _all_tags(connection) if group == "tag" else _single(values_of_all(connection, group))
    members: dict[str, list[int]] = defaultdict(list)
    labels: dict[str, Value] = {}
    for run_id in ids:
        for value in of_runs.get(run_id, _NONE):
            label = _day(value) if isinstance(value, datetime) else value
            key = _NO_VALUE if label is None else str(label)
            if key not in labels:
                labels[key] = label
            members[key].append(run_id)
    groups = []
    for key, run_ids in members.items():
        known = [float(value) for run_id in run_ids if isinstance(value := scores.get(run_id), int | float)]
        groups.append(
            GroupRow(
                key=key,
                value=labels[key],
                count=len(run_ids),
                mean=sum(known) / len(known) if known else None,
                best=best(known) if known else None,
                open=False,
                run_ids=tuple(run_ids),
            )
        )
    return _Layout(tuple(groups), len(ids), score)


def _is_known(name: str, keys: KnownKeys) -> bool:
    return name in RUN_KEYS or _is_measured(name, keys) or param_value(name, keys) is not None


def _is_measured(name: str, keys: KnownKeys) -> bool:
    return name == "duration" or level_of(name) is not None or metric_value(name, keys) is not None


def _values(
    connection: Connection, name: str, keys: KnownKeys, run_ids: Sequence[int] | None
) -> dict[int, Value]:
    """The key's value for each of the runs that has one; of all runs for None."""
    query = _query(name, keys)
    if query is None:
        return {}
    statement, of_run = query
    if run_ids is None:
        rows: Iterable[Any] = connection.execute(statement)
    else:
        some = statement.where(of_run.in_(_RUNS))
        rows = [
            row
            for start in range(0, len(run_ids), _CHUNK)
            for row in connection.execute(some, {"runs": run_ids[start : start + _CHUNK]})
        ]
    if name == "tag":
        return {run_id: " ".join(tags) for run_id, tags in _listed(rows).items()}
    if statement.exported_columns.keys()[2:]:  # a setting: its number where it is one, else its text
        return {row[0]: row[2] if row[1] is None else row[1] for row in rows}
    return {row[0]: row[1] for row in rows if row[1] is not None}


def _listed(rows: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for run_id, word in rows:
        found[run_id].append(word)
    return found


def _query(name: str, keys: KnownKeys) -> tuple[AnySelect, InstrumentedAttribute[int]] | None:
    """Run and value, for what `name` means; and the column of runs to narrow it by."""
    if name == "tag":
        return select(RunTag.run_id, RunTag.tag).order_by(RunTag.run_id, RunTag.tag), RunTag.run_id
    if name == "experiment":
        return select(Run.id, Experiment.name).join(Experiment, Experiment.id == Run.experiment_id), Run.id
    if name == "duration":
        return select(Run.id, DURATION).where(Run.started.is_not(None)), Run.id
    if name in COLUMNS:
        return select(Run.id, COLUMNS[name]), Run.id
    scores = level_scores(name)
    if scores is not None:
        return scores, Run.id
    metric = metric_value(name, keys)
    if isinstance(metric, MetricValue):
        value = getattr(MetricSummary, metric.statistic)
        return select(MetricSummary.run_id, value).where(
            MetricSummary.key == metric.key
        ), MetricSummary.run_id
    param = param_value(name, keys)
    if param is None:
        return None
    both = select(RunParam.run_id, RunParam.number, RunParam.text)
    return both.where(RunParam.key == param.key, RunParam.text != "null"), RunParam.run_id


def _single(values: dict[int, Value]) -> dict[int, tuple[Value, ...]]:
    return {run_id: (value,) for run_id, value in values.items()}


def _all_tags(connection: Connection) -> dict[int, tuple[Value, ...]]:
    rows = connection.execute(select(RunTag.run_id, RunTag.tag).order_by(RunTag.tag))
    return {run_id: tuple(tags) for run_id, tags in _listed(rows).items()}


def _day(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d")
