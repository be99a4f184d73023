"""What a person has to say about a run, in as many lines as it takes."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import TextArea

from app.tui.bindings import bindings
from app.tui.screens.dialog import Dialog
from app.tui.widgets.label import Label


class Note(Dialog[str]):
    """ctrl+s keeps it, esc leaves it as it was."""

    BINDINGS = bindings("note")

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._title, classes="dialog-title")
            yield TextArea(self._text, show_line_numbers=False, soft_wrap=True)
            yield self.key_line("note")

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)

    def action_save(self) -> None:
        self.dismiss(self.query_one(TextArea).text.rstrip())
