"""One question before something that cannot be taken back lightly."""

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from app.tui.bindings import bindings
from app.tui.widgets.label import Label


class Confirm(ModalScreen[bool]):
    """Says what will be hit and whether it can be undone; `y` or `n`."""

    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("confirm")

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm-box", classes="panel"):
            yield Label(Content.styled(self._question, "bold"))
            yield Label(self._consequence, classes="dim")
            yield Label(
                Content.assemble(("y", "bold $text-accent"), " yes   ", ("n", "bold $text-accent"), " no")
            )

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
