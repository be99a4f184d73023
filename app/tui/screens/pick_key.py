"""Choosing one of all the things that runs have: to sort by, to group by."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList

from app.tui.bindings import bindings
from app.tui.completion import ranked
from app.tui.screens.dialog import Dialog
from app.tui.widgets.label import Label
from app.tui.widgets.word_list import WordList
from engine.format import printable
from engine.store.table_views import Key

MOST = 200
_NAME_CELLS = 30


class PickKey(Dialog[str]):
    """Type a part of it, enter takes it."""

    BINDINGS = bindings("keypicker")

    def __init__(self, title: str, keys: Sequence[Key], current: str = "") -> None:
        super().__init__()
        self._title = title
        self._keys = {key.name: key for key in keys}
        self._current = current

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._title, classes="dialog-title")
            yield Input(placeholder="part of a name", compact=True)
            yield WordList()
            yield Label("", classes="dialog-wrong")
            yield self.key_line("keypicker", first=[("⏎", "take")])

    def on_mount(self) -> None:
        self._show("", self._current)

    def action_move(self, by: int) -> None:
        self.query_one(WordList).move(by)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show(event.value.strip())

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if (chosen := self.query_one(WordList).chosen) is not None:
            self.dismiss(chosen)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self._submitted()

    def _show(self, typed: str, chosen: str | None = None) -> None:
        names = ranked(typed, list(self._keys), MOST)
        lines = [(name, key_text(self._keys[name])) for name in names]
        self.query_one(WordList).show(lines, chosen or (names[0] if typed and names else None))
        self.show_wrong("" if names else f"nothing has `{printable(typed)}` in its name")


def key_text(key: Key, mark: str = "") -> Content:
    """`training.lr.text   setting`, one line of a list."""
    about = key.help or key.kind
    return Content.assemble(mark, f"{printable(key.name):{_NAME_CELLS}}  ", (about, "$foreground-muted"))
