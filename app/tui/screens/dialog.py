"""What the dialogs share: a box in the middle, a title, and keys named at its foot."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from textual.content import Content
from textual.screen import ModalScreen

from app.tui.bindings import TABLE
from app.tui.widgets.label import Label

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Esc closes it without an answer."""

    CSS_PATH = Path(__file__).with_suffix(".tcss")

    def action_cancel(self) -> None:
        self.dismiss(None)

    def show_wrong(self, text: str) -> None:
        """Why the answer cannot be taken; empty: it can."""
        self.query_one(".dialog-wrong", Label).update(f"✗ {text}" if text else "")

    def key_line(self, *scopes: str, first: Sequence[tuple[str, str]] = ()) -> Label:
        """The keys of the scopes that are worth naming, as a person has them."""
        pairs = list(first)
        for scope in scopes:
            pairs += [
                (self.app.get_key_display(binding), binding.description)
                for binding in TABLE[scope]
                if binding.show
            ]
        parts: list[Content] = []
        for key, description in pairs:
            parts += [Content.styled(key, "bold $text-accent"), Content(f" {description}   ")]
        return Label(Content("").join(parts), classes="dim")
