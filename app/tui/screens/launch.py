"""Mode 3: a configuration file, a form made from its model, and what would run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.events import ScreenResume
from textual.message import Message
from textual.widgets import Tree

from app.tui.bindings import bindings
from app.tui.forms import Opened, find_files, open_file, opened_config
from app.tui.screens.launch_planning import LaunchPlanning
from app.tui.widgets.config_files import ConfigFiles
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from app.tui.widgets.plan_view import PlanView
from engine.errors import ReeltopError
from engine.format import printable

if TYPE_CHECKING:
    from engine.config.base import StageConfig
    from engine.store.database import Store

_TOO_SMALL = "too small: give 40x8"
_EMPTY = "No configuration files in {folder}.\n\n`reeltop init` puts the shipped ones there; f5 looks again."


class Launch(LaunchPlanning):
    """Enter on a file goes to its form, esc comes back; what is typed is kept while other files are looked at."""

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
        """A file was read, or a form made from a run; `wanted` says which."""

        wanted: object
        opened: Opened

    def __init__(self) -> None:
        super().__init__()
        self._wanted: object = None
        self._enter: Path | None = None  # a file whose form is to be entered when it is there
        self._typed: dict[Path, dict[str, str]] = {}

    def compose_body(self) -> ComposeResult:
        yield Label(_TOO_SMALL, widget_id="too-small")
        with Horizontal(id="launch-body"):
            yield ConfigFiles(widget_id="launch-files")
            with Container(id="launch-main"):
                yield ConfigForm(widget_id="launch-form")
                yield PlanView(widget_id="launch-plan")

    def on_mount(self) -> None:
        self._find_files()

    def on_resize(self) -> None:
        self.set_class(self.size.width < 40 or self.size.height < 8, "-too-small")
        self.set_class(self.size.width < 60, "-slim")
        if self._plan is not None:
            self.query_one(ConfigForm).show_plan(self._plan.errors, self._plan.matrix)
        if self.focused is not None:
            self.call_after_refresh(self.focused.scroll_visible, animate=False)

    def on_screen_resume(self, _event: ScreenResume) -> None:
        if self._opened is not None:
            self.check_soon()  # what the inputs name may have changed meanwhile

    def open_config(self, path: Path) -> None:
        """Open a file of the workspace, given below `configs/`."""
        self.query_one(ConfigFiles).choose(path)
        self._read(path)

    def open_again(self, run_id: int) -> None:
        """A form with the config of a run, under a free name."""

        def made(store: "Store") -> "StageConfig":
            from engine.planning.relaunch import config_again

            return config_again(store, run_id)

        self._open_made(("again", run_id), f"again: run {run_id}", f"run {run_id}", made)

    def open_from(self, run_id: int, which: str | None) -> None:
        """A form of a finetune run that starts from a run's checkpoint."""

        def made(store: "Store") -> "StageConfig":
            from engine.planning.relaunch import finetune_from

            return finetune_from(store, run_id, which)

        name = f"run {run_id}{f'@{which}' if which else ''}"
        self._open_made(("from", run_id, which), f"finetune from {name}", "what it began with", made)

    def reopen(self, path: Path) -> None:
        self._find_files()
        self._wanted = None
        self.open_config(path.relative_to(self.reeltop.workspace.configs))

    def action_reload(self) -> None:
        """Look for files and read the open one again; what was typed is dropped."""
        self._find_files()
        self._typed.clear()
        if self._opened is not None:
            if self._opened.path is None:
                self.take_opened(self._opened)
            else:
                self._wanted = None
                self._read(self._opened.path)

    def action_back(self) -> None:
        """From the form to the files."""
        if self.screen.query("HelpPanel"):
            self.app.action_hide_help_panel()
        else:
            self.query_one(ConfigFiles).focus()

    def on_launch_found(self, message: Found) -> None:
        self.query_one(ConfigFiles).show(message.files)
        if not message.files and self._opened is None:
            folder = printable(str(self.reeltop.workspace.configs))
            self._show_text(_EMPTY.format(folder=folder))

    @on(Tree.NodeHighlighted, "#launch-files")
    def _file_highlighted(self, event: Tree.NodeHighlighted[Path]) -> None:
        resting = isinstance(self._wanted, tuple) and event.node.line == 0
        if event.node.data is not None and not resting:
            self._read(event.node.data)

    @on(Tree.NodeSelected, "#launch-files")
    def _file_chosen(self, event: Tree.NodeSelected[Path]) -> None:
        if event.node.data is None:
            return
        self._enter = self.reeltop.workspace.configs / event.node.data
        self._read(event.node.data)
        if self._opened is not None and self._opened.path == self._enter == self._wanted:
            self._enter = None
            self.query_one(ConfigForm).focus_first()

    async def on_launch_file_read(self, message: FileRead) -> None:
        if self._wanted == message.wanted:
            await self._show_opened(message.opened)

    def take_opened(self, opened: Opened) -> None:
        self.run_worker(self._show_opened(opened), name="text", group="text", exclusive=True)

    def forget_changes(self) -> None:
        if self._opened is not None and self._opened.path is not None:
            self._typed.pop(self._opened.path, None)

    async def _show_opened(self, opened: Opened) -> None:
        same = self._opened is not None and opened.title == self._opened.title
        self._opened, self._plan = opened, None
        self._rejected = self._rejected if same else None
        form = self.query_one(ConfigForm)
        form.border_title = Content(printable(opened.title))
        form.border_subtitle = "a pipeline: queued as a whole" if opened.is_pipeline else ""
        if opened.problem is not None:
            await form.show_text(Content(f"✗ {printable(opened.problem)}\n\no opens the file in your editor"))
            self.query_one(PlanView).clear("nothing: the file has to be corrected first")
            return
        typed = self._typed.get(opened.path) if opened.path is not None else None
        values = opened.edited or typed or opened.values
        await form.show(opened.specs, opened.values, {key: values.get(key, "") for key in opened.values})
        if opened.path is None or opened.path == self._enter:
            self._enter = None
            form.focus_first()
        self._remember()
        self.check()

    @on(FieldRow.Changed)
    def _field_changed(self) -> None:
        self._remember()
        self.check_soon()

    def _remember(self) -> None:
        """What is typed into a file's form stays there when one looks at another file."""
        opened = self._opened
        if opened is None or opened.path is None:
            return
        values = self.query_one(ConfigForm).values
        if values == opened.values:
            self._typed.pop(opened.path, None)
        else:
            self._typed[opened.path] = dict(values)

    def _find_files(self) -> None:
        folder = self.reeltop.workspace.configs
        self.in_thread("files", lambda: self.Found(find_files(folder)))

    def _read(self, path: Path) -> None:
        full = self.reeltop.workspace.configs / path
        if self._wanted != full:
            self._wanted = full
            self.in_thread("read", lambda: self.FileRead(full, open_file(full)))

    def _open_made(
        self, wanted: object, title: str, compared_with: str, made: "Callable[[Store], StageConfig]"
    ) -> None:
        self._wanted = wanted
        self.query_one(ConfigFiles).choose(None)
        feed = self.reeltop.feed

        def work() -> Message:
            try:
                opened = opened_config(made(feed.store()), title, None, compared_with)
            except ReeltopError as error:
                opened = Opened(title, problem=str(error))
            return self.FileRead(wanted, opened)

        self.in_thread("read", work)

    def _show_text(self, text: str) -> None:
        self.run_worker(
            self.query_one(ConfigForm).show_text(Content(text)), name="text", group="text", exclusive=True
        )
