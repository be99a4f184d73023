"""What charts draw, without a screen: axes, spikes, gaps, smoothing, windows and the point under the crosshair."""

import math

import pytest

from app.tui import curves
from app.tui.curves import Clock, Look
from engine.store.views import SeriesPoint

CLOCK = Clock(origin=1000.0, epochs_per_step=0.01)


def points(*values: float | None, step: int = 10) -> list[SeriesPoint]:
    """One every `step` steps and every two seconds."""
    return [
        SeriesPoint(step=n * step, time=1000.0 + 2 * n, value=value, min=value, max=value)
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("axis", "xs"),
    [("step", [0, 10, 20]), ("epoch", [0, 0.1, 0.2]), ("relative", [0, 2, 4]), ("time", [1000, 1002, 1004])],
)
def test_a_point_lies_where_the_axis_says(axis: str, xs: list[float]) -> None:
    unit = CLOCK.unit(axis, over_time=False)
    assert [x for x, _ in curves.coordinates(points(1.0, 2.0, 3.0), CLOCK, unit)] == pytest.approx(xs)


def test_an_axis_that_a_series_does_not_have_is_replaced() -> None:
    assert CLOCK.unit("step", over_time=True) == "relative"
    assert CLOCK.unit("time", over_time=True) == "time"
    assert Clock().unit("epoch", over_time=False) == "step"


def test_a_bucket_keeps_its_spike_and_what_is_no_number_is_a_gap() -> None:
    bucket = SeriesPoint(step=5, time=0.0, value=1.0, min=0.5, max=99.0, count=64)
    assert curves.coordinates([bucket], CLOCK, "step") == [(5, 0.5), (5, 99.0), (5, 1.0)]
    gaps = curves.coordinates(points(1.0, None, math.inf, -math.inf, 2.0), CLOCK, "step")
    assert [y for _, y in gaps] == [1.0, None, None, None, 2.0]
    assert curves.coordinates(points(1.7e308), CLOCK, "step") == [(0, curves.LARGEST)]


def test_smoothing_keeps_a_constant_and_calms_a_jump() -> None:
    flat = curves.smoothed(points(3.0, 3.0, 3.0), CLOCK, "step", 0.9, 20)
    assert [y for _, y in flat] == pytest.approx([3.0, 3.0, 3.0])
    jump = curves.smoothed(points(*[0.0] * 50, *[1.0] * 50), CLOCK, "step", 0.9, 990)
    ys = [y for _, y in jump if y is not None]
    assert ys[49] == pytest.approx(0.0)
    assert 0.05 < ys[50] < 0.2
    assert 0.9 < ys[-1] < 1.0


def test_smoothing_looks_the_same_however_many_points_are_drawn() -> None:
    fine = curves.smoothed(points(*[0.0] * 500, *[1.0] * 500, step=1), CLOCK, "step", 0.97, 1000)
    coarse = curves.smoothed(points(*[0.0] * 50, *[1.0] * 50), CLOCK, "step", 0.97, 1000)
    at = dict(coarse)
    assert dict(fine)[600.0] == pytest.approx(at[600.0], abs=0.05)


def test_smoothing_leaves_gaps_and_survives_the_largest_values() -> None:
    line = curves.smoothed(points(1.0, None, math.inf, 1.7e308, 1.7e308), CLOCK, "step", 0.99, 40)
    assert [y is None for _, y in line] == [False, True, True, False, False]
    assert all(math.isfinite(y) for _, y in line if y is not None)


def test_a_logarithmic_axis_has_gaps_where_there_is_no_logarithm() -> None:
    line = curves.scaled([(0, 100.0), (1, 0.0), (2, -1.0), (3, None), (4, 5e-324)], log_y=True)
    assert [y for _, y in line[:4]] == [2.0, None, None, None]
    assert line[4][1] == pytest.approx(-323.3, abs=0.1)


@pytest.mark.parametrize(
    ("axis", "window"),
    [("step", (100.0, 200.0)), ("epoch", (1.0, 2.0)), ("relative", (20.0, 40.0)), ("time", (1020.0, 1040.0))],
)
def test_a_window_of_any_axis_is_one_of_steps(axis: str, window: tuple[float, float]) -> None:
    series = points(*[float(n) for n in range(50)])
    first, last = curves.steps_of(window, series, CLOCK, axis, over_time=False)
    assert 90 <= first <= 100
    assert 200 <= last <= 210


def test_a_window_of_a_series_over_time_is_one_of_seconds() -> None:
    assert curves.steps_of((10.0, 30.0), [], CLOCK, "relative", over_time=True) == (1009, 1031)
    assert curves.steps_of((1010.0, 1030.0), [], CLOCK, "time", over_time=True) == (1009, 1031)


def test_finer_points_join_what_lies_beside_them() -> None:
    whole, part = points(0.0, 1.0, 2.0, 3.0, 4.0), points(0.0, 0.5, 1.0, step=1)
    inside = [SeriesPoint(step=15, time=0.0, value=1.5, min=None, max=None)]
    assert [point.step for point in curves.joined(whole, inside)] == [10, 15, 20]
    assert [point.step for point in curves.joined(whole, part)] == [0, 1, 2, 10]
    assert curves.joined(whole, []) == whole


def test_a_window_stays_inside_the_series_and_has_a_smallest_width() -> None:
    assert curves.within((-50.0, 50.0), (0.0, 1000.0)) == (0.0, 100.0)
    assert curves.within((950.0, 1050.0), (0.0, 1000.0)) == (900.0, 1000.0)
    assert curves.within((-10.0, 2000.0), (0.0, 1000.0)) is None
    assert curves.within((5.0, 5.0), (0.0, 1000.0)) is None
    low, high = curves.within((5.0, 5.0 + 1e-15), (0.0, 1000.0)) or (0.0, 0.0)
    assert high > low


def test_the_nearest_point_is_found_on_any_axis() -> None:
    series = points(1.0, 2.0, 3.0)
    found = curves.nearest(series, CLOCK, "relative", 3.2)
    assert found is not None
    assert found.value == 3.0
    assert curves.nearest([], CLOCK, "step", 0.0) is None


def test_limits_leave_room_and_are_never_empty() -> None:
    assert curves.limits([0.0, 100.0], 0.04) == (-4.0, 104.0)
    assert curves.limits([2.0], 0.0) == (1.9, 2.1)
    assert curves.limits([0.0, 0.0], 0.0) == (-0.5, 0.5)
    low, high = curves.limits([-1e300, 1e300], 0.04)
    assert math.isfinite(low)
    assert math.isfinite(high)


def test_another_axis_shows_all_again() -> None:
    assert Look(window=(1.0, 2.0), smoothing=0.9).with_axis("time") == Look(axis="time", smoothing=0.9)
