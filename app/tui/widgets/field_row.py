"""One setting of a form: its name, where its value is typed or chosen, and its help or what is wrong with it."""

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import HorizontalGroup
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from app.tui.facts import shown
from app.tui.widgets.choice import Choice
from app.tui.widgets.label import Label
from engine.format import printable

if TYPE_CHECKING:
    from engine.config.fields import FieldSpec

_MOST_WORDS = 4


class FieldRow(HorizontalGroup):
    """Made from the field's specification alone."""

    class Changed(Message):
        """The value was changed by a person."""

        def __init__(self, key: str, value: str) -> None:
            super().__init__()
            self.key = key
            self.value = value

    def __init__(self, spec: "FieldSpec", value: str) -> None:
        super().__init__()
        self.spec = spec
        self._first = value
        self._value = value
        self.problem: str | None = None

    def compose(self) -> ComposeResult:
        yield Label(printable(self.spec.name), classes="field-name")
        yield self._editor()
        yield Label("", classes="field-note")

    def on_mount(self) -> None:
        self.show_error(self.problem)

    @property
    def help_text(self) -> str:
        """The field's help, and its bounds."""
        return printable(f"{self.spec.help} ({self.spec.bounds})" if self.spec.bounds else self.spec.help)

    def show_error(self, message: str | None) -> None:
        """What is wrong with the value, or its help again; a value that differs from the file's is marked."""
        self.problem = message
        if not self.children:
            return  # shown when it is mounted
        changed = self._value != self._first
        mark = Content.styled("changed  " if changed else "", "$text-warning")
        if message is not None:
            note = Content.assemble(("✗ ", "$text-error"), (printable(message), "$text-error"))
        else:
            note = Content.assemble(mark, (self.help_text, "$foreground-muted"))
        self.query_one(".field-note", Label).update(note)
        self.set_class(message is not None, "-wrong")

    def _editor(self) -> Widget:
        words = ("true", "false") if self.spec.kind == "bool" else self.spec.choices
        if words and self.spec.kind != "list" and len(words) <= _MOST_WORDS:
            optional = ("",) if self.spec.optional else ()
            return Choice((*optional, *words), self._first)
        default = "" if self.spec.default is None else shown(self.spec.default)
        return Input(self._first, placeholder=printable(default), compact=True, select_on_focus=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell(event.value)

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        self._tell(event.value)

    def _tell(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.post_message(self.Changed(self.spec.key, value))
