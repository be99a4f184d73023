"""A form made from the fields of a config model: groups, choices, bounds and help come from there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from app.tui.bindings import bindings
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from engine.format import printable

if TYPE_CHECKING:
    from engine.config.fields import FieldSpec


class _Rows(VerticalScroll, inherit_bindings=False):
    """Up and down go from field to field, where a scrolling container would keep them for itself."""

    BINDINGS = bindings("form")


class ConfigForm(Vertical):
    """Holds the rows, and below them the help of the one in focus; `values` is what is typed now.

    No `panel`, whose `:focus-within` would style each of its hundred widgets anew whenever the focus moves.
    """

    class Picked(Message):
        """A run is to be picked for an input."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id)
        self.values: dict[str, str] = {}
        self._rows: dict[str, FieldRow] = {}

    def compose(self) -> ComposeResult:
        yield _Rows(id="form-rows", can_focus=False)
        yield Label("", widget_id="form-help")

    async def show(
        self, specs: "tuple[FieldSpec, ...]", first: Mapping[str, str], values: Mapping[str, str]
    ) -> None:
        """Make the form anew: `values` are shown, those that differ from `first` are marked."""
        self.values = dict(values)
        self._rows = {
            spec.key: FieldRow(spec, first.get(spec.key, ""), values.get(spec.key, "")) for spec in specs
        }
        widgets: list[Widget] = []
        group = ""
        for spec in specs:
            if spec.group != group:
                group = spec.group
                widgets.append(
                    Label(Content.styled(printable(group), "bold $text-accent"), classes="field-group")
                )
            widgets.append(self._rows[spec.key])
        rows = self.query_one("#form-rows")
        async with self.batch():
            await rows.remove_children()
            await rows.mount_all(widgets)
        rows.scroll_home(animate=False)
        self._help()

    async def show_text(self, text: Content) -> None:
        """Show a text instead of a form."""
        self.values, self._rows = {}, {}
        rows = self.query_one("#form-rows")
        async with self.batch():
            await rows.remove_children()
            await rows.mount(Label(text, classes="form-text"))

    def show_plan(self, errors: Mapping[str, str], matrix: Mapping[str, Sequence[str]]) -> None:
        """Mark the rows that are wrong and those with several values; the others show their help."""
        for key, row in self._rows.items():
            row.show_state(errors.get(key), len(matrix.get(key, ("",))))
        self._help()

    def on_descendant_focus(self) -> None:
        self.set_class(True, "-entered")
        self._help()

    def on_descendant_blur(self) -> None:
        self.set_class(self.has_focus_within, "-entered")
        if not self.has_focus_within:
            self.query_one("#form-help", Label).update("", layout=False)

    def _help(self) -> None:
        row = next((row for row in self._rows.values() if row.has_focus_within), None)
        if row is None:  # such as after a form that was made anew, which takes the focus away without a blur
            self.query_one("#form-help", Label).update("", layout=False)
        else:
            wrong = Content.styled(f"✗ {printable(row.problem or '')}", "$text-error")
            hint = f"; {row.sweep_hint}" if row.sweep_hint else ""
            shown = wrong if row.problem else Content.styled(f"{row.help_text}{hint}", "$foreground-muted")
            self.query_one("#form-help", Label).update(shown, layout=False)

    def focus_first(self) -> None:
        """To the first field."""
        for row in self._rows.values():
            row.children[1].focus()
            return

    def on_field_row_changed(self, message: FieldRow.Changed) -> None:
        self.values[message.key] = message.value

    def on_field_row_entered(self, message: FieldRow.Entered) -> None:
        """Enter goes on to the next field; in an input it lets one pick."""
        message.stop()
        if message.row.is_input:
            self.post_message(self.Picked(message.row))
        else:
            self.screen.focus_next()
