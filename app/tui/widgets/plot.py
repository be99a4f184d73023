"""The drawing itself, on textual-plot. Imported late: it brings numpy, which the first paint does not wait for."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from textual.events import Mount
from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter

from app.tui import ascii as plain_glyphs
from app.tui.bindings import bindings
from engine.format import count, duration, number
from engine.store.views import SeriesPoint

_LARGEST = 1e300  # beyond this the axis arithmetic would overflow; drawn at the edge
_NICE = (1.0, 2.0, 5.0, 10.0)


class Plot(PlotWidget, inherit_bindings=False):
    """A line with the extremes of every bucket; gaps stay gaps. Keeps a person's zoom when points are added."""

    BINDINGS = bindings("chart")
    DEFAULT_CSS = """
    Plot > .plot--axis, Plot:focus > .plot--axis { color: $foreground-muted; }
    Plot > .plot--tick { color: $foreground-muted; text-style: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._zoomed = False
        self._points: tuple[SeriesPoint, ...] = ()
        self._colour = "default"
        self._log_y = False
        self._is_time = False
        self._origin = 0.0
        self.set_reactive(PlotWidget.margin_top, 0)
        self.set_reactive(PlotWidget.margin_bottom, 1)
        self.set_reactive(PlotWidget.margin_left, 7)

    def on_mount(self, event: Mount) -> None:  # type: ignore[override]
        if not self.children:  # taken away again before it was composed: there is nothing to set up
            event.prevent_default()
        else:
            self.call_after_refresh(self._redraw)  # the base class sets up after this

    def draw(
        self, points: tuple[SeriesPoint, ...], colour: str, *, log_y: bool = False, is_time: bool = False
    ) -> None:
        """Draw `points`; `colour` is a Rich style. Where steps are moments, the axis shows the time since the first."""
        self._zoomed = self._zoomed and log_y == self._log_y
        self._points, self._colour, self._log_y, self._is_time = points, colour, log_y, is_time
        self._origin = float(points[0].step) if points and is_time else 0.0
        if self.is_mounted:
            self._redraw()

    def _redraw(self) -> None:
        if not self.children:
            return
        colour = self._colour
        self.clear()
        plain = plain_glyphs.wanted()
        alone: list[tuple[float, float]] = []
        xs: list[float] = []
        ys: list[float] = []
        for known, group in groupby(self._drawn(), key=lambda point: point[1] is not None):
            if not known:
                continue
            line = [(x, y) for x, y in group if y is not None]
            xs += [x for x, _ in line]
            ys += [y for _, y in line]
            if len(line) == 1 or plain:
                alone += line
            else:
                self.plot(
                    [x for x, _ in line],
                    [y for _, y in line],
                    line_style=colour,
                    hires_mode=HiResMode.BRAILLE,
                )
        if alone:
            marker = "*" if plain else "•"
            self.scatter([x for x, _ in alone], [y for _, y in alone], marker=marker, marker_style=colour)
        self.set_x_formatter(_Ticks(duration if self._is_time else count))
        self.set_y_formatter(_LogTicks(_power) if self._log_y else _Ticks(_value))
        if xs and not self._zoomed:
            self.set_xlimits(*_limits(xs, 0.0))
            self.set_ylimits(*_limits(ys, 0.04))

    def on_plot_widget_scale_changed(self) -> None:
        self._zoomed = True

    def action_reset_scales(self) -> None:
        """Show the whole series again."""
        self._zoomed = False
        drawn = [(x, y) for x, y in self._drawn() if y is not None]
        if drawn:
            self.set_xlimits(*_limits([x for x, _ in drawn], 0.0))
            self.set_ylimits(*_limits([y for _, y in drawn], 0.04))

    def _drawn(self) -> list[tuple[float, float | None]]:
        """Coordinates in order; a bucket is its lowest, its highest and its last value."""
        drawn: list[tuple[float, float | None]] = []
        for point in self._points:
            x = float(point.step) - self._origin
            if point.value is None and point.min is None:
                drawn.append((x, None))
                continue
            values = [point.value] if point.count == 1 else [point.min, point.max, point.value]
            drawn += [(x, _scaled(value, self._log_y)) for value in values if value is not None]
        return drawn


class _Ticks(NumericAxisFormatter):
    """Ticks at 1, 2, 5 and their tens; labels as everywhere else."""

    def __init__(self, label: Callable[[float], str]) -> None:
        self._label = label

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        span = max_ - min_
        if not span > 0 or not math.isfinite(span):
            return [min_]
        power = 10.0 ** math.floor(math.log10(span / 4))
        step = next(nice * power for nice in _NICE if nice * power >= span / 4 * 0.999)
        first = math.ceil(min_ / step)
        return [index * step for index in range(first, first + 12) if index * step <= max_]

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


def _value(value: float) -> str:
    return number(0.0 if abs(value) < 1e-300 else value, 3)


def _power(exponent: float) -> str:
    return number(10.0**exponent, 2) if exponent < 300 else "1e300"


def _scaled(value: float, log_y: bool) -> float | None:
    if not math.isfinite(value) or (log_y and value <= 0):
        return None
    clipped = max(-_LARGEST, min(_LARGEST, value))
    return math.log10(clipped) if log_y else clipped


def _limits(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * margin
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(abs(low), abs(high)) * 0.05 or 0.5
    return low - pad, high + pad
