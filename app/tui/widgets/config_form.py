"""A form made from the fields of a config model: groups, choices, bounds and help come from there."""

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from engine.format import printable

if TYPE_CHECKING:
    from engine.config.fields import FieldSpec


class ConfigForm(VerticalScroll, can_focus=False):
    """Holds the rows; `values` is what is typed now."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self.values: dict[str, str] = {}
        self._rows: dict[str, FieldRow] = {}

    async def show(self, specs: "tuple[FieldSpec, ...]", values: dict[str, str]) -> None:
        """Make the form anew."""
        self.values = dict(values)
        self._rows = {spec.key: FieldRow(spec, values.get(spec.key, "")) for spec in specs}
        widgets: list[Widget] = []
        group = ""
        for spec in specs:
            if spec.group != group:
                group = spec.group
                widgets.append(Label(Content.styled(printable(group), "bold $text-accent"), classes="field-group"))
            widgets.append(self._rows[spec.key])
        async with self.batch():
            await self.remove_children()
            await self.mount_all(widgets)
        self.scroll_home(animate=False)

    async def show_text(self, text: Content) -> None:
        """Show a text instead of a form."""
        self.values, self._rows = {}, {}
        async with self.batch():
            await self.remove_children()
            await self.mount(Label(text, classes="form-text"))

    def show_errors(self, errors: dict[str, str]) -> None:
        """Mark the rows that are wrong; the others show their help."""
        for key, row in self._rows.items():
            row.show_error(errors.get(key))

    def focus_first(self) -> None:
        """To the first field."""
        for row in self._rows.values():
            row.children[1].focus()
            return

    def on_field_row_changed(self, message: FieldRow.Changed) -> None:
        self.values[message.key] = message.value
