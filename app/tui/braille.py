"""Lines as braille on cells of the terminal: two by four dots each, drawn in plain Python faster than arrays are made.

A line is kept as one integer per column of dots, a bit per row: a steep part is a run of bits, set at once.
"""

import math
from collections.abc import Sequence

from app.tui.curves import Limits
from app.tui.drawing import Drawing, Line, unbroken

_ACROSS, _DOWN = 2, 4  # dots of a cell
_FAR = 1e9  # dots: farther than any line can be seen
_BLANK = 0x2800
_LEFT_BITS, _RIGHT_BITS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)  # from the top down
_LEFT = [sum(bit for row, bit in enumerate(_LEFT_BITS) if rows >> row & 1) for rows in range(16)]
_RIGHT = [sum(bit for row, bit in enumerate(_RIGHT_BITS) if rows >> row & 1) for rows in range(16)]

Cell = tuple[str, str]  # a glyph, and the style of what it belongs to


class Canvas:
    """The cells of a plot's area: what is drawn later covers what was drawn before."""

    def __init__(self, width: int, height: int, x_limits: Limits, y_limits: Limits) -> None:
        self.width, self.height = width, height
        self._x_low, self._y_high = x_limits[0], y_limits[1]
        self._x_scale = _scale(x_limits, width * _ACROSS)
        self._y_scale = _scale(y_limits, height * _DOWN)
        self._dots: dict[tuple[int, int], int] = {}
        self._styles: dict[tuple[int, int], str] = {}
        self._glyphs: dict[tuple[int, int], str] = {}

    def draw(self, line: Line, *, plain: bool) -> None:
        """A line with its gaps; `plain` draws it without braille, in its marker."""
        columns: dict[int, int] = {}
        for part in unbroken(line.points):
            if len(part) == 1:
                self._point(*part[0], line.marker if plain else line.dot, line.style)
            else:
                self._trace([self._place(x, y) for x, y in part], columns)
        for column in {place // _ACROSS for place in columns}:
            left, right = columns.get(column * _ACROSS, 0), columns.get(column * _ACROSS + 1, 0)
            for row in range(self.height):
                dots = _LEFT[left >> row * _DOWN & 15] | _RIGHT[right >> row * _DOWN & 15]
                if not dots:
                    continue
                if plain:
                    self._glyphs[row, column] = line.marker
                else:
                    self._glyphs.pop((row, column), None)
                self._dots[row, column] = self._dots.get((row, column), 0) | dots
                self._styles[row, column] = line.style

    def column(self, x: float) -> int:
        """The column of cells in which `x` lies; it may be outside."""
        return round(_dots(x - self._x_low, self._x_scale)) // _ACROSS

    def row(self, y: float) -> int:
        """The row of cells in which `y` lies; it may be outside."""
        return round(_dots(self._y_high - y, self._y_scale)) // _DOWN

    def cells(self, row: int) -> list[Cell | None]:
        """A row from left to right; None where nothing is drawn."""
        return [self._cell((row, column)) for column in range(self.width)]

    def _cell(self, place: tuple[int, int]) -> Cell | None:
        if place not in self._styles:
            return None
        return self._glyphs.get(place) or chr(_BLANK + self._dots[place]), self._styles[place]

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return _dots(x - self._x_low, self._x_scale), _dots(self._y_high - y, self._y_scale)

    def _point(self, x: float, y: float, glyph: str, style: str) -> None:
        column, row = self.column(x), self.row(y)
        if 0 <= column < self.width and 0 <= row < self.height:
            self._glyphs[row, column], self._styles[row, column] = glyph, style

    def _trace(self, dots: Sequence[tuple[float, float]], columns: dict[int, int]) -> None:
        """Connect places in dots; between two columns a steep part turns in the middle of the way."""
        last = self.width * _ACROSS - 1
        (x, y), before = dots[0], round(dots[0][1])
        self._fill(columns, round(x), before, before)
        for to_x, to_y in dots[1:]:
            start, end = round(x), round(to_x)
            if start == end:
                row = round(to_y)
                self._fill(columns, end, before, row)
                before = row
            elif start < end and end >= 0 and start <= last:
                slope = (to_y - y) / (to_x - x)
                if start < 0:
                    start, before = -1, round(y + slope * (-1 - x))
                for column in range(start + 1, min(end, last) + 1):
                    row = round(to_y) if column == end else round(y + slope * (column - x))
                    middle = (before + row) // 2
                    if abs(row - before) > 1:
                        self._fill(columns, column - 1, before, middle)
                        self._fill(columns, column, middle + (1 if row > middle else -1), row)
                    else:
                        self._fill(columns, column, row, row)
                    before = row
            before = round(to_y)
            x, y = to_x, to_y

    def _fill(self, columns: dict[int, int], column: int, one: int, other: int) -> None:
        top, bottom = (one, other) if one <= other else (other, one)
        top, bottom = max(top, 0), min(bottom, self.height * _DOWN - 1)
        if top <= bottom and 0 <= column < self.width * _ACROSS:
            columns[column] = columns.get(column, 0) | ((1 << bottom - top + 1) - 1) << top


def painted(drawing: Drawing, width: int, height: int, *, plain: bool) -> Canvas:
    """All lines of a drawing on an area of so many cells."""
    canvas = Canvas(width, height, drawing.x_limits, drawing.y_limits)
    for line in drawing.lines:
        canvas.draw(line, plain=plain)
    return canvas


def _scale(limits: Limits, dots: int) -> float:
    span = limits[1] - limits[0]
    scale = (dots - 1) / span if span > 0 else 0.0
    return scale if math.isfinite(scale) else 0.0


def _dots(distance: float, scale: float) -> float:
    dots = distance * scale
    return min(max(dots, -_FAR), _FAR) if dots == dots else 0.0
