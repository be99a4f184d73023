"""One setting of a form: its name, where its value is typed or chosen, and its help or what is wrong with it."""

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import HorizontalGroup
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from app.tui.widgets.choice import Choice
from app.tui.widgets.label import Label
from engine.format import printable, setting

if TYPE_CHECKING:
    from engine.config.fields import FieldSpec

_MOST_WORDS = 6
_INPUTS = "inputs."


class FieldRow(HorizontalGroup):
    """Made from the field's specification alone.

    Args:
        first: the value that is compared with, to mark a changed one.
        value: the value that is shown.
    """

    class Changed(Message):
        """The value was changed by a person."""

        def __init__(self, key: str, value: str) -> None:
            super().__init__()
            self.key = key
            self.value = value

    class Entered(Message):
        """Enter was pressed in the field."""

        def __init__(self, row: "FieldRow") -> None:
            super().__init__()
            self.row = row

    def __init__(self, spec: "FieldSpec", first: str, value: str) -> None:
        super().__init__()
        self.spec = spec
        self._first = first
        self._value = value
        self.problem: str | None = None
        self._count = 1

    def compose(self) -> ComposeResult:
        yield Label(printable(self.spec.name), classes="field-name")
        editor = self._editor()
        self.set_class(isinstance(editor, Choice), "-choice")
        yield editor
        yield Label("", classes="field-note")

    def on_mount(self) -> None:
        self.show_state(self.problem, self._count)

    @property
    def is_input(self) -> bool:
        """Names runs whose outputs are built on."""
        return self.spec.key.startswith(_INPUTS)

    @property
    def role(self) -> str:
        """The input's role."""
        return self.spec.key.removeprefix(_INPUTS)

    @property
    def value(self) -> str:
        """What is typed or chosen."""
        return self._value

    @property
    def help_text(self) -> str:
        """The field's help, and its bounds."""
        help_text = f"{self.spec.help} ({self.spec.bounds})" if self.spec.bounds else self.spec.help
        return printable(f"{help_text}; enter picks a run" if self.is_input else help_text)

    @property
    def sweep_hint(self) -> str:
        """How several values are given, which make a run each; empty where they cannot be."""
        from engine.config.sweep import hint

        if isinstance(self.children[1], Choice):
            return "shift+→ chooses several"
        return hint(self.spec)

    def set_value(self, value: str) -> None:
        """Put a value in, as if it was typed."""
        editor = self.children[1]
        if isinstance(editor, Input | Choice):
            editor.value = value

    def show_state(self, message: str | None, count: int = 1) -> None:
        """What is wrong with the value, or its help again; a value that differs, and several of them, are marked."""
        self.problem, self._count = message, count
        if not self.children:
            return  # shown when it is mounted
        changed = self._value != self._first
        if message is not None:
            message = f"{message}; enter picks one" if self.is_input else message
            note = Content.assemble(("✗ ", "$text-error"), (printable(message), "$text-error"))
        elif count > 1:
            note = Content.styled(f"← {count} values: a sweep", "bold $text-accent")
        else:
            mark = Content.styled("changed  " if changed else "", "$text-warning")
            spared = self.screen.has_class("-narrow")  # there the help has a line of its own only
            note = Content.assemble(mark, ("" if spared else self.help_text, "$foreground-muted"))
        label = self.query_one(".field-note", Label)
        if note != label.content:
            label.update(note, layout=False)
        self.set_class(message is not None, "-wrong")

    def _editor(self) -> Widget:
        words = ("true", "false") if self.spec.kind == "bool" else self.spec.choices
        if words and self.spec.kind != "list" and len(words) <= _MOST_WORDS:
            optional = ("",) if self.spec.optional else ()
            return Choice((*optional, *words), self._value)
        default = "" if self.spec.default is None else setting(self.spec.default)
        return Input(self._value, placeholder=printable(default), compact=True, select_on_focus=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered(self))

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        self._tell(event.value)

    def _tell(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.post_message(self.Changed(self.spec.key, value))
