"""What is done with a form besides queueing it: an input picked, the editor, saving as a new file."""

import contextlib
import os
import shlex
import subprocess
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported
from textual.message import Message

from app.tui.forms import Opened, Plan, opened_config
from app.tui.screens.base import ReeltopScreen
from app.tui.troubles import one_line
from app.tui.widgets.config_form import ConfigForm
from engine.errors import ConfigError, ReeltopError
from engine.format import printable

if TYPE_CHECKING:
    from engine.config.base import StageConfig


class LaunchActions(ReeltopScreen):
    """A screen that has a form open."""

    _opened: Opened | None = None
    _plan: Plan | None = None
    _rejected: str | None = None  # an edited text that could not be taken

    @abstractmethod
    def take_opened(self, opened: Opened) -> None:
        """Show what was read or made."""
        raise NotImplementedError

    @abstractmethod
    def reopen(self, path: Path) -> None:
        """Look for files, and read the one at `path`, whether it was open or not."""
        raise NotImplementedError

    @abstractmethod
    def in_thread(self, name: str, work: Callable[[], Message]) -> None:
        """Do `work` in a thread and post what it returns; trouble is told."""
        raise NotImplementedError

    def on_config_form_picked(self, message: ConfigForm.Picked) -> None:
        """Pick the run that an input names."""
        from app.tui.screens.pick_input import PickInput

        row = message.row
        several = row.spec.kind == "list"
        taken = [name.strip() for name in row.value.strip("[]").split(",") if name.strip()]

        def answered(reference: str | None) -> None:
            if reference is not None:
                row.set_value(reference)

        self.app.push_screen(PickInput(row.role, several=several, taken=taken), answered)

    def action_save(self) -> None:
        """Ask for a name, and write the form as a file."""
        opened, plan = self._opened, self._plan
        if opened is None or opened.is_pipeline:
            self._warn("a pipeline is edited in its file: o opens it" if opened else "nothing is open")
            return
        if plan is None or plan.config is None:
            self._warn("correct what is wrong first: a file that cannot be queued is of no use")
            return
        from app.tui.screens.ask import Ask

        folder = self.reeltop.workspace.configs
        changed = _changed(opened, plan.config, self.query_one(ConfigForm).values)

        def answered(name: str | None) -> None:
            if name is not None:
                self._save_as(_texts(folder, name, plan, opened, changed))

        self.app.push_screen(
            Ask(
                "Save as",
                "a file below configs/",
                _suggested(folder, opened, plan),
                lambda text: _wrong(folder, text),
            ),
            answered,
        )

    def _save_as(self, texts: Mapping[Path, str]) -> None:
        """Write the files, those that are there already after a question."""
        there = [printable(self._below(path)) for path in texts if path.exists()]
        if not there:
            self._write(texts, replace=False)
            return
        from app.tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(texts, replace=True)

        what = "it says" if len(there) == 1 else "they say"
        self.app.push_screen(
            Confirm(f"Replace {' and '.join(there)}?", f"What {what} now is lost. This can't be undone."),
            answered,
        )

    def _write(self, texts: Mapping[Path, str], *, replace: bool) -> None:
        from engine.config.saving import write_config_file

        try:
            for path, text in texts.items():
                write_config_file(path, text, replace=replace)
        except FileExistsError:
            self._warn("somebody has made such a file meanwhile: take another name")
            return
        except OSError as error:
            self._warn(f"cannot be saved: {one_line(error)}")
            return
        self.notify(f"saved {' and '.join(printable(self._below(path)) for path in texts)}", markup=False)
        self.forget_changes()
        self.reopen(list(texts)[-1])

    def _below(self, path: Path) -> str:
        return str(path.relative_to(self.reeltop.workspace.configs))

    @abstractmethod
    def forget_changes(self) -> None:
        """What was typed into the open form is kept elsewhere now."""
        raise NotImplementedError

    def action_edit(self) -> None:
        """The file in $EDITOR; where the form has changes, they are edited as a text that comes back into it."""
        opened, plan = self._opened, self._plan
        if opened is None:
            self._warn("choose a configuration first")
            return
        changed = dict(self.query_one(ConfigForm).values) != opened.values
        if opened.path is not None and (opened.is_pipeline or opened.problem or not changed):
            if self._in_editor(opened.path):
                self.reopen(opened.path)
            return
        text = self._rejected or (plan.yaml if plan is not None else "")
        if not text:
            self._warn("correct what is wrong first: the editor shows the form as a whole config")
            return
        with _draft(self.reeltop.workspace.root, text) as path:
            if not self._in_editor(path):
                return
            self._rejected = None
            try:
                self.take_opened(_edited(path, opened))
            except ReeltopError as error:
                self._rejected = path.read_text(encoding="utf-8", errors="replace")
                problem = (
                    printable(str(error)).replace(printable(path.name), "line ").replace("line :", "line ")
                )
                self._warn(f"not taken: {problem}; o opens the text again")

    def _in_editor(self, path: Path) -> bool:
        """Whether the editor ran and ended well."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        shown = printable(editor)
        try:
            command = [*shlex.split(editor), str(path)]
        except ValueError:
            self._warn(f"EDITOR={shown} cannot be understood: close its quotation marks")
            return False
        problem: OSError | None = None
        code = 0
        try:
            with self.app.suspend():  # nothing may be raised in here: the terminal would not be taken back
                try:
                    code = subprocess.run(command, check=False).returncode
                except OSError as error:
                    problem = error
        except SuspendNotSupported:
            self._warn("there is no terminal here to give to an editor")
            return False
        if problem is not None:
            self._warn(f"{shown} cannot be started ({problem.strerror}): set EDITOR to your editor")
        elif code != 0:
            self._warn(f"{shown} ended with code {code}: nothing is taken over")
        return problem is None and code == 0

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)


@contextlib.contextmanager
def _draft(folder: Path, text: str) -> Iterator[Path]:
    """A file in the workspace for as long as it is edited."""
    path = folder / f".reeltop-{os.getpid()}.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _edited(path: Path, before: Opened) -> Opened:
    """The edited text as a form, compared with what the form was compared with.

    Raises:
        ConfigError: it is no valid config of a stage.
    """
    from dataclasses import replace

    from engine.config.base import StageConfig
    from engine.config.fields import form_values
    from engine.config.load import load_file

    config = load_file(path)
    if not isinstance(config, StageConfig):
        raise ConfigError("a pipeline is no form: save it as a file of its own")
    if config.stage != before.stage:
        return opened_config(config, f"{before.title}, edited")
    return replace(before, edited=form_values(config))


def _suggested(folder: Path, opened: Opened, plan: Plan) -> str:
    """A name that is free, beside the file that is open."""
    parent = opened.path.parent.relative_to(folder) if opened.path is not None else Path()
    name = plan.config.name.replace("/", "-") if plan.config is not None else "new"
    stem, number = name, 2
    while (folder / parent / f"{stem}.yaml").exists():
        stem, number = f"{name}-{number}", number + 1
    return str(parent / f"{stem}.yaml")


def _wrong(folder: Path, text: str) -> str | None:
    from engine.config.saving import target_of

    try:
        target_of(folder, text)
    except ConfigError as error:
        return str(error)
    return None


def _texts(
    folder: Path, name: str, plan: Plan, opened: Opened, changed: Mapping[str, Any]
) -> dict[Path, str]:
    """What is to be written where: the form, and of a sweep the pipeline beside it."""
    from engine.config.saving import config_text, sweep_text, target_of

    assert plan.config is not None
    target = target_of(folder, name)
    texts = {target: config_text(plan.config, opened.path, changed, target)}
    if plan.matrix:
        sweep = target.with_name(f"{target.stem}-sweep{target.suffix}")
        texts[sweep] = sweep_text(plan.config, plan.matrix, target.name)
    return texts


def _changed(opened: Opened, config: "StageConfig", values: Mapping[str, str]) -> dict[str, Any]:
    """Settings that differ from what was opened, as plain values."""
    from engine.config.load import plain

    settings = plain(config)
    changed: dict[str, Any] = {}
    for key, text in values.items():
        if text == opened.values.get(key, ""):
            continue
        value: Any = settings
        for part in key.split("."):
            value = value[part]
        changed[key] = value
    return changed
