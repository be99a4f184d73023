"""One run: how it is doing, what it was given, its curves, scores, classes, checkpoints, log, kin and machine."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, OptionList, TabbedContent, TabPane

from app.tui.bindings import bindings
from app.tui.curves import Clock
from app.tui.facts import flat
from app.tui.requests import Classes, ConfusionsOf, Detail, EnsembleOf, LineageOf, LogEnd, Request, SeriesOf
from app.tui.screens.run_exports import RunExports
from app.tui.states import title
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.checkpoint_table import CheckpointsView
from app.tui.widgets.classes_view import ClassesView
from app.tui.widgets.config_tree import ConfigTree
from app.tui.widgets.ensemble_view import EnsembleView
from app.tui.widgets.lineage_view import LineageView
from app.tui.widgets.log_pane import LogPane
from app.tui.widgets.overview import Overview
from app.tui.widgets.run_head import RunHead
from app.tui.widgets.run_tabs import RunTabs
from app.tui.widgets.scores_view import ScoresView
from engine.store.views import ClassScore, RunDetail, RunRow, Series, Status

if TYPE_CHECKING:
    from engine.confusions import Confusions
    from engine.ensemble.result import EnsembleResult
    from engine.store.lineage import Lineage

_FOCUS = {
    "overview": "Overview",
    "ensemble": "EnsembleView",
    "config": "#config-tree",
    "charts": "#charts-grid",
    "scores": "#evaluations",
    "classes": "#class-tree",
    "checkpoints": "CheckpointTable",
    "log": "LogView",
    "lineage": "#lineage",
    "system": "#system-grid",
}
_GRIDS = {"charts": "#charts-grid", "system": "#system-grid"}
_NO_SYSTEM = "no samples of the machine yet: a run takes one every two seconds"


class RunScreen(RunExports):
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
        with RunTabs(id="run-tabs"):
            yield TabPane("Overview", Overview(), id="overview")
            yield TabPane("Ensemble", EnsembleView(), id="ensemble")  # shown of ensemble runs only
            yield TabPane("Config", ConfigTree(), id="config")
            yield TabPane(
                "Charts",
                ChartGrid(widget_id="charts-grid", shows=lambda summary: summary.axis != "time"),
                id="charts",
            )
            yield TabPane("Scores", ScoresView(), id="scores")
            yield TabPane("Classes", ClassesView(), id="classes")
            yield TabPane("Checkpoints", CheckpointsView(), id="checkpoints")
            yield TabPane("Log", LogPane(), id="log")
            yield TabPane("Lineage", LineageView(), id="lineage")
            yield TabPane(
                "System",
                ChartGrid(
                    widget_id="system-grid",
                    shows=lambda summary: summary.axis == "time",
                    empty=_NO_SYSTEM,
                    over_time=True,
                ),
                id="system",
            )

    def on_mount(self) -> None:
        self.query_one(TabbedContent).hide_tab("ensemble")
        self.set_interval(1.0, self._tick)

    def requests(self) -> Sequence[Request]:
        wanted: list[Request] = [Detail(self._run_id)]
        tab = self.query_one(TabbedContent).active
        if self._detail is None:
            return wanted
        if tab in _GRIDS:
            grid = self.query_one(_GRIDS[tab], ChartGrid)
            wanted += [SeriesOf(self._run_id, *series) for series in grid.wanted]
        if tab == "classes":
            wanted.append(ConfusionsOf(self.reeltop.workspace, self._run_id))
            if (chosen := self.query_one(ScoresView).chosen) is not None:
                wanted.append(Classes(chosen))
        if tab == "ensemble":
            wanted.append(EnsembleOf(self.reeltop.workspace, self._run_id))
        if tab == "lineage":
            wanted.append(LineageOf(self._run_id))
        if self._detail.run.status in (Status.FAILED, Status.CRASHED):
            wanted.append(LogEnd(self._log_path(self._detail.run)))
        return wanted

    def receive(self, request: Request, value: object) -> None:
        match request:
            case Detail():
                self._show(cast(RunDetail, value))
            case SeriesOf(first_step=first):
                for grid in self.query(ChartGrid):
                    grid.show_series(cast(Series, value), whole=first is None)
            case Classes():
                self.query_one(ClassesView).show_classes(cast("tuple[ClassScore, ...]", value))
            case ConfusionsOf():
                self.query_one(ClassesView).show_confusions(cast("Confusions", value))
            case EnsembleOf():
                self.query_one(EnsembleView).show(cast("EnsembleResult", value))
            case LineageOf():
                self.query_one(LineageView).show(cast("Lineage", value))
            case LogEnd():
                self.query_one(Overview).show_log(cast("tuple[str, ...]", value))

    def refused(self, request: Request, message: str) -> None:
        if isinstance(request, ConfusionsOf):
            self.query_one(ClassesView).show_confusions(None, message)
        elif isinstance(request, EnsembleOf):
            self.query_one(EnsembleView).show_trouble(message)
        elif isinstance(request, Detail):
            known = self._detail is not None
            self._detail = None  # what is shown stays readable, the keys have nothing to act on
            gone = f"run {self._run_id} is gone: deleted by someone else" if known else message
            self.query_one(RunHead).show_gone(f"{gone}; esc goes back")
            self.ask()

    def current_run(self) -> RunRow | None:
        return self._detail.run if self._detail is not None else None

    def action_tab(self, by: int) -> None:
        """To the tab beside."""
        tabs = self.query_one(TabbedContent)
        panes = [pane.id or "" for pane in tabs.query(TabPane) if tabs.get_tab(pane).display]
        tabs.active = panes[(panes.index(tabs.active) + by) % len(panes)]

    def action_filter(self) -> None:
        """Search what the tab shows, or the settings where it has nothing to search."""
        tabs = self.query_one(TabbedContent)
        if tabs.active == "log":
            self.query_one(LogPane).open_filter()
        elif tabs.active in _GRIDS:
            self.query_one(_GRIDS[tabs.active], ChartGrid).open_filter()
        elif tabs.active in ("overview", "config"):
            tabs.active = "config"
            self.query_one(ConfigTree).open_filter()
        else:
            self.notify("this tab has nothing to search: charts, settings and the log have", markup=False)

    @on(TabbedContent.TabActivated)
    def _tab_opened(self, event: TabbedContent.TabActivated) -> None:
        """To what the tab shows, so that its keys work at once."""
        if event.pane.id != self.query_one(TabbedContent).active:
            return  # already left again
        if self.maximized is not None and self.maximized not in event.pane.query("*"):
            self.minimize()
        inside = self.focused is not None and event.pane in self.focused.ancestors
        target = _FOCUS.get(event.pane.id or "")
        if target is not None and not inside:
            event.pane.query_one(target).focus()
        self.ask()

    @on(ChartGrid.InSight)
    def _other_series_wanted(self) -> None:
        self.ask()

    @on(ScoresView.Chosen)
    def _evaluation_chosen(self) -> None:
        self.query_one(ClassesView).show_evaluation(self.query_one(ScoresView).chosen_row)
        self.ask()

    @on(DataTable.RowSelected, "#evaluations")
    def _classes_wanted(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.query_one(TabbedContent).active = "classes"

    @on(ClassesView.Stepped)
    def _evaluation_stepped(self, event: ClassesView.Stepped) -> None:
        event.stop()
        self.query_one(ScoresView).step(event.by)

    @on(OptionList.OptionSelected, "#lineage")
    def _kin_chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        view = self.query_one(LineageView)
        run_id = view.run_at(event.option_index)
        if run_id is None:
            self.notify("this is the run itself: up and down go to the others", markup=False)
        elif view.deleted(run_id):
            self.notify(
                f"run {run_id} was deleted: there is no page about it", severity="warning", markup=False
            )
        else:
            self.reeltop.open_run(run_id)

    def _show(self, detail: RunDetail) -> None:
        if detail.run.stage == "ensemble":
            self.query_one(TabbedContent).show_tab("ensemble")
        self._detail = detail
        self.query_one(RunHead).show(detail)
        self.query_one(Overview).show(detail)
        self.query_one(ConfigTree).show(detail.config, detail.env)
        clock = _clock(detail)
        for grid in self.query(ChartGrid):
            grid.show(detail.metrics, clock)
        ended = detail.run.status.ended
        self.query_one(ScoresView).show(detail.evaluations, ended=ended)
        self.query_one(ClassesView).show_ended(ended)
        self.query_one(CheckpointsView).show(detail.checkpoints, ended=ended)
        self.query_one(LogPane).follow(self._log_path(detail.run), f"log of {title(detail.run)}")
        self.ask()

    def _log_path(self, run: RunRow) -> Path:
        return self.reeltop.workspace.resolve(run.directory) / "log.txt"

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(RunHead).tick()


def _clock(detail: RunDetail) -> Clock:
    """When the run began, and how much of an epoch a step is, from what it has said of its progress or its passes."""
    run = detail.run
    origin = run.started.replace(tzinfo=UTC).timestamp() if run.started is not None else None
    epochs = dict(flat(detail.config)).get("training.epochs")
    progress = run.progress
    if isinstance(epochs, int) and progress is not None and progress.unit == "step" and progress.total > 0:
        return Clock(origin, epochs / progress.total)
    rates = [row.epoch / row.step for row in detail.evaluations if row.epoch and row.step > 0]
    rates += [saved.epoch / saved.step for saved in detail.checkpoints if saved.epoch and saved.step > 0]
    return Clock(origin, rates[-1] if rates else None)
