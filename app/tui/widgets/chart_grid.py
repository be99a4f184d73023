"""All series of a run as charts, as many as fit at a time; only those in sight are asked for and drawn."""

import re
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from app.tui.bindings import bindings
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from engine.format import printable
from engine.store.views import MetricSummary, Series

_CELL = (38, 9)
_FIRST = ("train/loss", "val/f1_mean", "val/loss", "train/lr")


class ChartGrid(Vertical, can_focus=True):
    """`/` filters by regular expression, page keys turn pages, `f` shows one chart alone."""

    BINDINGS = bindings("charts")
    BINDING_GROUP_TITLE = "Charts"

    class InSight(Message):
        """Other charts are in sight."""

    def __init__(self) -> None:
        super().__init__()
        self._summaries: dict[str, MetricSummary] = {}
        self._pattern = re.compile("")
        self._page = 0
        self._alone: str | None = None
        self._log_y = False
        self._keys: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield FilterBar("regular expression, such as ^train/ or f1", widget_id="chart-filter")
        yield Label("loading", widget_id="chart-status", classes="dim")
        yield Container(id="chart-cells")

    @property
    def in_sight(self) -> Sequence[MetricChart]:
        """The charts on this page."""
        return list(self.query(MetricChart))

    def show(self, summaries: Sequence[MetricSummary]) -> None:
        """Take in which series there are, and their last values."""
        self._summaries = {summary.key: summary for summary in summaries}
        self._arrange()
        for chart in self.in_sight:
            chart.show_summary(self._summaries.get(chart.key))

    def show_series(self, series: Series) -> None:
        """Draw a series where it is in sight."""
        for chart in self.in_sight:
            if chart.key == series.key:
                chart.show(series)

    def open_filter(self) -> None:
        """Type a regular expression."""
        self.query_one(FilterBar).open()

    def action_log_y(self) -> None:
        self._log_y = not self._log_y
        for chart in self.in_sight:
            chart.set_log(self._log_y)
        self._tell(len(self._matching()))

    def action_full(self) -> None:
        """One chart alone, or all again."""
        if self._alone is not None:
            self._alone = None
        elif self._keys:
            focused = self.screen.focused
            inside = next((c for c in self.in_sight if focused is not None and c in focused.ancestors), None)
            self._alone = inside.key if inside is not None else self._keys[0]
        self._arrange()

    def action_page(self, by: int) -> None:
        if self._alone is not None:
            keys = self._matching()
            position = keys.index(self._alone) if self._alone in keys else 0
            self._alone = keys[max(0, min(len(keys) - 1, position + by))] if keys else None
        else:
            self._page += by
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

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
        focusable = next((w for chart in self.in_sight for w in chart.query("Plot")), None)
        (focusable or self).focus()

    def _matching(self) -> list[str]:
        keys = [key for key in self._summaries if self._pattern.search(key)]
        return sorted(keys, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))

    def _arrange(self) -> None:
        cells = self.query_one("#chart-cells", Container)
        keys = self._matching()
        columns = max(1, min(len(keys), cells.size.width // _CELL[0], 4))
        rows = max(1, min(-(-len(keys) // columns), cells.size.height // _CELL[1]))
        if self._alone is not None:
            columns = rows = 1
            chosen = [self._alone]
        else:
            pages = max(1, -(-len(keys) // (columns * rows)))
            self._page = max(0, min(self._page, pages - 1))
            first = self._page * columns * rows
            chosen = keys[first : first + columns * rows]
        cells.styles.grid_size_columns = columns
        cells.styles.grid_size_rows = rows
        same = tuple(chosen) == self._keys
        self._keys = tuple(chosen)
        self._tell(len(keys))
        if same:
            return
        self.run_worker(self._mount(list(chosen)), name="charts", group="charts", exclusive=True)

    async def _mount(self, keys: list[str]) -> None:
        cells = self.query_one("#chart-cells", Container)
        charts = list(cells.query(MetricChart))
        async with self.batch():
            for chart in charts[len(keys) :]:
                await chart.remove()
            new = [MetricChart(key) for key in keys[len(charts) :]]
            await cells.mount_all(new)
        for chart, key in zip([*charts, *new], keys, strict=False):
            chart.show_key(key)
            chart.set_log(self._log_y)
            chart.show_summary(self._summaries.get(key))
        self.post_message(self.InSight())

    def _tell(self, matching: int) -> None:
        status = self.query_one("#chart-status", Label)
        if not self._summaries:
            status.update("no series yet: they appear with the first step of the run")
            return
        if matching == 0:
            status.update("no series matches")
            return
        shown = printable(self._alone) if self._alone else f"{len(self._keys)} of {matching} series"
        status.update(f"{shown}{'   logarithmic' if self._log_y else ''}")
