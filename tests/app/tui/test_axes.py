"""Ticks of a chart's axes: few enough to be read, told apart by what is written, whatever the range."""

import pytest

from app.tui.axes import x_ticks, y_ticks
from app.tui.curves import Limits
from app.tui.drawing import Drawing


def up(limits: Limits, height: int, *, log_y: bool = False) -> list[str]:
    return [label for _, label in y_ticks(Drawing(y_limits=limits, log_y=log_y), height)]


def across(limits: Limits, unit: str, width: int) -> list[str]:
    return [label for _, label in x_ticks(Drawing(x_limits=limits, x_unit=unit), width)]


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.0, 1.0), ["0", "0.5", "1.0"]),
        ((1.2, 3.1), ["1.5", "2.0", "2.5", "3.0"]),
        ((0.0, 3e-5), ["0", "1e-05", "2e-05", "3e-05"]),
        ((900.0, 2100.0), ["1000", "1500", "2000"]),
        ((0.0, 25_000.0), ["0", "10k", "20k"]),
        ((1_000_000.0, 1_000_001.0), ["1,000,000.0", "1,000,000.5", "1,000,001.0"]),
        ((-1e300, 1e300), ["-1.0e+300", "-5.0e+299", "0", "5.0e+299", "1.0e+300"]),
    ],
)
def test_values_have_as_many_digits_as_tell_them_apart(limits: Limits, labels: list[str]) -> None:
    assert up(limits, 12) == labels


@pytest.mark.parametrize(
    ("powers", "height", "labels"),
    [
        ((-3.0, 2.0), 30, ["0.001", "0.01", "0.1", "1", "10", "100"]),
        ((3.2, 5.4), 30, ["2000", "5000", "10k", "20k", "50k", "100k", "200k"]),
        ((0.1, 0.4), 6, ["1.5", "2.0", "2.5"]),
        ((-300.0, 300.0), 6, ["1e-200", "1", "1e200"]),
    ],
)
def test_a_logarithmic_axis_is_labelled_by_the_values_themselves(
    powers: Limits, height: int, labels: list[str]
) -> None:
    assert up(powers, height, log_y=True) == labels


def test_a_step_is_a_whole_number() -> None:
    assert across((-0.5, 0.5), "step", 60) == ["0"]
    assert across((0.0, 3.0), "step", 60) == ["0", "1", "2", "3"]


def test_time_is_counted_in_minutes_and_hours() -> None:
    assert across((0.0, 100.0), "relative", 30) == ["0:00", "0:30", "1:00", "1:30"]
    assert across((0.0, 400_000.0), "relative", 30) == ["0:00", "48:00:00", "96:00:00"]


@pytest.mark.parametrize("limits", [(0.0, 7.0), (123_456.0, 123_500.0), (-3e5, 8e8), (5.0, 5.0001)])
@pytest.mark.parametrize("unit", ["step", "epoch", "relative", "time"])
@pytest.mark.parametrize("width", [24, 60, 200])
def test_labels_side_by_side_fit_and_differ(limits: Limits, unit: str, width: int) -> None:
    labels = across(limits, unit, width)
    assert len(set(labels)) == len(labels)
    assert len(labels) <= 1 or sum(len(label) + 2 for label in labels) <= max(width, 40)


@pytest.mark.parametrize("limits", [(0.0, 0.0), (1.0, float("inf")), (float("nan"), 1.0)])
def test_a_range_that_is_none_has_at_most_one_tick(limits: Limits) -> None:
    assert len(up(limits, 12)) <= 1
    assert across(limits, "step", 60) == []
