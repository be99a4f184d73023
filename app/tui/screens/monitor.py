"""Mode 1: the machine, what runs and what waits, the curves and the log of the run under the cursor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.events import ScreenResume
from textual.widgets import OptionList

from app.tui.bindings import bindings
from app.tui.requests import LiveRuns, MachinePast, Page, Request, SeriesOf, Standings, Summaries, WaitingRuns
from app.tui.screens.queue_actions import QueueActions
from app.tui.screens.run_actions import Target
from app.tui.states import GLYPHS, title
from app.tui.widgets.alert_line import AlertLine
from app.tui.widgets.gpu_panel import Past
from app.tui.widgets.label import Label
from app.tui.widgets.live_list import LiveList
from app.tui.widgets.log_view import LogView
from app.tui.widgets.machine import Machine
from app.tui.widgets.metric_chart import MetricChart
from app.tui.widgets.rates_line import RatesLine
from app.tui.widgets.wait_list import WaitList
from engine.store.views import Intent, MetricSummary, RunPage, RunRow, Series

if TYPE_CHECKING:
    from engine.alerts import Alert
    from engine.store.live import Standing

LOSS, SCORE = "train/loss", "val/f1_mean"
_CURVES = {  # of a stage that trains nothing, or is not scored by its F1
    "extract": ("speed/videos", "speed/frames"),
    "pretrain": (LOSS, "train/mlm"),
    "contrast": (LOSS, "train/accuracy"),
}
_NEWEST = Page(limit=1)
_NEWEST_CHARTED = Page(f"{LOSS}<1e99", "-id", limit=1)
_TOO_SMALL = "too small: give 40x8"
_EMPTY = (
    "No runs yet.\n3 opens Launch: choose a configuration, ctrl+s queues it.\n"
    "Or leave with q and type: reeltop demo"
)


class Monitor(QueueActions):
    """Follows the newest live run until a person chooses another."""

    MODE = "monitor"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("monitor")
    BINDING_GROUP_TITLE = "Monitor"
    AUTO_FOCUS = "#live"

    def __init__(self) -> None:
        super().__init__()
        self._newest: RunRow | None = None
        self._newest_charted: RunRow | None = None
        self._charted_known = False
        self._answered = False
        self._emptiness: tuple[bool, bool, bool] | None = None
        self._shown: RunRow | None = None
        self._stopped: RunRow | None = None
        self._past_of: tuple[int, ...] | None = None  # runs whose measurements of the machine are wanted

    def compose_body(self) -> ComposeResult:
        yield Label(_TOO_SMALL, widget_id="too-small")
        yield Machine(self.reeltop.workspace, self.reeltop.replay)
        yield AlertLine(widget_id="monitor-alerts")
        with Container(id="monitor-body"):
            with Vertical(id="monitor-runs"):
                yield LiveList(widget_id="live")
                yield WaitList(widget_id="waiting")
                yield Label("loading", widget_id="monitor-empty", classes="hint")
                yield LogView(widget_id="monitor-log")
            with Container(id="monitor-charts"):
                yield MetricChart(LOSS, widget_id="chart-loss")
                yield MetricChart(SCORE, widget_id="chart-score")
                yield RatesLine(widget_id="chart-rates", classes="dim")

    def on_mount(self) -> None:
        self.query_one(LogView).border_title = "log"
        self.set_interval(1.0, self._tick)
        self.query_one(Machine).start()

    def on_screen_resume(self, _event: ScreenResume) -> None:
        for machine in self.query(Machine):
            machine.set_watched(True)
        self.show_alerts(self.reeltop.alarms.standing)

    def on_screen_suspend(self) -> None:
        for machine in self.query(Machine):
            machine.set_watched(False)

    def requests(self) -> Sequence[Request]:
        wanted: list[Request] = [_NEWEST]
        if not self._live:
            wanted.append(_NEWEST_CHARTED)
        if (run := self._charted()) is not None:
            charts = self.query(MetricChart)
            wanted += [SeriesOf(run.id, chart.key, chart.points_wanted) for chart in charts]
            wanted.append(Summaries(run.id))
        if self._past_of:
            wanted.append(MachinePast(self._past_of))
        if self._live:
            wanted.append(Standings(tuple(other.id for other in self._live)))
        return wanted

    def receive(self, request: Request, value: object) -> None:
        match request:
            case LiveRuns():
                live = self.query_one(LiveList)
                self._know_stopped(live.runs)
                live.show(self._live)
                self.query_one(Machine).show_runs(self._live)
                if (
                    self._past_of is None and self.reeltop.replay is None
                ):  # those that were there at the begin
                    self._past_of = tuple(run.id for run in self._live if run.host in (None, node()))
                self._follow()
            case WaitingRuns():
                self.query_one(WaitList).show(self._waiting)
                self._show_emptiness()
            case Page() if request == _NEWEST_CHARTED:
                page = cast(RunPage, value)
                self._know_charted(page.runs[0] if page.runs else None)
            case Page():
                page = cast(RunPage, value)
                self._newest = page.runs[0] if page.runs else None
                self._answered = True
                self._show_emptiness()
                self._follow()
            case Summaries(run_id=run_id):
                summaries = {summary.key: summary for summary in cast("tuple[MetricSummary, ...]", value)}
                if (run := self._charted()) is not None and run.id == run_id:
                    for chart in self.query(MetricChart):
                        chart.show_summary(summaries.get(chart.key))
                    self.query_one(RatesLine).show(summaries)
            case MachinePast():
                self._past_of = ()
                self.query_one(Machine).show_past(cast(Past, value))
            case Standings():
                self.query_one(LiveList).show_standings(cast("Mapping[int, Standing]", value))
            case SeriesOf(run_id=run_id, key=key):
                if (run := self._charted()) is not None and run.id == run_id:
                    for chart in self.query(MetricChart):
                        if chart.key == key:
                            chart.show(cast(Series, value), f"{GLYPHS[run.status]} {title(run)}")

    def refused(self, request: Request, message: str) -> None:
        if request == _NEWEST_CHARTED:  # no run has logged a loss yet
            self._know_charted(None)

    def current_run(self) -> RunRow | None:
        waiting = self.query_one(WaitList)
        if self.focused is waiting and waiting.current is not None:
            return waiting.current
        return self.query_one(LiveList).current or waiting.current or self._charted()

    def action_resume_run(self) -> None:
        """Resume the run under the cursor; where that goes on anyway, the one that was stopped here last."""
        run = self.current_run()
        if self._stopped is None or (run is not None and run.status.ended):
            super().action_resume_run()
            return
        self.reeltop.command(self.resuming([Target(self._stopped.id, title(self._stopped))]))

    def queued_run(self) -> RunRow | None:
        return self.query_one(WaitList).current

    def show_alerts(self, alerts: "Sequence[Alert]") -> None:
        """What a person should know now; none is a good sign."""
        for line in self.query(AlertLine):  # none before it is composed
            line.show(alerts)

    def on_machine_measured(self, message: Machine.Measured) -> None:
        self.reeltop.alarms.see_machine(message.gpus, message.host)

    def action_focus_queue(self) -> None:
        """To the runs that wait; again: to those that run."""
        waiting, live = self.query_one(WaitList), self.query_one(LiveList)
        if self.focused is waiting or not waiting.display:
            self.set_focus(live)
            if not waiting.display:
                self.notify("nothing waits", markup=False)
            return
        self.set_focus(waiting)
        if waiting.highlighted is None:
            waiting.highlighted = 0

    def action_focus_log(self) -> None:
        """To the log; again: the log alone."""
        log = self.query_one(LogView)
        if self.focused is log:
            log.action_full()
        else:
            log.focus()

    @on(OptionList.OptionHighlighted, "#live")
    def _choose(self, event: OptionList.OptionHighlighted) -> None:
        live = self.query_one(LiveList)
        if live.has_focus and event.option_index != 0:
            live.choose(int(event.option.id or 0))
        elif event.option_index == 0:
            live.choose(None)
        self._follow()

    @on(OptionList.OptionSelected)
    def _open(self) -> None:
        self.action_open_run()

    def on_resize(self) -> None:
        self.set_class(self.size.width < 40 or self.size.height < 8, "-too-small")
        self.ask()

    @on(MetricChart.Resized)
    def _other_points_wanted(self) -> None:
        self.ask()

    def _know_stopped(self, before: Sequence[RunRow]) -> None:
        """Of the runs that are gone since, one that a person has stopped; it is forgotten when it is back."""
        ids = {run.id for run in self._live}
        gone = [run for run in before if run.id not in ids and run.intent is not Intent.RUN]
        if gone:
            self._stopped = gone[-1]
            self.notify(f"run {title(gone[-1])} has ended; r goes on with it", markup=False)
        elif self._stopped is not None and self._stopped.id in ids:
            self._stopped = None

    def _charted(self) -> RunRow | None:
        """The run under the cursor; when nothing runs, the newest with a curve, else the newest."""
        if (live := self.query_one(LiveList).current) is not None or not self._charted_known:
            return live
        return self._newest_charted or self._newest

    def _know_charted(self, run: RunRow | None) -> None:
        self._newest_charted, self._charted_known = run, True
        self._follow()

    def _follow(self) -> None:
        """Let charts and log show the run under the cursor."""
        run = self._charted()
        if self._live:
            self._charted_known = False  # what is charted afterwards is asked for then
        elif not self._charted_known:
            self.ask()
            return
        if run is None:
            self.query_one(LogView).follow(None)
        elif self._shown is None or run.id != self._shown.id:
            for chart, key in zip(
                self.query(MetricChart), _CURVES.get(run.stage, (LOSS, SCORE)), strict=True
            ):
                chart.show_key(key)
                chart.show(None, f"{GLYPHS[run.status]} {title(run)}")
            self.query_one(RatesLine).show({})
            log = self.reeltop.workspace.resolve(run.directory) / "log.txt"
            self.query_one(LogView).follow(log, f"log of {title(run)}")
        self._shown = run
        self.ask()

    def _show_emptiness(self) -> None:
        empty = self._newest is None and not self._waiting.total and not self._live
        state = (empty, self._answered, bool(self._waiting.total))
        if state == self._emptiness:
            return
        self._emptiness = state
        label = self.query_one("#monitor-empty", Label)
        label.update(_EMPTY if self._answered else "loading")
        label.display = empty
        live = self.query_one(LiveList)
        appears = not empty and not live.display
        live.display = not empty
        if appears:
            self.set_focus(live)
        self.query_one(WaitList).display = bool(self._waiting.total)

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(LiveList).tick()
