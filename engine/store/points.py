"""Series in the store: points appended, roll-ups and summaries kept true with them, any window read from few rows.

Buckets are written when they are complete and never change after: the rest of a series, at most 63 rows a level,
lies in the level below. Cutting a series back is therefore deleting, and appending touches the end of each level only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from msgspec.structs import asdict, replace
from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select, update

from engine.store.models import Metric, MetricBucket, MetricPoint, MetricSummary
from engine.store.rollups import FAN_OUT, Point, Rollup, merge, of_point, of_points, thin

SYSTEM_AXIS = "time"
STEP_AXIS = "step"
OVERSAMPLE = (
    16  # rows read for each point asked for: what lies between two levels is thinned here, not skipped
)
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1

_Item = TypeVar("_Item")
_SUMMARY_FIELDS = ("count", "last", "last_step", "min", "min_step", "max", "max_step")
_EMPTY = Rollup(0, 0, 0.0, 0.0, 0, 0, 0.0, None, None, None, None, None, None)
_OF = MetricPoint.metric_id == bindparam("of")
_AT = (MetricBucket.metric_id == bindparam("of"), MetricBucket.level == bindparam("at"))

_SUMMARIES = (
    select(Metric.id, Metric.key, *(getattr(MetricSummary, name) for name in _SUMMARY_FIELDS))
    .join(MetricSummary, MetricSummary.metric_id == Metric.id)
    .where(Metric.run_id == bindparam("run"))
)
_POINTS = (
    select(MetricPoint.step, MetricPoint.time, MetricPoint.value)
    .where(_OF, MetricPoint.step > bindparam("after"), MetricPoint.step <= bindparam("until"))
    .order_by(MetricPoint.step)
)
_BUCKETS = (
    select(*(getattr(MetricBucket, name) for name in Rollup.__struct_fields__))
    .where(*_AT, MetricBucket.first_step > bindparam("after"), MetricBucket.first_step <= bindparam("until"))
    .order_by(MetricBucket.first_step)
)
_BUCKET_AT = (
    select(MetricBucket.bucket, MetricBucket.first_step, MetricBucket.last_step)
    .where(*_AT, MetricBucket.first_step <= bindparam("step"))
    .order_by(MetricBucket.first_step.desc())
    .limit(1)
)
_TOP = select(func.max(MetricBucket.level)).where(MetricBucket.metric_id == bindparam("of"))
_CUT_POINTS = delete(MetricPoint).where(_OF, MetricPoint.step >= bindparam("cut"))
_CUT_BUCKETS = delete(MetricBucket).where(
    MetricBucket.metric_id == bindparam("of"), MetricBucket.last_step >= bindparam("cut")
)
_REPLACED = delete(MetricPoint).where(_OF, MetricPoint.step == bindparam("at_step"))
_ADD_METRIC = insert(Metric).returning(Metric.id, Metric.key)
_SET_SUMMARY = (
    update(MetricSummary)
    .where(MetricSummary.metric_id == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in _SUMMARY_FIELDS})
)


@dataclass
class NewPoints:
    """What one batch adds to a series, in the order it was reported."""

    axis: str = STEP_AXIS
    points: list[Point] = field(default_factory=list)


def append(connection: Connection, run_id: int, batch: Mapping[str, NewPoints]) -> None:
    """Add points to series of a run; a step reported again, or late, takes the place of its older value."""
    known = {row["key"]: row for row in connection.execute(_SUMMARIES, {"run": run_id}).mappings()}
    ids = {key: row["id"] for key, row in known.items()}
    if new := [key for key in batch if key not in known]:
        rows = [{"run_id": run_id, "key": key, "axis": batch[key].axis} for key in new]
        ids |= {row.key: row.id for row in connection.execute(_ADD_METRIC, rows)}
    points: list[dict[str, Any]] = []
    created: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    grown: list[tuple[int, Sequence[Point]]] = []
    late: list[tuple[int, Sequence[Point]]] = []
    for key, added in batch.items():
        metric_id, row, fresh = ids[key], known.get(key), _in_order(added.points)
        if row is not None and fresh[0][0] <= row["last_step"]:
            late.append((metric_id, fresh))
            continue
        points += _point_rows(metric_id, fresh)
        total = of_points(fresh)
        if row is None:
            created.append({"metric_id": metric_id, "run_id": run_id, "key": key, **_summary(total)})
        else:
            total = merge([_summed(row), total])
            changed.append(_new_summary(metric_id, total))
        if total.count // FAN_OUT > (row["count"] if row is not None else 0) // FAN_OUT:
            grown.append((metric_id, fresh))
    if points:
        connection.execute(insert(MetricPoint), points)
    if created:
        connection.execute(insert(MetricSummary), created)
    if changed:
        connection.execute(_SET_SUMMARY, changed)
    for metric_id, fresh in grown:
        _roll_up(connection, metric_id, fresh)
    for metric_id, fresh in late:
        _replace(connection, metric_id, fresh)


def cut_after(connection: Connection, run_id: int, step: int) -> None:
    """Drop what the run reported for steps later than `step`; series over time are kept."""
    touched = (
        select(Metric.id)
        .join(MetricSummary, MetricSummary.metric_id == Metric.id)
        .where(Metric.run_id == run_id, Metric.axis == STEP_AXIS, MetricSummary.last_step > step)
    )
    for metric_id in connection.scalars(touched).all():
        connection.execute(_CUT_POINTS, {"of": metric_id, "cut": step + 1})
        connection.execute(_CUT_BUCKETS, {"of": metric_id, "cut": step + 1})
        _sum_up(connection, metric_id)


def window(
    connection: Connection, metric_id: int, *, first_step: int | None, last_step: int | None, most: int
) -> list[Rollup]:
    """A series between two steps, both included, as about `most` groups, from at most some `16 x most` rows.

    Where groups are wider than a point, those at the edges may reach over them.
    """
    start = _LOWEST if first_step is None else first_step
    until = _HIGHEST if last_step is None else last_step
    low = connection.execute(_BUCKET_AT, {"of": metric_id, "at": 1, "step": start}).first()
    high = connection.execute(_BUCKET_AT, {"of": metric_id, "at": 1, "step": until}).first()
    inside = FAN_OUT
    if high is not None:
        inside += (high.bucket - (low.bucket if low is not None else 0) + 1) * FAN_OUT
    level = 0
    while inside > most * OVERSAMPLE:
        inside //= FAN_OUT
        level += 1
    return thin(_cover(connection, metric_id, level, start, until), most)


def _cover(connection: Connection, metric_id: int, level: int, start: int, until: int) -> list[Rollup]:
    """Groups of `level`, then of the levels below, then points, that hold every step from `start` to `until`."""
    parts: list[Rollup] = []
    after = start - 1 if start > _LOWEST else _LOWEST
    for at in range(level, 0, -1):
        begin = after
        if not parts:
            head = connection.execute(_BUCKET_AT, {"of": metric_id, "at": at, "step": start}).first()
            if head is not None and head.last_step >= start:
                begin = head.first_step - 1
        rows = connection.execute(_BUCKETS, {"of": metric_id, "at": at, "after": begin, "until": until})
        parts += [Rollup(*row) for row in rows]
        after = parts[-1].last_step if parts else after
    rows = connection.execute(_POINTS, {"of": metric_id, "after": after, "until": until})
    parts += [of_point((step, time, value)) for step, time, value in rows]
    return parts


def _replace(connection: Connection, metric_id: int, points: Sequence[Point]) -> None:
    connection.execute(_REPLACED, [{"of": metric_id, "at_step": step} for step, _, _ in points])
    connection.execute(insert(MetricPoint), _point_rows(metric_id, points))
    connection.execute(_CUT_BUCKETS, {"of": metric_id, "cut": points[0][0]})
    _roll_up(connection, metric_id, ())
    _sum_up(connection, metric_id)


def _roll_up(connection: Connection, metric_id: int, fresh: Sequence[Point]) -> None:
    """Write the buckets that the points after the last one complete; `fresh` are the newest, already at hand."""
    bucket, after = _last_bucket(connection, metric_id, 1)
    until = fresh[0][0] - 1 if fresh else _HIGHEST
    rows = connection.execute(_POINTS, {"of": metric_id, "after": after, "until": until})
    points: list[Point] = [(step, time, value) for step, time, value in rows]
    points += fresh
    complete = [of_points(group) for group in _groups(points)]
    level = 1
    while complete:
        _add_buckets(connection, metric_id, level, bucket + 1, complete)
        children = bucket + 1 + len(complete)
        level += 1
        bucket, after = _last_bucket(connection, metric_id, level)
        if children // FAN_OUT <= bucket + 1:
            return
        below = {"of": metric_id, "at": level - 1, "after": after, "until": _HIGHEST}
        complete = [
            merge(group) for group in _groups([Rollup(*row) for row in connection.execute(_BUCKETS, below)])
        ]


def _sum_up(connection: Connection, metric_id: int) -> None:
    """Make the summary anew; a series with no point left goes."""
    top = connection.scalar(_TOP, {"of": metric_id}) or 0
    parts = _cover(connection, metric_id, top, _LOWEST, _HIGHEST)
    if parts:
        connection.execute(_SET_SUMMARY, [_new_summary(metric_id, merge(parts))])
    else:
        connection.execute(delete(Metric).where(Metric.id == metric_id))


def _last_bucket(connection: Connection, metric_id: int, level: int) -> tuple[int, int]:
    row = connection.execute(_BUCKET_AT, {"of": metric_id, "at": level, "step": _HIGHEST}).first()
    return (-1, _LOWEST) if row is None else (row.bucket, row.last_step)


def _add_buckets(
    connection: Connection, metric_id: int, level: int, number: int, buckets: Sequence[Rollup]
) -> None:
    rows = [
        {"metric_id": metric_id, "level": level, "bucket": index, **asdict(bucket)}
        for index, bucket in enumerate(buckets, number)
    ]
    connection.execute(insert(MetricBucket), rows)


def _groups(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """Complete groups of 64; what is over waits for more."""
    return [items[start : start + FAN_OUT] for start in range(0, len(items) - FAN_OUT + 1, FAN_OUT)]


def _in_order(points: Sequence[Point]) -> Sequence[Point]:
    if all(one[0] < two[0] for one, two in pairwise(points)):
        return points
    latest = {point[0]: point for point in points}
    return [latest[step] for step in sorted(latest)]


def _point_rows(metric_id: int, points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {"metric_id": metric_id, "step": step, "time": time, "value": value} for step, time, value in points
    ]


def _summary(total: Rollup) -> dict[str, Any]:
    return {name: getattr(total, name) for name in _SUMMARY_FIELDS}


def _new_summary(metric_id: int, total: Rollup) -> dict[str, Any]:
    return {"of": metric_id} | {f"new_{name}": getattr(total, name) for name in _SUMMARY_FIELDS}


def _summed(row: RowMapping) -> Rollup:
    """A summary as a group: what it does not keep is not asked of the sum either."""
    return replace(_EMPTY, **{name: row[name] for name in _SUMMARY_FIELDS})
