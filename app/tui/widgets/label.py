"""Text that is shown as it is: never read as markup."""

from textual.content import Content
from textual.widgets import Static


class Label(Static):
    """A Static whose strings are literal."""

    def __init__(
        self, content: str | Content = "", *, widget_id: str | None = None, classes: str = ""
    ) -> None:
        super().__init__(content, id=widget_id, classes=classes, markup=False)
        self._lines = -1

    def redraw(self, content: Content) -> None:
        """As `update`, without arranging the screen anew while the number of lines stays the same."""
        shown = self.content
        if isinstance(shown, Content) and self._lines >= 0 and content.is_same(shown):
            return
        lines = content.plain.count("\n")
        self.update(content, layout=lines != self._lines)
        self._lines = lines
