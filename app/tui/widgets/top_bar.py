"""The first line of every screen: where one is, what runs, which store; and the line of trouble below it."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click
from textual.widget import Widget

from app.tui.bindings import TABLE
from app.tui.widgets.label import Label
from engine.format import printable

_MODES = [binding for binding in TABLE["app"] if (binding.id or "").startswith("mode.")]


class ModeTab(Label):
    """`2 Runs`: switches to the screen when clicked."""

    def __init__(self, key: str, title: str, action: str, tooltip: str, current: bool) -> None:
        super().__init__(
            Content.assemble((key, "bold $text-accent"), f" {title}"), classes="-current" if current else ""
        )
        self._action = action
        self.tooltip = tooltip

    async def on_click(self, event: Click) -> None:
        event.stop()
        await self.run_action(f"app.{self._action}")


class TopBar(Widget):
    """Modes on the left; running and waiting runs and the store on the right; trouble in a line of its own."""

    def __init__(self, mode: str, store_name: str) -> None:
        super().__init__()
        self._mode = mode
        self._store_name = store_name

    def compose(self) -> ComposeResult:
        with Horizontal(id="top-line"):
            yield Label(Content.styled(" reeltop ", "bold"), id="top-name")
            for binding in _MODES:
                current = binding.id == f"mode.{self._mode}"
                yield ModeTab(binding.key, binding.description, binding.action, binding.tooltip, current)
            yield Label(self._store_name, id="top-status")
        yield Label("", id="trouble")

    def show_counts(self, running: int, waiting: int) -> None:
        """How many runs are alive and how many wait."""
        parts = [f"{running} running"] if running else []
        parts += [f"{waiting} queued"] if waiting else []
        counts = " · ".join(parts) or "nothing runs"
        self.query_one("#top-status", Label).update(f"{counts}   {self._store_name}")

    def show_trouble(self, trouble: str | None) -> None:
        """Show one line about the store, or none."""
        label = self.query_one("#trouble", Label)
        label.update(f"✗ {printable(trouble)}" if trouble else "")
        label.set_class(trouble is not None, "-shown")
