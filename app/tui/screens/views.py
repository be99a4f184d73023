"""Saved views: columns, order, filter and groups under a name, for this workspace."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList

from app.tui.bindings import bindings
from app.tui.completion import ranked
from app.tui.run_view import View, view_from
from app.tui.screens.dialog import Dialog
from app.tui.widgets.label import Label
from app.tui.widgets.word_list import WordList
from engine.format import printable

_LONGEST = 60
_NAME_CELLS = 20


class Views(Dialog[View]):
    """Enter shows the view that is highlighted; ctrl+s keeps the present one under the name that is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("views"), *bindings("keypicker")]

    class Kept(Message, bubble=False):
        """A view is to be kept under a name; None: forgotten."""

        def __init__(self, name: str, view: View | None) -> None:
            super().__init__()
            self.name = name
            self.view = view

    def __init__(self, saved: Mapping[str, Any], present: View) -> None:
        super().__init__()
        self._saved = {name: view_from(data) for name, data in saved.items()}
        self._present = present

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label("Views", classes="dialog-title")
            yield Input(placeholder="name: of a view to show, or for what is shown now", compact=True)
            yield WordList()
            yield Label("", classes="dialog-wrong")
            yield self.key_line("views", "keypicker", first=[("⏎", "show")])

    def on_mount(self) -> None:
        self._show()

    def action_move(self, by: int) -> None:
        self.query_one(WordList).move(by)

    def action_save(self) -> None:
        name = self.query_one(Input).value.strip()
        if not name or len(name) > _LONGEST or name != printable(name):
            self.show_wrong(f"type a name first, {_LONGEST} printable characters at most")
            return
        self._saved[name] = self._present
        self._tell(name, self._present)

    def action_remove(self) -> None:
        name = self.query_one(WordList).chosen
        if name is not None:
            del self._saved[name]
            self._tell(name, None)

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        name = self.query_one(WordList).chosen
        if name is None:
            self.show_wrong("no view to show: ctrl+s keeps what is shown now under this name")
        else:
            self.dismiss(self._saved[name])

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self._submitted()

    def _tell(self, name: str, view: View | None) -> None:
        with self.prevent(Input.Changed):
            self.query_one(Input).value = ""
        self._show(name)
        self.app.screen_stack[-2].post_message(self.Kept(name, view))

    def _show(self, chosen: str | None = None) -> None:
        typed = self.query_one(Input).value.strip()
        names = ranked(typed, sorted(self._saved))
        lines = [(name, _line(name, self._saved[name])) for name in names]
        self.query_one(WordList).show(lines, chosen or (names[0] if typed and names else None))
        self.show_wrong(
            "" if names or self._saved else "none yet: type a name, ctrl+s keeps what is shown now"
        )


def _line(name: str, view: View) -> Content:
    parts = [view.filter or "all runs", f"by {view.sort}"]
    parts += [f"in groups of {view.group}"] if view.group else []
    parts += [f"{len(view.columns)} columns"] if view.columns else []
    return Content.assemble(f"{name:{_NAME_CELLS}}  ", (printable(", ".join(parts)), "$foreground-muted"))
