"""A list below a line of typing: the line keeps the focus, keys move through the list."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class WordList(OptionList, can_focus=False):
    """Lines with an id each; the highlight stays on its id when the list changes, else it is on the first."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._ids: list[str] = []

    @property
    def chosen(self) -> str | None:
        """The id of the highlighted line."""
        index = self.highlighted
        return self._ids[index] if index is not None and index < len(self._ids) else None

    def show(self, lines: Sequence[tuple[str, Content]], chosen: str | None = None) -> None:
        """Show these lines, by id."""
        wanted = chosen if chosen is not None else self.chosen
        self._ids = [name for name, _ in lines]
        self.set_options([Option(line) for _, line in lines])
        if self._ids:
            self.highlighted = self._ids.index(wanted) if wanted in self._ids else 0

    def move(self, by: int) -> None:
        """Another line."""
        if self._ids:
            self.highlighted = max(0, min((self.highlighted or 0) + by, len(self._ids) - 1))
