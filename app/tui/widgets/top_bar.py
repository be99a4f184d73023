"""The first line of every screen: where one is, what runs, which store; and a line of trouble below it."""

from textual.content import Content
from textual.events import Click
from textual.widget import Widget

from app.tui.bindings import TABLE
from app.tui.states import GLYPHS
from engine.format import printable
from engine.store.views import Status

_NAME = " reeltop "
_MODES = [binding for binding in TABLE["app"] if (binding.id or "").startswith("mode.")]


class TopBar(Widget):
    """One widget that draws itself: it is all of the first paint. A click on a mode goes there."""

    def __init__(self, mode: str, store_name: str, *, simulated: bool = False) -> None:
        super().__init__()
        self._simulated = simulated
        self._mode = f"mode.{mode}"
        self._store_name = printable(store_name)
        self._counts = self._few = ""
        self._trouble = ""

    def show_counts(self, running: int, waiting: int) -> None:
        """How many runs are alive and how many wait."""
        parts = [f"{running} running"] if running else []
        parts += [f"{waiting} queued"] if waiting else []
        self._counts = " · ".join(parts) or "nothing runs"
        few = [f"{GLYPHS[Status.RUNNING]} {running}"] if running else []
        few += [f"{GLYPHS[Status.QUEUED]} {waiting}"] if waiting else []
        self._few = " ".join(few)  # where there is no room for the words
        self.refresh()

    def show_trouble(self, trouble: str | None) -> None:
        """Show one line about the store, or none."""
        shown = f"✗ {printable(trouble)}" if trouble else ""
        if shown != self._trouble:
            self._trouble = shown
            self.refresh(layout=True)

    def render(self) -> Content:
        width = self.size.width
        tabs = [Content.styled(_NAME, "bold $text-primary")]
        for binding in _MODES:
            current = binding.id == self._mode
            tab = Content.assemble(" ", (binding.key, "bold $text-accent"), f" {binding.description} ")
            tabs.append(tab.stylize("bold $text on $primary-muted") if current else tab)
        if self._simulated:
            tabs.append(Content.styled(" SIMULATED ", "bold $text-warning"))
        left = Content("").join(tabs)
        right = self._counts if self._counts else "loading"
        if width - left.cell_length > len(right) + len(self._store_name) + 6:
            right += f"   {self._store_name}"
        blank = width - left.cell_length - len(right) - 1
        if blank < 1 and self._few:
            right = self._few
            blank = width - left.cell_length - len(right) - 1
        line = (
            Content.assemble(left, " " * max(1, blank), (right, "$foreground-muted")) if blank > 0 else left
        )
        line = line.truncate(width) if width else line
        if not self._trouble:
            return line
        return Content.assemble(
            line.truncate(width), "\n", (f" {self._trouble}", "$text-error on $error-muted")
        )

    async def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None or position.y > 0:
            return
        x = len(_NAME)
        for binding in _MODES:
            length = len(binding.key) + len(binding.description) + 3
            if x <= position.x < x + length:
                await self.run_action(f"app.{binding.action}")
            x += length
