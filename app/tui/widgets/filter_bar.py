"""One line to type a filter in; below it what could come next, or what is wrong with it, at the place."""

import re
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from app.tui.bindings import bindings
from app.tui.completion import Place, key_candidates, place_at, value_candidates
from app.tui.widgets.label import Label
from engine.format import printable
from engine.store.table_views import Key

_WHERE = re.compile(r"^filter, character \d+: ")  # the arrow says it


class _FilterInput(Input):
    BINDINGS = bindings("filter")

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(FilterBar.Left())

    def action_leave(self) -> None:
        self.post_message(FilterBar.Left())

    def action_complete(self, by: int) -> None:
        bar = self.parent
        if isinstance(bar, FilterBar) and not bar.complete(by) and not bar.completes:
            self.screen.focus_next() if by > 0 else self.screen.focus_previous()


class FilterBar(Vertical):
    """Applies while one types; enter goes back to the table, esc clears, tab completes what it was told of."""

    class Changed(Message):
        """Another text was typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The person is done with it."""

    class ValuesWanted(Message):
        """A value of this key is being typed: tell them by `know_values`."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, placeholder: str, *, widget_id: str) -> None:
        super().__init__(id=widget_id)
        self._placeholder = placeholder
        self._keys: tuple[Key, ...] = ()
        self._values: dict[str, tuple[str, ...]] = {}
        self._place: Place | None = None
        self._candidates: tuple[str, ...] = ()
        self._taken = -1
        self._error: tuple[str, int] | None = None
        self.display = False

    def compose(self) -> ComposeResult:
        yield _FilterInput(placeholder=self._placeholder, compact=True, select_on_focus=False)
        yield Label("", classes="filter-words")
        yield Label("", classes="filter-error")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    @text.setter
    def text(self, text: str) -> None:
        field = self.query_one(Input)
        with self.prevent(Input.Changed):
            field.value = text
            field.cursor_position = len(text)
        self.display = self.display or bool(text)
        self._look()

    def open(self) -> None:
        """Show it and type into it."""
        self.display = True
        self.screen.set_focus(self.query_one(Input))  # at once: what is typed next belongs to the filter
        self._look()

    def know(self, keys: Sequence[Key]) -> None:
        """Keys to complete; without them nothing is completed."""
        self._keys = tuple(keys)
        self._look()

    def know_values(self, key: str, values: Sequence[str]) -> None:
        """Values of a key to complete."""
        self._values[key] = tuple(values)
        self._look()

    @property
    def completes(self) -> bool:
        """Tab is for words here, also where just now none fits: letters typed on must not become keys of the table."""
        return bool(self._keys)

    def complete(self, by: int) -> bool:
        """Put the next word that fits in the place of what is typed; false where none does."""
        if self._place is None or not self._candidates:
            return False
        field = self.query_one(Input)
        self._taken = (self._taken + by) % len(self._candidates) if self._taken >= 0 or by > 0 else -1
        word = self._candidates[self._taken]
        rest = field.value[field.cursor_position :]
        with self.prevent(Input.Changed):
            field.value = field.value[: self._place.start] + word + rest
            field.cursor_position = self._place.start + len(word)
        self._draw()
        self.post_message(self.Changed(field.value))
        return True

    def pattern(self, text: str) -> "re.Pattern[str] | None":
        """The text as a regular expression; None where it is none yet, which is said."""
        try:
            return re.compile(text.strip())
        except re.error as error:
            self.show_error(error.msg, error.pos or 0)
            return None

    def show_error(self, message: str | None, position: int = 0) -> None:
        """Put the message under the character it is about."""
        self._error = None if message is None else (_WHERE.sub("", printable(message)), position)
        self._draw()

    def close_if_empty(self) -> None:
        """Give the line back to the table."""
        self.query_one(".filter-words", Label).display = False
        if not self.text:
            self.display = False
            self.show_error(None)

    def on_descendant_blur(self) -> None:
        self._draw()  # what was still being typed is typed now, and may be wrong

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._look()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Left())

    def _look(self) -> None:
        """What could come where the cursor is."""
        field = self.query_one(Input)
        self._taken = -1
        self._place = place_at(field.value, field.cursor_position) if self._keys else None
        if self._place is None:
            self._candidates = ()
        elif self._place.key is None:
            self._candidates = key_candidates(self._place.typed, self._keys)
        elif self._place.key in self._values:
            self._candidates = value_candidates(self._place.typed, self._values[self._place.key])
        else:
            self._candidates = ()
            self.post_message(self.ValuesWanted(self._place.key))
        self._draw()

    def _draw(self) -> None:
        words, error = self.query_one(".filter-words", Label), self.query_one(".filter-error", Label)
        typing = self.query_one(Input).has_focus
        words.display = bool(self._candidates) and typing
        if self._candidates:
            words.update(self._words())
        told = self._error
        if told is not None and words.display and self._place is not None and told[1] >= self._place.term:
            told = None  # what is still being typed is not wrong yet
        error.set_class(told is not None, "-shown")
        if told is None:
            return
        text, place = told
        room = max(10, self.size.width)
        before = place - len(text) - 2
        if place + len(text) + 2 <= room:
            error.update(" " * place + f"▲ {text}")
        elif before >= 0:
            error.update(" " * before + f"{text} ▲")
        else:
            error.update(" " * min(place, room - 1) + f"▲\n{text}")

    def _words(self) -> Content:
        """A line of words around the one that tab took last."""
        room = max(20, self.size.width) - 6
        first = max(0, self._taken)
        parts: list[Content] = [Content.styled("tab ", "$foreground-muted")]
        for index, word in enumerate(self._candidates[first:], first):
            shown = printable(word)
            room -= len(shown) + 2
            if room < 0 and index > first:
                parts.append(Content.styled("…", "$foreground-muted"))
                break
            parts.append(
                Content.styled(
                    f"{shown}  ", "bold $text-accent" if index == self._taken else "$foreground-muted"
                )
            )
        return Content("  ").append(Content("").join(parts)) if parts else Content("")
