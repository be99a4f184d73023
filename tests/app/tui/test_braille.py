"""Lines become dots where they belong; gaps, spikes and what is out of sight stay what they are."""

import math

import pytest

from app.tui.braille import painted
from app.tui.curves import XY
from app.tui.drawing import Drawing, Line


def picture(
    *lines: Line, width: int = 4, height: int = 2, y: tuple[float, float] = (0.0, 7.0), plain: bool = False
) -> list[str]:
    drawing = Drawing(lines, x_limits=(0.0, width * 2 - 1.0), y_limits=y)
    canvas = painted(drawing, width, height, plain=plain)
    return ["".join(cell[0] if cell else " " for cell in canvas.cells(row)) for row in range(height)]


def line(*points: XY, style: str = "red") -> Line:
    return Line(points, style)


def test_a_diagonal_has_a_dot_in_every_column() -> None:
    assert picture(line((0, 0), (7, 7))) == ["  ⡠⠊", "⡠⠊  "]


def test_a_level_line_is_level() -> None:
    assert picture(line((0, 7), (7, 7))) == ["⠉⠉⠉⠉", "    "]


def test_a_spike_is_drawn_in_full_and_where_it_is() -> None:
    assert picture(line((0, 0), (2, 0), (2, 7), (2, 0), (7, 0))) == [" ⡇  ", "⣀⣇⣀⣀"]


def test_a_steep_line_is_unbroken() -> None:
    assert picture(line((0, 0), (1, 7)), width=1) == ["⡸", "⡇"]


def test_a_gap_stays_a_gap_and_a_point_alone_is_a_point() -> None:
    assert picture(line((0, 7), (1, 7), (2, None), (4, 7), (5, None), (6, 7), (7, 7))) == ["⠉ •⠉", "    "]


def test_what_is_out_of_sight_is_cut_off_at_the_edge() -> None:
    whole = picture(line((0, 0), (7, 7)))
    assert picture(line((-7, -7), (14, 14))) == whole
    assert picture(line((0, 100), (7, 100))) == ["    ", "    "]
    assert picture(line((-5, 3), (-1, 3)), line((9, 3), (12, 3))) == ["    ", "    "]


def test_a_line_through_the_whole_height_from_far_away_is_unbroken() -> None:
    assert picture(line((0, -1e300), (2, 1e300)), width=2) == ["⢸ ", "⢸ "]


@pytest.mark.parametrize("y", [(1.0, 1.0), (0.0, 1e-320), (-1e308, 1e308)])
def test_odd_limits_draw_something_finite(y: tuple[float, float]) -> None:
    drawn = picture(line((0, y[0]), (7, y[1])), y=y)
    assert any(cell != " " for row in drawn for cell in row)
    assert all(math.isfinite(limit) for limit in y)


def test_without_braille_cells_hold_the_marker_of_their_line() -> None:
    dashed, starred = Line(((0, 0), (7, 0)), "red", "."), Line(((0, 7), (7, 7)), "blue", "*")
    assert picture(dashed, starred, plain=True) == ["****", "...."]


def test_where_lines_share_cells_the_later_one_gives_the_colour() -> None:
    drawing = Drawing((line((0, 7), (7, 7)), line((4, 6), (7, 6), style="blue")), (0.0, 7.0), (0.0, 7.0))
    cells = painted(drawing, 4, 2, plain=False).cells(0)
    assert cells == [("⠉", "red"), ("⠉", "red"), ("⠛", "blue"), ("⠛", "blue")]


def test_a_line_from_far_outside_costs_no_more_than_what_is_seen_of_it() -> None:
    assert picture(line((-1e15, 7), (7, 7))) == picture(line((0, 7), (7, 7)))
