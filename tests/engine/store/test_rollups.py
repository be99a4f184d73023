"""Roll-ups say of any series what its points say, however they arrived, and a chart of it loses no spike."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select
from store_helpers import add, metrics, take_in

from engine.records import AnyRecord, Resumed
from engine.store.database import Store
from engine.store.models import MetricBucket, MetricPoint
from engine.store.points import OVERSAMPLE
from engine.store.queries import metric_summaries, series
from engine.store.rollups import Rollup, merge, of_point, of_points, thin

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf]))


def naive(points: Sequence[tuple[int, float, float | None]]) -> Rollup:
    """The definition, read slowly."""
    values = [(value, step) for step, _, value in points if value is not None]
    finite = [value for value, _ in values if math.isfinite(value)]
    low = min(values, default=(None, None), key=lambda pair: (pair[0], pair[1]))
    high = max(values, default=(None, None), key=lambda pair: (pair[0], -(pair[1] or 0)))
    (first_step, first_time, first), (last_step, last_time, last) = points[0], points[-1]
    return Rollup(
        *(first_step, last_step, first_time, last_time, len(points), len(finite), math.fsum(finite)),
        *(*low, *high, first, last),
    )


def same(one: Rollup, two: Rollup) -> None:
    for name in Rollup.__struct_fields__:
        mine, other = getattr(one, name), getattr(two, name)
        assert mine == (pytest.approx(other, rel=1e-9, abs=1e-6) if name == "sum" else other), name


def buckets(store: Store) -> dict[tuple[int, int], Rollup]:
    columns = [getattr(MetricBucket, name) for name in Rollup.__struct_fields__]
    with store.connection() as connection:
        rows = connection.execute(select(MetricBucket.level, MetricBucket.bucket, *columns))
        return {(level, bucket): Rollup(*rest) for level, bucket, *rest in rows}


def points(store: Store) -> list[tuple[int, float, float | None]]:
    query = select(MetricPoint.step, MetricPoint.time, MetricPoint.value).order_by(MetricPoint.step)
    with store.connection() as connection:
        return [(step, time, value) for step, time, value in connection.execute(query)]


def check_against_points(store: Store, run_id: int) -> None:
    """Every complete group of 64, 4,096, ... points has its bucket, and nothing else has one."""
    held, rolled = points(store), buckets(store)
    expected = {
        (level, number): held[number * 64**level : (number + 1) * 64**level]
        for level in range(1, 5)
        for number in range(len(held) // 64**level)
    }
    assert rolled.keys() == expected.keys()
    for place, bucket in rolled.items():
        same(bucket, naive(expected[place]))
    summaries = metric_summaries(store, run_id)
    assert bool(summaries) == bool(held)
    for summary in summaries:
        whole = naive(held)
        assert (summary.count, summary.last, summary.last_step) == (whole.count, whole.last, whole.last_step)
        assert (summary.min, summary.min_step) == (whole.min, whole.min_step)
        assert (summary.max, summary.max_step) == (whole.max, whole.max_step)


@given(st.lists(VALUES, min_size=1, max_size=300), st.integers(1, 40))
def test_a_group_made_of_groups_is_the_group_of_their_points(values: list[float], size: int) -> None:
    held = [(step * 3, step / 2, None if math.isnan(value) else value) for step, value in enumerate(values)]
    parts = [of_points(held[start : start + size]) for start in range(0, len(held), size)]
    same(merge(parts), naive(held))
    same(of_points(held), naive(held))
    same(merge([of_point(point) for point in held]), naive(held))


@given(st.integers(1, 2000), st.integers(1, 500))
def test_thinning_keeps_every_point_in_about_the_number_asked_for(count: int, most: int) -> None:
    parts = thin([of_point((step, 0.0, float(step))) for step in range(count)], most)
    assert sum(part.count for part in parts) == count
    assert min(count, most) / 2 <= len(parts) <= most + 1
    assert (parts[0].min, parts[-1].max) == (0.0, count - 1.0)


BATCHES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 200)),
        st.tuples(st.just("again"), st.integers(0, 400)),
        st.tuples(st.just("resume"), st.integers(-1, 400)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES, st.randoms(use_true_random=False))
def test_however_points_arrive_the_roll_ups_are_those_of_the_points(store: Store, batches, random) -> None:
    run_id = add(store)
    with store.write() as session:
        session.query(MetricPoint).delete()
        session.query(MetricBucket).delete()
    step = 0
    for kind, number in batches:
        values = [random.choice([random.random(), math.nan, math.inf, -1.0]) for _ in range(number)]
        if kind == "append":
            take_in(store, run_id, metrics(range(step, step + number), values))
            step += number
        elif kind == "again":
            start = random.randint(0, step)
            take_in(store, run_id, metrics([start, start + 2, start + 1], [0.25, 0.5, -7.0]))
            step = max(step, start + 3)
        else:
            take_in(store, run_id, [Resumed(time=1.0, step=number, attempt=2)])
            step = min(step, number + 1)
        check_against_points(store, run_id)


def test_a_long_series_has_buckets_of_every_level_and_appending_rewrites_none(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics(range(8_000), [math.sin(step) for step in range(8_000)]))
    before = buckets(store)
    take_in(store, run_id, metrics(range(8_000, 8_300), [0.0] * 300))
    check_against_points(store, run_id)
    assert sorted({level for level, _ in before}) == [1, 2]
    assert all(buckets(store)[place] == bucket for place, bucket in before.items())


def long_series(store: Store, count: int) -> int:
    """A flat series with one spike up and one down in its middle, the newest value far from the rest."""
    run_id = add(store)
    values = [0.0] * count
    values[count // 2], values[count // 2 + 1], values[-1] = 99.0, -99.0, 5.0
    for start in range(0, count, 10_000):
        steps = range(start, min(count, start + 10_000))
        take_in(store, run_id, metrics(steps, values[start : steps.stop]))
    return run_id


@pytest.mark.parametrize("count", [399, 401, 6_401, 110_000])
def test_a_chart_of_any_length_has_its_columns_its_spikes_and_its_end(store: Store, count: int) -> None:
    drawn = series(store, long_series(store, count), "train/loss", max_points=400)
    assert drawn.count == count
    assert sum(point.count for point in drawn.points) == count
    assert min(count, 90) <= len(drawn.points) <= 401
    assert max(point.max for point in drawn.points if point.max is not None) == 99.0
    assert min(point.min for point in drawn.points if point.min is not None) == -99.0
    assert drawn.points[-1].max == 5.0
    steps = [point.step for point in drawn.points]
    assert steps == sorted(steps)


def test_any_window_reads_a_bounded_number_of_rows(store: Store) -> None:
    run_id = long_series(store, 100_000)
    fetched = 0

    def count_rows(*call: Any) -> None:
        nonlocal fetched
        if "metric_point" in call[2] or "metric_bucket" in call[2]:
            fetched += rows_given(store, call[2], call[3])

    event.listen(store._reader, "after_cursor_execute", count_rows)
    windows = [
        (None, None),
        (0, 99_999),
        (100, 250),
        (40_000, 41_000),
        (70_000, None),
        (99_990, 200_000),
        (3, 9_000),
    ]
    for first, last in windows:
        fetched = 0
        drawn = series(store, run_id, "train/loss", max_points=100, first_step=first, last_step=last)
        assert 0 < fetched <= 100 * OVERSAMPLE + 3 * 64
        inside = len(range(first or 0, min(99_999, 99_999 if last is None else last) + 1))
        covered = sum(point.count for point in drawn.points)
        assert inside <= covered <= inside + 2 * 4_096
        assert len(drawn.points) <= 101
    event.remove(store._reader, "after_cursor_execute", count_rows)


def rows_given(store: Store, statement: str, parameters: object) -> int:
    """Rows that a statement gives."""
    connection = store._reader.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"SELECT count(*) FROM ({statement}) AS given", parameters)
        return int(cursor.fetchone()[0])
    finally:
        connection.close()


def test_a_narrow_window_has_exactly_its_points(store: Store) -> None:
    run_id = long_series(store, 20_000)
    drawn = series(store, run_id, "train/loss", first_step=9_990, last_step=10_010)
    assert [point.step for point in drawn.points] == list(range(9_990, 10_011))
    assert series(store, run_id, "train/loss", first_step=30_000).points == ()


def test_a_gap_is_drawn_as_one_and_a_mean_leaves_infinities_out(store: Store) -> None:
    run_id = add(store)
    records: list[AnyRecord] = metrics(range(4), [1.0, math.nan, math.inf, 3.0])
    take_in(store, run_id, records)
    assert [point.value for point in series(store, run_id, "train/loss").points] == [1.0, None, math.inf, 3.0]
    [whole] = series(store, run_id, "train/loss", max_points=1).points
    assert (whole.value, whole.min, whole.max, whole.count) == (2.0, 1.0, math.inf, 4)


def test_a_series_that_is_not_there_is_empty(store: Store) -> None:
    drawn = series(store, add(store), "nothing")
    assert (drawn.points, drawn.count) == ((), 0)


def test_short_series_have_no_buckets(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics(range(63), [1.0] * 63))
    with store.connection() as connection:
        assert connection.scalar(select(func.count()).select_from(MetricBucket)) == 0
