"""One line to type, asked for before something is done."""

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from app.tui.bindings import bindings
from app.tui.screens.dialog import Dialog
from app.tui.widgets.label import Label


class Ask(Dialog[str]):
    """Enter answers, esc does not.

    Args:
        hint: what will become of the answer.
        wrong: what is wrong with a text; None where nothing is.
    """

    BINDINGS = bindings("ask")

    def __init__(self, question: str, hint: str, value: str, wrong: Callable[[str], str | None]) -> None:
        super().__init__()
        self._question = question
        self._hint = hint
        self._value = value
        self._wrong = wrong

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question, classes="dialog-title")
            yield Input(self._value, compact=True, select_on_focus=False)
            yield Label("", classes="dialog-wrong")
            yield Label(self._hint, classes="dim")
            yield self.key_line("ask", first=[("⏎", "take")])

    @on(Input.Changed)
    def _changed(self) -> None:
        self.show_wrong("")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        problem = self._wrong(event.value)
        if problem is None:
            self.dismiss(event.value)
        else:
            self.show_wrong(problem)
