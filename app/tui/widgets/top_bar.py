"""The first line of every screen: where one is, what runs, which store; and a line of trouble below it."""

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.widget import Widget

from app.tui.bindings import TABLE
from app.tui.states import GLYPHS
from engine.format import printable
from engine.store.views import Status

_NAME = " reeltop "
_SIMULATED = " SIMULATED "
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
        tabs = []
        for text, binding in self._parts():
            if binding is None:
                tabs.append(Content.styled(text, "bold $text-primary"))
                continue
            tab = Content.assemble(" ", (binding.key, "bold $text-accent"), text[1 + len(binding.key) :])
            current = binding.id == self._mode
            tabs.append(tab.stylize("bold $text on $primary-muted") if current else tab)
        if self._simulated:
            tabs.append(Content.styled(_SIMULATED, "bold $text-warning"))
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

    def _parts(self) -> list[tuple[str, Binding | None]]:
        """Name and modes; in a narrow terminal only the one that is shown has its word, then the name goes too."""
        room = (self.size.width or 1000) - len(_SIMULATED) * self._simulated
        texts = [f" {binding.key} {binding.description} " for binding in _MODES]
        full: list[tuple[str, Binding | None]] = [(_NAME, None), *zip(texts, _MODES, strict=True)]
        if sum(len(text) for text, _ in full) <= room:
            return full
        keys = [
            (text if binding.id == self._mode else f" {binding.key} ", binding)
            for text, binding in zip(texts, _MODES, strict=True)
        ]
        return [(_NAME, None), *keys] if len(_NAME) + sum(len(text) for text, _ in keys) <= room else [*keys]

    async def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None or position.y > 0:
            return
        x = 0
        for text, binding in self._parts():
            if binding is not None and x <= position.x < x + len(text):
                await self.run_action(f"app.{binding.action}")
            x += len(text)
