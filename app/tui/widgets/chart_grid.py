"""Series of a run as charts, as many as fit at a time; only those in sight are asked for and drawn."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from app.tui.bindings import bindings
from app.tui.chart_views import ChartViews
from app.tui.curves import Clock
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from engine.format import printable
from engine.store.views import MetricSummary, Series

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp

_CELL = (38, 9)
_SMALLEST_CELL = (20, 6)
_FIRST = ("train/loss", "val/f1_mean", "val/loss", "train/lr")


class SeriesWanted(NamedTuple):
    """A series of which so many points make sense, and between which steps; None is from its begin, or to its end."""

    key: str
    points: int
    first_step: int | None = None
    last_step: int | None = None


class ChartGrid(Vertical, can_focus=True):
    """Filter, pages, grid and full screen; axes, smoothing and zoom for all charts or for one."""

    BINDINGS = bindings("charts")
    BINDING_GROUP_TITLE = "Charts"

    class InSight(Message):
        """Other data are wanted."""

    def __init__(
        self,
        *,
        widget_id: str,
        shows: Callable[[MetricSummary], bool] = lambda _summary: True,
        empty: str = "no series yet: they appear with the first step of the run",
        over_time: bool = False,
    ) -> None:
        super().__init__(id=widget_id)
        self._shows = shows
        self._empty = empty
        self._over_time = over_time
        self._summaries: dict[str, MetricSummary] = {}
        self._pattern = re.compile("")
        self._page = 0
        self._pages = 1
        self._alone: str | None = None
        self._views = ChartViews()
        self._clock = Clock()
        self._keys: tuple[str, ...] = ()
        self._known: dict[tuple[str, bool], Series] = {}
        self._cursor: float | None = None
        self._cursor_due = False

    def compose(self) -> ComposeResult:
        yield FilterBar("regular expression, such as ^train/ or f1", widget_id=f"{self.id}-filter")
        yield Label("loading", classes="chart-status dim")
        yield Container(classes="chart-cells")

    def on_mount(self) -> None:
        self._views = ChartViews.from_plain(cast("ReeltopApp", self.app).memory.get(self._section))

    @property
    def in_sight(self) -> Sequence[MetricChart]:
        """The charts on this page."""
        return list(self.query(MetricChart))

    @property
    def wanted(self) -> list[SeriesWanted]:
        """What the charts in sight need: all of a series, or where one has zoomed in the finer points there."""
        return [
            SeriesWanted(chart.key, chart.points_wanted, *(chart.steps_wanted or ()))
            for chart in self.in_sight
        ]

    @property
    def chosen(self) -> MetricChart | None:
        """The chart that has the focus, else the first."""
        focused = self.screen.focused
        charts = self.in_sight
        inside = (chart for chart in charts if focused is not None and chart in focused.ancestors_with_self)
        return next(inside, charts[0] if charts else None)

    def show(self, summaries: Sequence[MetricSummary], clock: Clock) -> None:
        """Take in which series there are, their last values, and what a step is in other units."""
        self._summaries = {summary.key: summary for summary in summaries if self._shows(summary)}
        if clock.origin is not None and self._clock.origin is not None:
            clock = replace(clock, origin=min(clock.origin, self._clock.origin))
        self._set_clock(clock)
        self._arrange()
        for chart in self.in_sight:
            chart.show_summary(self._summaries.get(chart.key))

    def show_series(self, series: Series, *, whole: bool) -> None:
        """Draw a series, or the part of it that was asked for, where it is in sight."""
        if series.key in self._keys:
            self._known[series.key, whole] = series
        for chart in self.in_sight:
            if chart.key == series.key:
                self._give(chart, series, whole=whole)
        begun = series.points[0].time if whole and series.points else None
        if begun is not None and self._clock.origin is not None and begun < self._clock.origin:
            self._set_clock(
                replace(self._clock, origin=begun)
            )  # resumed: the run is older than its last start

        if self.has_focus:
            self.focus_first()

    def _give(self, chart: MetricChart, series: Series, *, whole: bool) -> None:
        if not whole:
            chart.show_part(series)
            return
        wanted = chart.steps_wanted
        chart.show(series)
        if chart.steps_wanted != wanted:
            self.post_message(self.InSight())

    def on_focus(self) -> None:
        self.focus_first()

    def open_filter(self) -> None:
        """Type a regular expression."""
        self.query_one(FilterBar).open()

    def action_log_y(self) -> None:
        """Logarithmic value axis, or linear."""
        self._views.turn_log(self._chosen_key)
        self._look()

    def action_axis(self) -> None:
        """The next x axis."""
        self._views.next_axis(self._chosen_key)
        self._look()

    def action_smooth(self, by: int) -> None:
        """More smoothing, or less."""
        self._views.smooth(by, self._chosen_key)
        self._look()

    def action_scope(self) -> None:
        """Let the keys act on all charts, or on the chosen one alone."""
        self._views.for_all = not self._views.for_all
        self._tell()

    def action_columns(self) -> None:
        """Another number of columns."""
        self._views.next_columns()
        self._remember()
        self._arrange()

    def action_rows(self) -> None:
        """Another number of rows."""
        self._views.next_rows()
        self._remember()
        self._arrange()

    def action_full(self) -> None:
        """One chart alone on the screen, or all again."""
        if self._alone is not None:
            self._alone = None
            self.screen.minimize()
        elif (chart := self.chosen) is not None:
            self._alone = chart.key
            self.screen.maximize(self, container=False)
        self._arrange()

    def action_page(self, by: int) -> None:
        """To the charts before or after."""
        if self._alone is not None:
            keys = self._matching()
            position = keys.index(self._alone) if self._alone in keys else 0
            self._alone = keys[max(0, min(len(keys) - 1, position + by))] if keys else None
        else:
            self._page += by
        self._arrange()

    def on_resize(self) -> None:
        if self._alone is not None and self.screen.maximized is not self:
            self._alone = None  # esc has brought the others back
        self._arrange()

    @on(MetricChart.Resized)
    def _resized(self, event: MetricChart.Resized) -> None:
        event.stop()
        self.post_message(self.InSight())

    @on(MetricChart.Looked)
    def _looked(self, event: MetricChart.Looked) -> None:
        event.stop()
        self._views.change(lambda look: replace(look, window=event.look.window), event.chart.key)
        self._look()

    @on(MetricChart.PointedAt)
    def _pointed(self, event: MetricChart.PointedAt) -> None:
        event.stop()
        if self._views.for_all:
            self._cursor = event.x
            if not self._cursor_due:  # a mouse is quicker than drawing: where it is by then counts
                self._cursor_due = True
                self.call_after_refresh(self._spread_cursor)

    def _spread_cursor(self) -> None:
        self._cursor_due = False
        for chart in self.in_sight:
            chart.set_cursor(self._cursor)

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        event.stop()
        if (pattern := self.query_one(FilterBar).pattern(event.text)) is None:
            return
        self._pattern = pattern
        self.query_one(FilterBar).show_error(None)
        self._page, self._alone = 0, None
        self._arrange()

    @on(FilterBar.Left)
    def _left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.query_one(FilterBar).close_if_empty()
        self.focus_first()

    def focus_first(self) -> None:
        """To the first chart, so that its keys work."""
        focusable = next((plot for chart in self.in_sight for plot in chart.query("Plot")), None)
        target = focusable or self
        if not target.has_focus:
            target.focus()

    @property
    def _chosen_key(self) -> str | None:
        chart = self.chosen
        return chart.key if chart is not None else None

    def _look(self) -> None:
        """Look at the charts in sight as was chosen, and remember it."""
        for chart in self.in_sight:
            chart.set_look(self._views.look_of(chart.key), self._clock)
        self._tell()
        self._remember()
        self.post_message(self.InSight())

    def _remember(self) -> None:
        cast("ReeltopApp", self.app).remember(self._section, self._views.to_plain())

    @property
    def _section(self) -> str:
        return f"charts:{self.id}"

    def _set_clock(self, clock: Clock) -> None:
        if clock != self._clock:
            self._clock = clock
            for chart in self.in_sight:
                chart.set_look(self._views.look_of(chart.key), clock)

    def _matching(self) -> list[str]:
        keys = [key for key in self._summaries if self._pattern.search(key)]
        return sorted(keys, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))

    def _arrange(self) -> None:
        cells = self.query_one(".chart-cells", Container)
        keys = self._matching()
        width, height = cells.size
        if not width or not height:
            self._tell()
            return  # not in sight yet: how many fit is known when it is
        most = max(1, width // _SMALLEST_CELL[0]), max(1, height // _SMALLEST_CELL[1])
        columns = min(most[0], self._views.columns or min(4, width // _CELL[0]))
        rows = min(most[1], self._views.rows or height // _CELL[1])
        columns = max(1, min(len(keys), columns))
        rows = max(1, min(-(-len(keys) // columns), rows))
        if self._alone is not None:
            columns = rows = 1
            chosen = [self._alone]
        else:
            self._pages = max(1, -(-len(keys) // (columns * rows)))
            self._page = max(0, min(self._page, self._pages - 1))
            first = self._page * columns * rows
            chosen = keys[first : first + columns * rows]
        cells.styles.grid_size_columns = columns
        cells.styles.grid_size_rows = rows
        same = tuple(chosen) == self._keys
        self._keys = tuple(chosen)
        self._tell()
        if not same:
            self._known = {
                (key, whole): series for (key, whole), series in self._known.items() if key in chosen
            }
            self.run_worker(self._mount(chosen), name="charts", group="charts", exclusive=True)

    async def _mount(self, keys: list[str]) -> None:
        cells = self.query_one(".chart-cells", Container)
        charts = list(cells.query(MetricChart))
        async with self.batch():
            for chart in charts[len(keys) :]:
                await chart.remove()
            new = [MetricChart(key, from_zero=self._over_time, asked=True) for key in keys[len(charts) :]]
            await cells.mount_all(new)
        for chart, key in zip([*charts, *new], keys, strict=False):
            chart.show_key(key)
            chart.set_look(self._views.look_of(key), self._clock)
            for whole in (True, False):  # what was answered before the chart had its place is not told again
                if (series := self._known.get((key, whole))) is not None:
                    self._give(chart, series, whole=whole)
            chart.show_summary(self._summaries.get(key))
        self.post_message(self.InSight())

    def _tell(self) -> None:
        status = self.query_one(".chart-status", Label)
        matching = len(self._matching())
        if not self._summaries:
            status.update(self._empty)
            return
        if matching == 0:
            status.update("no series matches")
            return
        of = f"{len(self._keys)} of " if self._keys else ""
        shown = printable(self._alone) if self._alone else f"{of}{matching} series"
        if self._pages > 1 and not self._alone:
            shown += f", page {self._page + 1}/{self._pages}"
        facts = self._views.words(self._chosen_key, self._clock, over_time=self._over_time)
        status.update(f"{shown}   {'  '.join(facts)}")
