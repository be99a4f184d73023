"""The drawing itself, on textual-plot. Imported late: it brings numpy, which the first paint does not wait for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from textual.events import Leave, Mount, MouseMove
from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter

from app.tui import ascii as plain_glyphs
from app.tui.bindings import bindings
from app.tui.curves import XY, Limits
from app.tui.widgets.gestures import AllWanted, Moved, Pointed
from engine.format import count, number

_NICE = (1.0, 2.0, 5.0, 10.0)
_ZOOM = 0.5
_PAN = 0.1


DOT = "•"  # a point alone


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a Rich style; `marker` is drawn where braille cannot be, `dot` for a point alone where it can."""

    points: tuple[XY, ...]
    style: str
    marker: str = "*"
    dot: str = DOT


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of a plot. With `log_y` the values are powers of ten."""

    lines: tuple[Line, ...] = ()
    x_limits: Limits = (0.0, 1.0)
    y_limits: Limits = (0.0, 1.0)
    x_label: Callable[[float], str] = count
    log_y: bool = False
    cursor: float | None = None
    cursor_style: str = "default"


def x_ticks(drawing: Drawing, room: Callable[[], int]) -> "_Ticks":
    """Places and labels on the x axis, of which so many cells are to be filled."""
    return _Ticks(drawing.x_label, room)


def y_ticks(drawing: Drawing) -> "_Ticks":
    """Places and labels on the y axis."""
    return _LogTicks(_power) if drawing.log_y else _Ticks(_value_label(drawing.y_limits))


class Plot(PlotWidget, inherit_bindings=False):
    """Draws what it is given, and tells what a person wants to see instead: keys and mouse only send messages."""

    BINDINGS = bindings("chart")
    BINDING_GROUP_TITLE = "Chart"
    DEFAULT_CSS = """
    Plot > .plot--axis, Plot:focus > .plot--axis { color: $foreground-muted; }
    Plot > .plot--tick { color: $foreground-muted; text-style: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawing = Drawing()
        self.set_reactive(PlotWidget.margin_top, 0)
        self.set_reactive(PlotWidget.margin_bottom, 1)
        self.set_reactive(PlotWidget.margin_left, 7)

    def on_mount(self, event: Mount) -> None:  # type: ignore[override]
        if not self.children:  # taken away again before it was composed: there is nothing to set up
            event.prevent_default()
        else:
            self.call_after_refresh(self._redraw)  # the base class sets up after this

    def draw(self, drawing: Drawing) -> None:
        """Draw this instead."""
        if drawing == self._drawing:
            return
        self._drawing = drawing
        if self.is_mounted:
            self._redraw()

    def _redraw(self) -> None:
        if not self.children:
            return
        drawing = self._drawing
        self.clear()
        plain = plain_glyphs.wanted()
        for line in drawing.lines:
            self._add(line, plain)
        if drawing.cursor is not None:
            self.add_v_line(drawing.cursor, drawing.cursor_style)
        self.set_x_formatter(x_ticks(drawing, lambda: self._scale_rectangle.width))
        self.set_y_formatter(y_ticks(drawing))
        self.set_xlimits(*drawing.x_limits)
        self.set_ylimits(*drawing.y_limits)

    def _add(self, line: Line, plain: bool) -> None:
        alone: list[tuple[float, float]] = []
        for known, group in groupby(line.points, key=lambda point: point[1] is not None):
            if not known:
                continue
            part = [(x, y) for x, y in group if y is not None]
            if len(part) == 1 or plain:
                alone += part
            else:
                self.plot(
                    [x for x, _ in part],
                    [y for _, y in part],
                    line_style=line.style,
                    hires_mode=HiResMode.BRAILLE,
                )
        if alone:
            marker = line.marker if plain else line.dot
            xs, ys = [x for x, _ in alone], [y for _, y in alone]
            self.scatter(xs, ys, marker=marker, marker_style=line.style)

    def on_mouse_move(self, event: MouseMove) -> None:
        if event.button == 0 and (canvas := next(iter(self.query("#plot")), None)) is not None:
            offset = event.screen_offset - canvas.region.offset
            if 0 < offset.x < canvas.size.width - 1 and 0 <= offset.y < canvas.size.height:
                self.post_message(Pointed(self.get_coordinate_from_pixel(offset.x, offset.y)[0]))

    def on_leave(self, _event: Leave) -> None:
        self.post_message(Pointed(None))

    def action_reset_scales(self) -> None:
        """Show the whole series again."""
        self.post_message(AllWanted())

    def action_zoom_in(self) -> None:
        """Less of the x axis, around the crosshair or the middle."""
        self._zoom(*self._middle(), _ZOOM, True, False)

    def action_zoom_out(self) -> None:
        """More of the x axis."""
        self._zoom(*self._middle(), -_ZOOM / (1 + _ZOOM), True, False)

    def action_zoom_y_in(self) -> None:
        """Less of the y axis."""
        self._zoom(*self._middle(), _ZOOM, False, True)

    def action_zoom_y_out(self) -> None:
        """More of the y axis."""
        self._zoom(*self._middle(), -_ZOOM / (1 + _ZOOM), False, True)

    def action_pan_left(self) -> None:
        """To what comes before."""
        self._shift(-_PAN, 0.0)

    def action_pan_right(self) -> None:
        """To what comes after."""
        self._shift(_PAN, 0.0)

    def action_pan_up(self) -> None:
        """To higher values."""
        self._shift(0.0, _PAN)

    def action_pan_down(self) -> None:
        """To lower values."""
        self._shift(0.0, -_PAN)

    def action_cursor(self, cells: int) -> None:
        """The crosshair so many cells to the right; the first press puts it into the middle."""
        low, high = self._drawing.x_limits
        if self._drawing.cursor is None:
            self.post_message(Pointed((low + high) / 2))
            return
        cell = (high - low) / max(1, self._scale_rectangle.width)
        self.post_message(Pointed(min(max(self._drawing.cursor + cells * cell, low), high)))

    def action_hide_cursor(self) -> None:
        """No crosshair."""
        self.post_message(Pointed(None))

    def _middle(self) -> Limits:
        drawing = self._drawing
        x = drawing.cursor if drawing.cursor is not None else sum(drawing.x_limits) / 2
        return x, sum(drawing.y_limits) / 2

    def _shift(self, x: float, y: float) -> None:
        (left, right), (low, high) = self._drawing.x_limits, self._drawing.y_limits
        by_x, by_y = (right - left) * x, (high - low) * y
        self.post_message(
            Moved((left + by_x, right + by_x) if x else None, (low + by_y, high + by_y) if y else None)
        )

    def _zoom(self, center_x: float, center_y: float, factor: float, zoom_x: bool, zoom_y: bool) -> None:
        """The base class's door for the wheel: over the plot the x axis alone, as the y axis fits what is in sight."""

        def around(limits: Limits, center: float) -> Limits:
            low, high = limits
            return (low + factor * center) / (1 + factor), (high + factor * center) / (1 + factor)

        x = around(self._drawing.x_limits, center_x) if zoom_x else None
        y = around(self._drawing.y_limits, center_y) if zoom_y and not zoom_x else None
        self.post_message(Moved(x, y))

    def _pan(self, factor_x: float, factor_y: float) -> None:
        """The base class's door for dragging, in cells."""
        area = self._scale_rectangle
        self._shift(-factor_x / max(1, area.width), factor_y / max(1, area.height))


class _Ticks(NumericAxisFormatter):
    """Ticks at 1, 2, 5 and their tens, so many that their labels fit into `room` cells side by side."""

    def __init__(self, label: Callable[[float], str], room: Callable[[], int] | None = None) -> None:
        self._label = label
        self._room = room

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        span = max_ - min_
        if not span > 0 or not math.isfinite(span):
            return [min_]
        power = 10.0 ** math.floor(math.log10(span / 4))
        step = next(nice * power for nice in _NICE if nice * power >= span / 4 * 0.999)
        first = math.ceil(min_ / step)
        ticks = [index * step for index in range(first, first + 12) if index * step <= max_]
        if self._room is None:
            return ticks
        longest = max((len(self._label(tick)) for tick in ticks), default=0) + 2
        every = max(1, math.ceil(len(ticks) * longest / max(1, self._room())))
        return ticks[::every]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        return [self._label(tick) for tick in ticks]


class _LogTicks(_Ticks):
    """Ticks at the powers of ten, and at 2 and 5 times them where they are few."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        low, high = math.floor(min_), math.ceil(max_)
        if high - low > 4:
            step = math.ceil((high - low) / 6)
            return [float(power) for power in range(low, high + 1, step)]
        return [power + math.log10(nice) for power in range(low, high + 1) for nice in _NICE[:3]]


def _value_label(limits: Limits) -> Callable[[float], str]:
    """As many digits as tell two ticks apart."""
    low, high = limits
    largest, span = max(abs(low), abs(high)), high - low
    digits = 3
    if span > 0 and largest / span > 10:
        digits = min(6, 2 + math.ceil(math.log10(largest / span)))
    return lambda value: number(0.0 if abs(value) < max(1e-300, span * 1e-9) else value, digits)


def _power(exponent: float) -> str:
    return number(10.0**exponent, 2) if -300 < exponent < 300 else f"1e{exponent:.0f}"
