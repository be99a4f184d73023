"""One of a few words, all of them in sight; several of them are a sweep."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from app.tui.bindings import bindings
from engine.format import printable

_NOTHING = "none"  # how an empty value is written among several


class Choice(Widget, can_focus=True):
    """Left, right and blank choose one, with shift several; a click chooses one, with ctrl one more or less."""

    BINDINGS = bindings("choice")
    value: reactive[str] = reactive("", init=False)

    class Changed(Message):
        """Another word was chosen, or several: then `value` has them with commas."""

        def __init__(self, choice: "Choice", value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

    def __init__(self, words: Sequence[str], value: str) -> None:
        super().__init__()
        self._words = tuple(words)
        self._from = self._at = self._words.index(value) if value in self._words else 0
        self.set_reactive(Choice.value, value)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The chosen words, in the order in which they are shown."""
        parts = {part.strip() for part in self.value.split(",")}
        if _NOTHING in parts and _NOTHING not in self._words:
            parts.add("")
        return tuple(word for word in self._words if word in parts)

    def watch_value(self, value: str) -> None:
        self.post_message(self.Changed(self, value))

    def action_choose(self, by: int) -> None:
        """The next word or the one before, alone."""
        start = self._at if self.chosen else -by
        self._from = self._at = (start + by) % len(self._words)
        self.value = self._words[self._at]

    def action_extend(self, by: int) -> None:
        """As far as the next word or the one before, from where it began."""
        self._at = max(0, min(len(self._words) - 1, self._at + by))
        first, last = sorted((self._from, self._at))
        self._take(self._words[first : last + 1])

    def on_click(self, event: Click) -> None:
        if (position := event.get_content_offset(self)) is None:
            return
        lines = self._lines(self.content_size.width)
        x = 0
        for index in lines[position.y] if position.y < len(lines) else ():
            if x <= position.x < x + _length(self._words[index]):
                self._click(index, several=event.ctrl)
            x += _length(self._words[index])

    def _click(self, index: int, *, several: bool) -> None:
        word = self._words[index]
        self._from = self._at = index
        if several:
            chosen = set(self.chosen) ^ {word}
            self._take([other for other in self._words if other in chosen] or [word])
        else:
            self.value = word

    def _take(self, words: Sequence[str]) -> None:
        self.value = words[0] if len(words) == 1 else ", ".join(word or _NOTHING for word in words)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return sum(map(_length, self._words))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        chosen = self.chosen
        return Content("\n").join(
            Content.assemble(
                *(
                    (f"● {_shown(word)} ", "bold")
                    if word in chosen
                    else (f"○ {_shown(word)} ", "$foreground-muted")
                    for word in (self._words[index] for index in line)
                )
            )
            for line in self._lines(self.content_size.width)
        )

    def _lines(self, width: int) -> list[list[int]]:
        """Places of the words of each line; one that is too long for a line has it alone."""
        lines: list[list[int]] = [[]]
        x = 0
        for index, word in enumerate(self._words):
            if lines[-1] and x + _length(word) > width:
                lines.append([])
                x = 0
            lines[-1].append(index)
            x += _length(word)
        return lines


def _length(word: str) -> int:
    return cell_len(_shown(word)) + 3


def _shown(word: str) -> str:
    return printable(word) or _NOTHING
