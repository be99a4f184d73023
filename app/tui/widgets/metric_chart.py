"""One series as a chart: its name and last value in the frame, the line inside, values at the crosshair below."""

from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.message import Message

from app.tui import curves
from app.tui.axes import exact_label
from app.tui.curves import Clock, Limits, Look
from app.tui.drawing import Drawing, Line
from app.tui.widgets.chart_picture import picture
from app.tui.widgets.gestures import AllWanted, Moved, Pointed
from app.tui.widgets.label import Label
from app.tui.widgets.plot import Plot
from engine.format import number, printable
from engine.store.views import MetricSummary, Series, SeriesPoint

_SMALLEST = (16, 4)


class MetricChart(Container):
    """Draws what it is given; at most once a message, and only what has changed.

    By itself it follows the keys and the mouse of its plot; who wants several charts to move together listens to
    `Looked` and `PointedAt`.
    """

    class Resized(Message):
        """Another number of points makes sense now."""

    class Looked(Message):
        """A person looks at the chart in another way."""

        def __init__(self, chart: "MetricChart", look: Look) -> None:
            super().__init__()
            self.chart = chart
            self.look = look

    class PointedAt(Message):
        """The crosshair is wanted at `x`, or gone."""

        def __init__(self, chart: "MetricChart", x: float | None) -> None:
            super().__init__()
            self.chart = chart
            self.x = x

    def __init__(
        self, key: str, *, widget_id: str | None = None, from_zero: bool = False, asked: bool = False
    ) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.key = key
        self.look = Look()
        self._from_zero = from_zero
        self._clock = Clock()
        self._whole: Series | None = None
        self._part: Series | None = None
        self._y_window: Limits | None = None
        self._cursor: float | None = None
        self._note = ""
        self._drawn: object = None
        self._asked = asked

    def compose(self) -> ComposeResult:
        yield Label("", classes="chart-empty dim")
        yield Plot()

    def on_mount(self) -> None:
        self.border_title = Content(printable(self.key))
        self._say(self._emptiness)

    @property
    def points_wanted(self) -> int:
        """How many points make sense in this width: two a cell, that is what braille can show."""
        return max(80, min(800, (self.size.width // 20 + 1) * 40))

    @property
    def steps_wanted(self) -> tuple[int, int] | None:
        """The steps in sight, of which the store knows more points than are drawn; None for all."""
        if self.look.window is None or self._whole is None:
            return None
        return curves.steps_of(
            self.look.window, self._whole.points, self._own_clock, self._unit, over_time=self._over_time
        )

    @property
    def points(self) -> Sequence[SeriesPoint]:
        """What is drawn."""
        whole = self._whole.points if self._whole else ()
        if self.look.window is None or self._part is None:
            return whole
        return curves.joined(whole, self._part.points)

    @property
    def points_in_sight(self) -> Sequence[SeriesPoint]:
        """Of what is drawn the part between the edges of the chart."""
        window = self.look.window
        if window is None:
            return self.points
        clock, unit = self._own_clock, self._unit
        return [point for point in self.points if window[0] <= clock.x(point, unit) <= window[1]]

    def picture(self, title: str) -> str | None:
        """The chart as SVG, as it is drawn now; None without points. `title` goes before the name of the series."""
        if not self.points:
            return None
        return picture(
            f"{title}  {self.key}", self._drawing(self.points), self._unit, self.app.theme_variables
        )

    def show_key(self, key: str) -> None:
        """Become the chart of another series."""
        if key != self.key:
            self.key = key
            self._y_window = None
            self.show(None)

    def show(self, series: Series | None, note: str = "") -> None:
        """Show a series, or that there is none; `note` is put in the lower edge."""
        self._whole, self._note = series, note
        self._asked = self._asked or bool(note)
        if series is None:
            self._part = None
            self.show_summary(None)
        self._draw()

    def show_part(self, series: Series) -> None:
        """The finer points of what is in sight."""
        self._part = series
        self._draw()

    def show_summary(self, summary: MetricSummary | None) -> None:
        """The last value beside the name."""
        last = None if summary is None else summary.last
        shown = f"{self.key} {number(last)}" if last is not None else self.key
        self.border_title = Content(printable(shown))

    def set_look(self, look: Look, clock: Clock | None = None) -> None:
        """Look at it this way."""
        if look.window is None:
            self._part = None
        if look.axis != self.look.axis:
            self._cursor = self._part = None  # they are of other units
        if look.log_y != self.look.log_y:
            self._y_window = None
        self.look = look
        self._clock = clock or self._clock
        self._draw()

    def set_cursor(self, x: float | None) -> None:
        """The crosshair, with the values there in the lower edge."""
        if x != self._cursor:
            self._cursor = x
            self._draw()

    def on_resize(self) -> None:
        self._draw()
        self.post_message(self.Resized())

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = None

    @on(Moved)
    def _moved(self, event: Moved) -> None:
        event.stop()
        if event.y is not None:
            self._y_window = event.y
            self._draw()
        xs = [self._own_clock.x(point, self._unit) for point in (self._whole.points if self._whole else ())]
        if event.x is None or not xs:
            return
        window = curves.within(event.x, curves.limits(xs, 0.0))
        if window is None:
            self._y_window = None
        self._change(replace(self.look, window=window))

    @on(AllWanted)
    def _all_wanted(self, event: AllWanted) -> None:
        event.stop()
        self._y_window = None
        self._change(replace(self.look, window=None))

    @on(Pointed)
    def _pointed(self, event: Pointed) -> None:
        event.stop()
        self.set_cursor(event.x)
        self.post_message(self.PointedAt(self, event.x))

    def _change(self, look: Look) -> None:
        self.set_look(look)
        self.post_message(self.Looked(self, look))

    @property
    def _over_time(self) -> bool:
        return self._whole is not None and self._whole.axis == "time"

    @property
    def _own_clock(self) -> Clock:
        if self._clock.origin is None and self._whole is not None and self._whole.points:
            return replace(self._clock, origin=self._whole.points[0].time)
        return self._clock

    @property
    def _unit(self) -> str:
        return self._clock.unit(self.look.axis, over_time=self._over_time)

    @property
    def _emptiness(self) -> str:
        return "loading" if self._whole is None and self._asked else "no points yet"

    def _say(self, text: str) -> None:
        for label in self.query(Label):  # none any more once it is being taken away
            label.update(text)

    def _draw(self) -> None:
        if not self.is_mounted or not self.children:
            return
        width, height = self.size
        points = self.points
        fits = width >= _SMALLEST[0] and height >= _SMALLEST[1]
        unknown = self._whole is None and self.has_class("-drawn")  # nothing flickers while it is asked for
        visible = (bool(points) or unknown) and fits
        self.set_class(visible, "-drawn")
        self._tell()
        if not visible:
            self._say(self._emptiness if fits or not points else "")
            return
        state = (tuple(points), self.look, self._own_clock, self._y_window, self._cursor)
        if points and self._drawn != state:
            self._drawn = state
            self.query_one(Plot).draw(self._drawing(points))

    def _drawing(self, points: Sequence[SeriesPoint]) -> Drawing:
        look, clock, unit = self.look, self._own_clock, self._unit
        raw = curves.scaled(curves.coordinates(points, clock, unit), log_y=look.log_y)
        xs = [x for x, _ in raw]
        window = look.window or curves.limits(xs, 0.0)
        lines = [Line(tuple(raw), self._colour("text-accent"))]
        if look.smoothing:
            span = window[1] - window[0]
            mean = curves.smoothed(points, clock, unit, look.smoothing, span)
            lines = [
                Line(tuple(raw), self._colour("accent-muted"), "."),
                Line(tuple(curves.scaled(mean, log_y=look.log_y)), self._colour("text-accent")),
            ]
        ys = [y for x, y in raw if y is not None and window[0] <= x <= window[1]]
        ys = ys or [y for _, y in raw if y is not None] or [0.0]
        if self._from_zero and not look.log_y:
            ys = [*ys, 0.0]
        return Drawing(
            lines=tuple(lines),
            x_limits=window,
            y_limits=self._y_window or curves.limits(ys, 0.04),
            x_unit=unit,
            log_y=look.log_y,
            cursor=self._cursor
            if self._cursor is not None and window[0] <= self._cursor <= window[1]
            else None,
            cursor_style=self._colour("text-secondary"),
        )

    def _tell(self) -> None:
        """The lower edge: the values under the crosshair, else how the chart is drawn."""
        points = self.points
        if self._cursor is None or not points:
            self.border_subtitle = Content(printable(self._note))
            return
        clock, unit = self._own_clock, self._unit
        point = curves.nearest(points, clock, unit, self._cursor)
        if point is None:
            return
        x = clock.x(point, unit)
        parts = [
            f"{unit if unit in ('step', 'epoch') else ''} {exact_label(unit, x)}".strip(),
            number(point.value),
        ]
        if point.count > 1:
            parts.append(f"{number(point.min)} to {number(point.max)}")
        if self.look.smoothing:
            window = self.look.window or curves.limits([clock.x(each, unit) for each in points], 0.0)
            line = curves.smoothed(points, clock, unit, self.look.smoothing, window[1] - window[0])
            parts.append(f"smoothed {number(next(y for at, y in line if at == x))}")
        self.border_subtitle = Content("  ".join(parts))

    def _colour(self, name: str) -> str:
        return self.app.theme_variables.get(name, "default")
