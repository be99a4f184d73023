"""What will happen when the form is queued: the runs, their cost, what is wrong, what differs, the whole config."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui.widgets.label import Label


class PlanView(VerticalScroll):
    """Scrolls; nothing in it is markup."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Label("")

    def on_mount(self) -> None:
        self.border_title = "what will run"

    def clear(self, text: str = "") -> None:
        """Show a text only."""
        self.query_one(Label).update(text)

    def show(self, lines: Sequence[Content]) -> None:
        """Show lines; where one has scrolled to stays."""
        self.query_one(Label).update(Content("\n").join(lines))
