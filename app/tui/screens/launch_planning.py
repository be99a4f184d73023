"""What the form that is open would do: checked while one types, estimated, queued."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.timer import Timer

from app.tui import troubles
from app.tui.forms import Plan, estimates_of, plan_form, plan_pipeline
from app.tui.plan_text import plan_lines
from app.tui.screens.launch_actions import LaunchActions
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.plan_view import PlanView
from engine.errors import StoreError
from engine.format import printable

if TYPE_CHECKING:
    from engine.planning.estimate import Estimate
    from engine.store.database import Store
    from engine.store.views import NewRun

_PAUSE_SECONDS = 0.15
_MANY_RUNS = 20


class LaunchPlanning(LaunchActions):
    """Plans and estimates in threads; only the newest answer counts."""

    @dataclass
    class Planned(Message):
        """What queueing would do, for the form as it was in `version`."""

        version: int
        plan: Plan

    @dataclass
    class Estimated(Message):
        """What the runs of `version` take (text: why that is unknown), and the least GPU's and the host's memory."""

        version: int
        estimates: "Sequence[Estimate] | str"
        limits: tuple[int | None, int | None]

    def __init__(self) -> None:
        super().__init__()
        self._version = 0
        self._timer: Timer | None = None
        self._estimates: Sequence[Estimate] | str | None = None
        self._estimated: tuple[NewRun, ...] = ()
        self._limits: tuple[int | None, int | None] = (None, None)

    def action_queue(self) -> None:
        """Queue what the right side shows; many runs after one question."""
        opened, plan = self._opened, self._plan
        if opened is None or plan is None:
            told = "choose a configuration first" if opened is None else "still being checked: try again"
            self.notify(told, severity="warning", markup=False)
            return
        if not plan.runs:
            self.notify("nothing to queue: see the errors", severity="error", markup=False)
            return
        new = sum(run.reuses is None for run in plan.runs)
        if new < _MANY_RUNS:
            self._queue(plan.runs)
            return
        from app.tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self._queue(plan.runs)

        self.app.push_screen(Confirm(f"Queue {new} runs?", "Each can be cancelled while it waits."), answered)

    def _queue(self, runs: "tuple[NewRun, ...]") -> None:
        workspace = self.reeltop.workspace

        def queue(store: "Store") -> str:
            from engine.planning.submit import submit

            ids = submit(workspace, store, runs)
            shown = [
                f"{run_id} {printable(run.name)}"
                for run_id, run in zip(ids, runs, strict=True)
                if run.reuses is None
            ]
            if not shown:
                return "nothing to run: all of it is finished and unchanged"
            told = ", ".join(shown) if len(shown) < _MANY_RUNS else f"{len(shown)} runs, the first {shown[0]}"
            return f"queued {told}; 1 shows the queue"

        self.reeltop.command(queue)

    @on(Planned)
    def _take_plan(self, message: Planned) -> None:
        if message.version != self._version or self._opened is None:
            return
        same = message.plan.runs == self._estimated
        self._plan, self._estimates = message.plan, self._estimates if same else None
        self.query_one(ConfigForm).show_plan(message.plan.errors, message.plan.matrix)
        self._show_plan()
        if message.plan.runs:
            self._estimate(message.version, message.plan.runs)

    @on(Estimated)
    def _take_estimates(self, message: Estimated) -> None:
        if message.version == self._version:
            self._estimates, self._limits = message.estimates, message.limits
            self._estimated = self._plan.runs if self._plan is not None else ()
            self._show_plan()

    def _show_plan(self) -> None:
        if self._plan is not None and self._opened is not None:
            values = self.query_one(ConfigForm).values
            lines = plan_lines(self._plan, self._opened, values, self._estimates, self._limits)
            self.query_one(PlanView).show(lines)

    def check_soon(self) -> None:
        """A moment after the last key; until then nothing can be queued."""
        self._plan = None
        self._version += 1
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_SECONDS, self.check)

    def check(self) -> None:
        """Check the form now."""
        opened = self._opened
        if opened is None or opened.problem is not None:
            return
        self._version += 1
        version, values = self._version, dict(self.query_one(ConfigForm).values)
        workspace, feed = self.reeltop.workspace, self.reeltop.feed

        def plan() -> Message:
            try:
                store = feed.store()
                if opened.stage is not None:
                    return self.Planned(version, plan_form(workspace, store, opened.stage, values))
                assert opened.path is not None
                return self.Planned(version, plan_pipeline(workspace, store, opened.path, values))
            except StoreError as error:
                return self.Planned(version, Plan(problem=str(error)))

        self.in_thread("plan", plan)

    def _estimate(self, version: int, runs: "tuple[NewRun, ...]") -> None:
        workspace, feed, replay = self.reeltop.workspace, self.reeltop.feed, self.reeltop.replay

        def estimate() -> Message:
            from engine.telemetry import memory_limits

            try:
                found: Sequence[Estimate] | str = estimates_of(workspace, feed.store(), runs)
            except troubles.expected() as error:
                found = troubles.one_line(error)
            return self.Estimated(version, found, memory_limits(replay))

        self.in_thread("estimate", estimate)

    def in_thread(self, name: str, work: Callable[[], Message]) -> None:
        def run() -> None:
            try:
                message = work()
            except troubles.expected() as error:
                self.app.call_from_thread(
                    self.notify, troubles.one_line(error), severity="error", markup=False
                )
                return
            self.post_message(message)

        self.run_worker(run, name=name, group=name, thread=True, exclusive=True)
