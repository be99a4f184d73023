"""One line to type a filter in, and below it what is wrong with it, at the place."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from app.tui.bindings import bindings
from app.tui.widgets.label import Label
from engine.format import printable


class _FilterInput(Input):
    BINDINGS = bindings("filter")

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(FilterBar.Left())

    def action_leave(self) -> None:
        self.post_message(FilterBar.Left())


class FilterBar(Vertical):
    """Applies while one types; enter goes back to the table, esc clears."""

    class Changed(Message):
        """Another text was typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The person is done with it."""

    def __init__(self, placeholder: str, *, widget_id: str) -> None:
        super().__init__(id=widget_id)
        self._placeholder = placeholder
        self.display = False

    def compose(self) -> ComposeResult:
        yield _FilterInput(placeholder=self._placeholder, compact=True, select_on_focus=False)
        yield Label("", classes="filter-error")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    def open(self) -> None:
        """Show it and type into it."""
        self.display = True
        self.screen.set_focus(self.query_one(Input))  # at once: what is typed next belongs to the filter

    def show_error(self, message: str | None, position: int = 0) -> None:
        """Put the message under the character it is about."""
        label = self.query_one(".filter-error", Label)
        label.set_class(message is not None, "-shown")
        if message is None:
            return
        text = printable(message)
        place = position + 2
        room = max(10, self.size.width)
        before = place - len(text) - 2
        fits_after = place + len(text) + 2 <= room
        label.update(
            " " * before + f"{text} ▲" if not fits_after and before >= 0 else " " * place + f"▲ {text}"
        )

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Left())

    def close_if_empty(self) -> None:
        """Give the line back to the table."""
        if not self.text:
            self.display = False
            self.show_error(None)
