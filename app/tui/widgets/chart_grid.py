"""Series of a run as charts, as many as fit at a time; only those in sight are asked for and drawn."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from app.tui.bindings import bindings
from app.tui.curves import AXES, SMOOTHINGS, Clock, Look
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from engine.format import printable
from engine.store.views import MetricSummary, Series

_CELL = (38, 9)
_SMALLEST_CELL = (20, 6)
_COLUMNS = (None, 1, 2, 3, 4, 6)
_ROWS = (None, 1, 2, 3, 4)
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
        from_zero: bool = False,
    ) -> None:
        super().__init__(id=widget_id)
        self._shows = shows
        self._empty = empty
        self._from_zero = from_zero
        self._summaries: dict[str, MetricSummary] = {}
        self._pattern = re.compile("")
        self._page = 0
        self._pages = 1
        self._alone: str | None = None
        self._shared = Look()
        self._own: dict[str, Look] = {}
        self._for_all = True
        self._columns: int | None = None
        self._rows: int | None = None
        self._clock = Clock()
        self._keys: tuple[str, ...] = ()
        self._cursor: float | None = None
        self._cursor_due = False

    def compose(self) -> ComposeResult:
        yield FilterBar("regular expression, such as ^train/ or f1", widget_id=f"{self.id}-filter")
        yield Label("loading", classes="chart-status dim")
        yield Container(classes="chart-cells")

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
        for chart in self.in_sight:
            if chart.key != series.key:
                continue
            if not whole:
                chart.show_part(series)
                continue
            known = chart.steps_wanted
            chart.show(series)
            if chart.steps_wanted != known:
                self.post_message(self.InSight())
        begun = series.points[0].time if whole and series.points else None
        if begun is not None and self._clock.origin is not None and begun < self._clock.origin:
            self._set_clock(
                replace(self._clock, origin=begun)
            )  # resumed: the run is older than its last start

        if self.has_focus:
            self.focus_first()

    def on_focus(self) -> None:
        self.focus_first()

    def open_filter(self) -> None:
        """Type a regular expression."""
        self.query_one(FilterBar).open()

    def action_log_y(self) -> None:
        """Logarithmic value axis, or linear."""
        self._change(lambda look: replace(look, log_y=not self._chosen_look.log_y))

    def action_axis(self) -> None:
        """The next x axis."""
        axis = AXES[(AXES.index(self._chosen_look.axis) + 1) % len(AXES)]
        self._change(lambda look: look.with_axis(axis))

    def action_smooth(self, by: int) -> None:
        """More smoothing, or less."""
        place = SMOOTHINGS.index(self._chosen_look.smoothing) + by
        self._change(lambda look: replace(look, smoothing=SMOOTHINGS[place % len(SMOOTHINGS)]))

    def action_scope(self) -> None:
        """Let the keys act on all charts, or on the chosen one alone."""
        self._for_all = not self._for_all
        self._tell()

    def action_columns(self) -> None:
        """Another number of columns."""
        self._columns = _COLUMNS[(_COLUMNS.index(self._columns) + 1) % len(_COLUMNS)]
        self._arrange()

    def action_rows(self) -> None:
        """Another number of rows."""
        self._rows = _ROWS[(_ROWS.index(self._rows) + 1) % len(_ROWS)]
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

    @on(MetricChart.Looked)
    def _looked(self, event: MetricChart.Looked) -> None:
        event.stop()
        self._change(lambda look: replace(look, window=event.look.window), event.chart)

    @on(MetricChart.PointedAt)
    def _pointed(self, event: MetricChart.PointedAt) -> None:
        event.stop()
        if self._for_all:
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
        try:
            self._pattern = re.compile(event.text.strip())
        except re.error as error:
            self.query_one(FilterBar).show_error(error.msg, error.pos or 0)
            return
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
    def _chosen_look(self) -> Look:
        chart = self.chosen
        return self._shared if self._for_all or chart is None else self._look_of(chart.key)

    def _look_of(self, key: str) -> Look:
        return self._own.get(key, self._shared)

    def _change(self, changed: Callable[[Look], Look], chart: MetricChart | None = None) -> None:
        """Look in another way at all charts, or at the chosen one; of the others each keeps what is its own."""
        chart = chart or self.chosen
        if self._for_all:
            self._shared = changed(self._shared)
            self._own = {key: changed(look) for key, look in self._own.items()}
        elif chart is not None:
            self._own[chart.key] = changed(self._look_of(chart.key))
        for each in self.in_sight:
            each.set_look(self._look_of(each.key), self._clock)
        self._tell()
        self.post_message(self.InSight())

    def _set_clock(self, clock: Clock) -> None:
        if clock != self._clock:
            self._clock = clock
            for chart in self.in_sight:
                chart.set_look(self._look_of(chart.key), clock)

    def _matching(self) -> list[str]:
        keys = [key for key in self._summaries if self._pattern.search(key)]
        return sorted(keys, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))

    def _arrange(self) -> None:
        cells = self.query_one(".chart-cells", Container)
        keys = self._matching()
        width, height = cells.size
        most = max(1, width // _SMALLEST_CELL[0]), max(1, height // _SMALLEST_CELL[1])
        columns = min(most[0], self._columns or min(4, width // _CELL[0]))
        rows = min(most[1], self._rows or height // _CELL[1])
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
            self.run_worker(partial(self._mount, chosen), name="charts", group="charts", exclusive=True)

    async def _mount(self, keys: list[str]) -> None:
        cells = self.query_one(".chart-cells", Container)
        charts = list(cells.query(MetricChart))
        async with self.batch():
            for chart in charts[len(keys) :]:
                await chart.remove()
            new = [MetricChart(key, from_zero=self._from_zero) for key in keys[len(charts) :]]
            await cells.mount_all(new)
        for chart, key in zip([*charts, *new], keys, strict=False):
            chart.show_key(key)
            chart.set_look(self._look_of(key), self._clock)
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
        shown = printable(self._alone) if self._alone else f"{len(self._keys)} of {matching} series"
        if self._pages > 1 and not self._alone:
            shown += f", page {self._page + 1} of {self._pages}"
        look = self._chosen_look
        chart = self.chosen
        facts = [
            "all charts" if self._for_all or chart is None else f"only {printable(chart.key)}",
            f"x {look.axis}",
        ]
        if look.axis == "epoch" and self._clock.epochs_per_step is None:
            facts[-1] += " (not known: step)"
        facts.append("y logarithmic" if look.log_y else "y linear")
        facts.append(f"smoothing {look.smoothing:g}" if look.smoothing else "no smoothing")
        if look.window is not None:
            facts.append("zoomed")
        if self._columns or self._rows:
            facts.append(f"grid {self._columns or 'auto'} x {self._rows or 'auto'}")
        status.update(f"{shown}   {'  '.join(facts)}")
