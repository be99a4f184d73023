"""One series as a chart: its name and last value in the frame, the line inside."""

import sys

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from app.tui.widgets.label import Label
from engine.format import number, printable
from engine.store.views import MetricSummary, Series, SeriesPoint

_PLOT_MODULE = "app.tui.widgets.plot"
_SMALLEST = (16, 4)


class MetricChart(Container):
    """Draws what it is given; at most once a message, and only what has changed."""

    def __init__(self, key: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.key = key
        self._series: Series | None = None
        self._log_y = False
        self._drawn: tuple[tuple[SeriesPoint, ...], bool] | None = None
        self._loading = False

    def compose(self) -> ComposeResult:
        yield Label("", classes="chart-empty dim")

    def on_mount(self) -> None:
        self.border_title = Content(printable(self.key))
        self._say("no points yet")

    @property
    def points_wanted(self) -> int:
        """How many points make sense in this width: two a cell, that is what braille can show."""
        return max(80, min(800, (self.size.width // 20 + 1) * 40))

    def show_key(self, key: str) -> None:
        """Become the chart of another series."""
        if key != self.key:
            self.key = key
            self.show(None)

    def show(self, series: Series | None, note: str = "") -> None:
        """Show a series, or that there is none; `note` is put in the lower edge."""
        self._series = series
        if series is None:
            self.show_summary(None)
        self.border_subtitle = Content(printable(note))
        self._draw()

    def show_summary(self, summary: MetricSummary | None) -> None:
        """The last value beside the name."""
        last = None if summary is None else summary.last
        shown = f"{self.key} {number(last)}" if last is not None else self.key
        self.border_title = Content(printable(shown))

    def set_log(self, log_y: bool) -> None:
        """Logarithmic value axis, or linear."""
        self._log_y = log_y
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = None

    def _say(self, text: str) -> None:
        if self.is_mounted:
            self.query_one(".chart-empty", Label).update(text)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width, height = self.size
        points = self._series.points if self._series else ()
        fits = width >= _SMALLEST[0] and height >= _SMALLEST[1]
        unknown = self._series is None and self.has_class("-drawn")  # nothing flickers while it is asked for
        visible = (bool(points) or unknown) and fits
        self.set_class(visible, "-drawn")
        if not visible:
            self._say("no points yet" if fits or not points else "")
            return
        if _PLOT_MODULE not in sys.modules:
            if not self._loading:
                self._loading = True
                self.loading = True
                self.run_worker(self._import, name="plot", group="plot", thread=True)
            return
        from app.tui.widgets.plot import Plot

        if (plot := next(iter(self.query(Plot)), None)) is None:
            self.mount(Plot())
            self.call_after_refresh(self._draw)
            return
        if self._drawn != (points, self._log_y):
            self._drawn = (points, self._log_y)
            is_time = self._series is not None and self._series.axis == "time"
            plot.draw(points, self._colour(), log_y=self._log_y, is_time=is_time)

    def _import(self) -> None:
        import app.tui.widgets.plot  # noqa: F401

        if self.app.is_running:
            self.app.call_from_thread(self._imported)

    def _imported(self) -> None:
        self.loading = False
        self._draw()

    def _colour(self) -> str:
        return self.app.theme_variables.get("accent", "default")
