"""One run: how it is doing, what it was given, its curves, scores, checkpoints and log."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from textual import on
from textual.app import ComposeResult
from textual.widgets import TabbedContent, TabPane

from app.tui.bindings import bindings
from app.tui.requests import Classes, Detail, LogEnd, Request, SeriesOf
from app.tui.screens.run_actions import RunActions
from app.tui.states import title
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.checkpoint_table import CheckpointTable
from app.tui.widgets.config_tree import ConfigTree
from app.tui.widgets.log_view import LogView
from app.tui.widgets.overview import Overview
from app.tui.widgets.run_head import RunHead
from app.tui.widgets.scores_view import ScoresView
from engine.store.views import ClassScore, RunDetail, RunRow, Series, Status

_FOCUS = {
    "overview": "Overview",
    "config": "#config-tree",
    "charts": "ChartGrid",
    "scores": "#evaluations",
    "checkpoints": "CheckpointTable",
    "log": "LogView",
}
_TABS = tuple(_FOCUS)


class RunScreen(RunActions):
    """Opens on the overview; there a failed run shows its error and the last lines of its log first."""

    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("run")
    BINDING_GROUP_TITLE = "Run"
    AUTO_FOCUS = "Overview"

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self._run_id = run_id
        self._detail: RunDetail | None = None

    def compose_body(self) -> ComposeResult:
        yield RunHead(widget_id="run-head")
        with TabbedContent(id="run-tabs"):
            yield TabPane("Overview", Overview(), id="overview")
            yield TabPane("Config", ConfigTree(), id="config")
            yield TabPane("Charts", ChartGrid(), id="charts")
            yield TabPane("Scores", ScoresView(), id="scores")
            yield TabPane("Checkpoints", CheckpointTable(), id="checkpoints")
            yield TabPane("Log", LogView(widget_id="run-log"), id="log")

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)

    def requests(self) -> Sequence[Request]:
        wanted: list[Request] = [Detail(self._run_id)]
        tab = self.query_one(TabbedContent).active
        if tab == "charts":
            charts = self.query_one(ChartGrid).in_sight
            wanted += [SeriesOf(self._run_id, chart.key, chart.points_wanted) for chart in charts]
        if tab == "scores" and (chosen := self.query_one(ScoresView).chosen) is not None:
            wanted.append(Classes(chosen))
        if self._detail is not None and self._detail.run.status in (Status.FAILED, Status.CRASHED):
            wanted.append(LogEnd(self._log_path(self._detail.run)))
        return wanted

    def receive(self, request: Request, value: object) -> None:
        match request:
            case Detail():
                self._show(cast(RunDetail, value))
            case SeriesOf():
                self.query_one(ChartGrid).show_series(cast(Series, value))
            case Classes():
                self.query_one(ScoresView).show_classes(cast("tuple[ClassScore, ...]", value))
            case LogEnd():
                self.query_one(Overview).show_log(cast("tuple[str, ...]", value))

    def refused(self, request: Request, message: str) -> None:
        self.query_one(RunHead).update(message)

    def current_run(self) -> RunRow | None:
        return self._detail.run if self._detail is not None else None

    def action_tab(self, by: int) -> None:
        """To the tab beside."""
        tabs = self.query_one(TabbedContent)
        tabs.active = _TABS[(_TABS.index(tabs.active) + by) % len(_TABS)]

    def action_filter(self) -> None:
        """Search what the tab shows, where that makes sense."""
        tab = self.query_one(TabbedContent).active
        if tab == "config":
            self.query_one(ConfigTree).open_filter()
        elif tab == "charts":
            self.query_one(ChartGrid).open_filter()

    @on(TabbedContent.TabActivated)
    def _tab_opened(self, event: TabbedContent.TabActivated) -> None:
        """To what the tab shows, so that its keys work at once."""
        if event.pane.id != self.query_one(TabbedContent).active:
            return  # already left again; focus in a hidden pane would bring it back, and so on without end
        event.pane.query_one(_FOCUS[event.pane.id or ""]).focus()
        self.ask()

    @on(ChartGrid.InSight)
    @on(ScoresView.Chosen)
    def _other_data_wanted(self) -> None:
        self.ask()

    def _show(self, detail: RunDetail) -> None:
        self._detail = detail
        self.query_one(RunHead).show(detail)
        self.query_one(Overview).show(detail)
        self.query_one(ConfigTree).show(detail.config)
        self.query_one(ChartGrid).show(detail.metrics)
        self.query_one(ScoresView).show(detail.evaluations)
        self.query_one(CheckpointTable).show(detail.checkpoints)
        self.query_one(LogView).follow(self._log_path(detail.run), f"log of {title(detail.run)}")
        self.ask()

    def _log_path(self, run: RunRow) -> Path:
        return self.reeltop.workspace.resolve(run.directory) / "log.txt"

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(RunHead).tick()
