"""Mode 3: a configuration file, a form made from its model, and what would run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Tree

from app.tui import troubles
from app.tui.bindings import bindings
from app.tui.forms import Opened, Plan, find_files, open_file, plan_form, plan_pipeline
from app.tui.screens.base import ReeltopScreen
from app.tui.widgets.config_files import ConfigFiles
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.plan_view import PlanView
from engine.errors import StoreError
from engine.format import printable

if TYPE_CHECKING:
    from engine.store.database import Store

_PAUSE_SECONDS = 0.15
_EMPTY = "No configuration files in {folder}.\n\n`reeltop init` puts the shipped ones there; f5 looks again."


class Launch(ReeltopScreen):
    """Enter on a file goes to its form, esc comes back; typing is checked in a thread."""

    MODE = "launch"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("launch")
    BINDING_GROUP_TITLE = "Launch"
    AUTO_FOCUS = "ConfigFiles"

    @dataclass
    class Found(Message):
        """The files of the workspace."""

        files: tuple[Path, ...]

    @dataclass
    class FileRead(Message):
        """A file was read."""

        opened: Opened

    @dataclass
    class Planned(Message):
        """What queueing would do, for the form as it was in `version`."""

        version: int
        plan: Plan

    def __init__(self) -> None:
        super().__init__()
        self._opened: Opened | None = None
        self._plan: Plan | None = None
        self._version = 0
        self._timer: Timer | None = None
        self._wanted: Path | None = None

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="launch-body"):
            yield ConfigFiles(widget_id="launch-files")
            with Container(id="launch-main"):
                yield ConfigForm(widget_id="launch-form")
                yield PlanView(widget_id="launch-plan")

    def on_mount(self) -> None:
        self.action_reload()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self._opened is not None:
            self._check_soon()  # what the inputs name may have changed meanwhile

    def open_config(self, path: Path) -> None:
        """Open a file of the workspace, given below `configs/`."""
        self.query_one(ConfigFiles).choose(path)
        self._read(path)

    def action_reload(self) -> None:
        """Look for files and read the open one again."""
        folder = self.reeltop.workspace.configs
        self._in_thread("files", lambda: self.Found(find_files(folder)))
        if self._opened is not None:
            self._wanted = None
            self._read(self._opened.path)

    def action_back(self) -> None:
        """From the form to the files."""
        if self.screen.query("HelpPanel"):
            self.app.action_hide_help_panel()
        else:
            self.query_one(ConfigFiles).focus()

    def action_queue(self) -> None:
        """Queue what the right side shows."""
        opened, plan = self._opened, self._plan
        if opened is None or plan is None:
            self.notify("choose a configuration first", severity="warning", markup=False)
            return
        if not plan.runs:
            self.notify("nothing to queue: see the errors", severity="error", markup=False)
            return
        workspace = self.reeltop.workspace

        def queue(store: "Store") -> str:
            from engine.submit import submit

            ids = submit(workspace, store, plan.runs)
            shown = ", ".join(
                f"{run_id} {printable(run.name)}"
                for run_id, run in zip(ids, plan.runs, strict=True)
                if run.reuses is None
            )
            if not shown:
                return "nothing to run: all of it is finished and unchanged"
            return f"queued {shown}; 1 shows the queue"

        self.reeltop.command(queue)

    def on_launch_found(self, message: Found) -> None:
        self.query_one(ConfigFiles).show(message.files)
        if not message.files:
            folder = printable(str(self.reeltop.workspace.configs))
            self._show_text(_EMPTY.format(folder=folder))

    @on(Tree.NodeHighlighted, "#launch-files")
    def _file_highlighted(self, event: Tree.NodeHighlighted[Path]) -> None:
        if event.node.data is not None:
            self._read(event.node.data)

    @on(Tree.NodeSelected, "#launch-files")
    def _file_chosen(self, event: Tree.NodeSelected[Path]) -> None:
        if event.node.data is not None:
            self.query_one(ConfigForm).focus_first()

    async def on_launch_file_read(self, message: FileRead) -> None:
        opened = message.opened
        if self._wanted != opened.path:
            return
        self._opened, self._plan = opened, None
        form = self.query_one(ConfigForm)
        form.border_title = Content(printable(opened.path.name))
        if opened.problem is not None:
            self._show_text(f"✗ {printable(opened.problem)}")
            self.query_one(PlanView).clear("nothing: the file has to be corrected first")
            return
        if opened.is_pipeline:
            await form.show_text(
                Content("A pipeline: its runs are queued as a whole, each after those it needs.")
            )
        else:
            await form.show(opened.specs, opened.values)
        self._check()

    @on(FieldRow.Changed)
    def _field_changed(self) -> None:
        self._check_soon()

    def on_launch_planned(self, message: Planned) -> None:
        if message.version != self._version or self._opened is None:
            return
        self._plan = message.plan
        form = self.query_one(ConfigForm)
        form.show_errors(message.plan.errors)
        self.query_one(PlanView).show(message.plan, self._opened.values, form.values)

    def _read(self, path: Path) -> None:
        full = self.reeltop.workspace.configs / path
        if self._wanted == full:
            return
        self._wanted = full
        self._in_thread("read", lambda: self.FileRead(open_file(full)))

    def _check_soon(self) -> None:
        """A moment after the last key; until then nothing can be queued."""
        self._plan = None
        self._version += 1
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_SECONDS, self._check)

    def _check(self) -> None:
        opened = self._opened
        if opened is None or opened.problem is not None:
            return
        self._version += 1
        version, values = self._version, dict(self.query_one(ConfigForm).values)
        workspace, feed = self.reeltop.workspace, self.reeltop.feed

        def plan() -> Message:
            try:
                store = feed.store()
                if opened.stage is None:
                    return self.Planned(version, plan_pipeline(workspace, store, opened.path))
                return self.Planned(version, plan_form(workspace, store, opened.stage, values))
            except StoreError as error:
                return self.Planned(version, Plan(problem=str(error)))

        self._in_thread("plan", plan)

    def _in_thread(self, name: str, work: Callable[[], Message]) -> None:
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

    def _show_text(self, text: str) -> None:
        self.run_worker(
            self.query_one(ConfigForm).show_text(Content(text)), name="text", group="text", exclusive=True
        )
