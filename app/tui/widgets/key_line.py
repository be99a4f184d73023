"""The footer: the keys that work now, as many as fit; those for help and to leave are never left out."""

from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len
from textual.binding import ActiveBinding, Binding
from textual.content import Content
from textual.events import Click, Leave, MouseMove
from textual.screen import Screen
from textual.widget import Widget

ALWAYS = ("app.help", "app.quit")


class Word(NamedTuple):
    """Keys side by side, and what they do."""

    keys: tuple[tuple[str, str, str], ...]  # what is pressed, how it is written, what it does in more words
    description: str
    enabled: bool

    @property
    def width(self) -> int:
        """In cells."""
        return sum(cell_len(shown) for _, shown, _ in self.keys) + 1 + cell_len(self.description)


class KeyLine(Widget):
    """One widget that draws itself, and only when other keys work: the focus moves more often than that.

    Words stand in the order of the table of bindings, the most useful first; what has no room is left out whole.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; color: $footer-foreground; background: $footer-background; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[tuple[Binding, bool, str]] = []
        self._words: list[Word] = []
        self._always: list[Word] = []

    @property
    def words(self) -> list[str]:
        """What the keys in sight do, from the left."""
        return [word.description for _, word in self._places()]

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self.bindings_changed)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Take in the keys that work now."""
        if not (screen.app.app_focus and self.is_attached and screen is self.screen):
            return
        active = screen.active_bindings.values()
        palette = [each for each in active if each.binding.key == self.app.COMMAND_PALETTE_BINDING]
        shown = [_told(each) for each in active if each.binding.show] + [_told(each) for each in palette[:1]]
        if shown == self._shown:
            return
        self._shown = shown
        always = [each for each in shown if each[0].id in ALWAYS]
        self._always = self._worded(always) + self._worded([_told(each) for each in palette[:1]])
        self._words = self._worded([each for each in shown if each not in always and not _is(each, palette)])
        self.refresh()

    def render(self) -> Content:
        parts: list[Content] = []
        at = 0
        for x, word in self._places():
            dim = "" if word.enabled else " dim"
            keys = "".join(shown for _, shown, _ in word.keys)
            parts += [
                Content(" " * (x - at)),
                Content.styled(keys, f"bold $footer-key-foreground{dim}"),
                Content.styled(f" {word.description}", f"$footer-description-foreground{dim}"),
            ]
            at = x + word.width
        return Content("").join(parts)

    def on_click(self, event: Click) -> None:
        found = self._at(event.x)
        if found is None:
            return
        word, key = found
        if word.enabled:
            self.app.simulate_key(key[0])
        else:
            self.app.bell()

    def on_mouse_move(self, event: MouseMove) -> None:
        found = self._at(event.x)
        tooltip = None if found is None else found[1][2]
        if tooltip != self.tooltip:
            self.tooltip = tooltip

    def on_leave(self, _event: Leave) -> None:
        self.tooltip = None

    def _worded(self, told: list[tuple[Binding, bool, str]]) -> list[Word]:
        """Keys of one action as the first of them; those of a group that follow each other as one word."""
        first = list({binding.action: (binding, on, tip) for binding, on, tip in reversed(told)}.values())
        words: list[Word] = []
        for group, same in groupby(reversed(first), lambda each: each[0].group):
            members = list(same)
            keys = [(each.key, self.app.get_key_display(each), tip) for each, _, tip in members]
            if group is not None and len(members) > 1:
                words.append(Word(tuple(keys), group.description, any(on for _, on, _ in members)))
                continue
            words += [
                Word((key,), binding.description, on)
                for key, (binding, on, _) in zip(keys, members, strict=True)
            ]
        return words

    def _places(self) -> list[tuple[int, Word]]:
        """The words that fit, each with the cell where it begins; those that are always shown stand at the right."""
        width = self.size.width
        always = list(self._always)
        while len(always) > 1 and _width(always) + 2 > width:
            always.pop()
        right = width - _width(always) - 1
        placed, x = [], 1
        for word in self._words:
            if x + word.width >= right:
                break
            placed.append((x, word))
            x += word.width + 1
        x = max(0, right)
        for word in always:
            placed.append((x, word))
            x += word.width + 1
        return placed

    def _at(self, x: int) -> tuple[Word, tuple[str, str, str]] | None:
        """The word at a cell, and of its keys the one there; else the first."""
        for begin, word in self._places():
            if not begin <= x < begin + word.width:
                continue
            for key in word.keys:
                begin += cell_len(key[1])
                if x < begin:
                    return word, key
            return word, word.keys[0]
        return None


def _told(active: ActiveBinding) -> tuple[Binding, bool, str]:
    return active.binding, active.enabled, active.tooltip or active.binding.description


def _is(told: tuple[Binding, bool, str], others: list[ActiveBinding]) -> bool:
    return any(told[0] == other.binding for other in others)


def _width(words: list[Word]) -> int:
    return sum(word.width + 1 for word in words) - 1
