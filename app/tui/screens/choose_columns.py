"""The columns of the table of runs: which of all there could be, and in which order."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList

from app.tui.bindings import bindings
from app.tui.completion import ranked
from app.tui.screens.dialog import Dialog
from app.tui.screens.pick_key import MOST, key_text
from app.tui.widgets.label import Label
from app.tui.widgets.word_list import WordList
from engine.format import printable
from engine.store.table_views import Key


class ChooseColumns(Dialog[None]):
    """Shown ones first, in their order; enter adds and removes, the table behind follows at once.

    Args:
        screen: is told of every change by `Changed`, with no columns for those of the beginning.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("columns"), *bindings("keypicker")]

    class Changed(Message, bubble=False):
        """Other columns, or the same in another order."""

        def __init__(self, columns: tuple[str, ...]) -> None:
            super().__init__()
            self.columns = columns

    def __init__(self, keys: Sequence[Key], shown: Sequence[str], default: Sequence[str]) -> None:
        super().__init__()
        self._keys = {key.name: key for key in keys}
        self._shown = list(shown)
        self._default = list(default)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label("Columns", classes="dialog-title")
            yield Input(placeholder="part of a name: any setting, metric, score", compact=True)
            yield WordList()
            yield Label("", classes="dialog-wrong")
            yield self.key_line("columns", "keypicker", first=[("⏎", "add or remove")])

    def on_mount(self) -> None:
        self._show()

    def action_move(self, by: int) -> None:
        self.query_one(WordList).move(by)

    def action_shift(self, by: int) -> None:
        name = self.query_one(WordList).chosen
        if name is None or name not in self._shown:
            self.show_wrong("only a column that is shown can be moved")
            return
        place = self._shown.index(name)
        other = max(0, min(place + by, len(self._shown) - 1))
        self._shown.insert(other, self._shown.pop(place))
        self._tell(name)

    def action_reset(self) -> None:
        self._shown = list(self._default)
        self._tell(self._shown[0])

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        name = self.query_one(WordList).chosen
        if name is None:
            return
        if name not in self._shown:
            self._shown.append(name)
        elif len(self._shown) == 1:
            self.show_wrong("one column at least")
            return
        else:
            self._shown.remove(name)
        self._tell(name)

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self._submitted()

    def _tell(self, chosen: str) -> None:
        self._show(chosen)
        columns = () if self._shown == self._default else tuple(self._shown)
        below = self.app.screen_stack[-2]
        below.post_message(self.Changed(columns))

    def _show(self, chosen: str | None = None) -> None:
        typed = self.query_one(Input).value.strip()
        names = [*self._shown, *(name for name in self._keys if name not in self._shown)]
        found = ranked(typed, names, MOST)
        lines = [
            (name, key_text(self._keys.get(name, Key(name, "")), "● " if name in self._shown else "○ "))
            for name in found
        ]
        self.query_one(WordList).show(lines, chosen or (found[0] if typed and found else None))
        self.show_wrong("" if found else f"nothing has `{printable(typed)}` in its name")
