"""One of a few words, all of them in sight."""

from collections.abc import Sequence

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from app.tui.bindings import bindings
from engine.format import printable


class Choice(Widget, can_focus=True):
    """Left, right and blank choose; a click too."""

    BINDINGS = bindings("choice")
    value: reactive[str] = reactive("", init=False)

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: "Choice", value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

    def __init__(self, words: Sequence[str], value: str) -> None:
        super().__init__()
        self._words = tuple(words)
        self.set_reactive(Choice.value, value)

    def watch_value(self, value: str) -> None:
        self.post_message(self.Changed(self, value))

    def action_choose(self, by: int) -> None:
        index = self._words.index(self.value) if self.value in self._words else -by
        self.value = self._words[(index + by) % len(self._words)]

    def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        x = 0
        for word in self._words:
            length = len(_shown(word)) + 3
            if position is not None and x <= position.x < x + length:
                self.value = word
            x += length

    def render(self) -> Content:
        return Content.assemble(
            *(
                (
                    f"{'●' if word == self.value else '○'} {_shown(word)} ",
                    "bold" if word == self.value else "$foreground-muted",
                )
                for word in self._words
            )
        )


def _shown(word: str) -> str:
    return printable(word) or "none"
