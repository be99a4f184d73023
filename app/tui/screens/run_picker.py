"""Which run: its id, a part of its name, or a filter as in Runs; the newest first."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from app.tui.bindings import bindings
from app.tui.columns import fit
from app.tui.feed import Answered, Refused
from app.tui.requests import Page
from app.tui.run_marks import RunMark
from app.tui.states import state_label
from app.tui.widgets.label import Label
from engine.format import amount, printable, score
from engine.store.views import RunPage, RunRow

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp

_MOST = 100


class RunPicker(ModalScreen[int | None]):
    """Enter takes the run under the cursor, esc none; runs that were taken already have their mark."""

    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("run-picker")
    BINDING_GROUP_TITLE = "Choose a run"
    AUTO_FOCUS = "Input"

    def __init__(self, question: str, taken: Mapping[int, RunMark]) -> None:
        super().__init__()
        self._question = question
        self._taken = taken
        self._runs: tuple[RunRow, ...] = ()
        self._wanted = Page(limit=_MOST)
        self._shown: Page | None = None
        self._taking = False

    def compose(self) -> ComposeResult:
        with Vertical(id="run-picker-box", classes="panel"):
            yield Input(placeholder="id, part of a name, or stage=finetune f1_mean>0.6", compact=True)
            yield Label("", widget_id="run-picker-error")
            options = OptionList(id="run-picker-list", markup=False)
            options.can_focus = False
            yield options
            yield Label("↑ ↓ choose · enter takes it · esc leaves all as it was", classes="dim")

    def on_mount(self) -> None:
        self.query_one("#run-picker-box").border_title = self._question
        self._ask("")

    def on_unmount(self) -> None:
        cast("ReeltopApp", self.app).feed.forget(self)

    def on_answered(self, message: Answered) -> None:
        if self.is_mounted and message.request == self._wanted:
            self._show(cast(RunPage, message.value))

    def on_refused(self, message: Refused) -> None:
        if self.is_mounted:
            self.query_one("#run-picker-error", Label).update(f"✗ {message.error}")

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None and self._runs:
            options.highlighted = max(0, min(len(self._runs) - 1, options.highlighted + by))

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._ask(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._shown == self._wanted:
            self._take()
        else:
            self._taking = True  # typed quicker than the store answers

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_index < len(self._runs):
            self.dismiss(self._runs[event.option_index].id)

    def on_resize(self) -> None:
        self._draw()

    def _ask(self, text: str) -> None:
        self._wanted, self._taking = Page(_filter(text), limit=_MOST), False
        cast("ReeltopApp", self.app).feed.want(self, [self._wanted])

    def _take(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._runs):
            self.dismiss(self._runs[place].id)

    def _show(self, page: RunPage) -> None:
        if self._shown != self._wanted:
            self.query_one(OptionList).highlighted = None
        self._shown, self._runs = self._wanted, page.runs
        self.query_one("#run-picker-error", Label).update("")
        shown = f"{len(page.runs)} of " if len(page.runs) < page.matching else ""
        self.query_one("#run-picker-box").border_subtitle = f"{shown}{amount(page.matching, 'run')}"
        self._draw()
        if self._taking:
            self._taking = False
            self._take()

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        before = options.highlighted or 0
        width = max(30, (options.size.width or 70) - 2)
        if self._runs:
            options.set_options([Option(self._line(run, width)) for run in self._runs])
            options.highlighted = min(before, len(self._runs) - 1)
        else:
            options.set_options([Option("no run matches", disabled=True)])

    def _line(self, run: RunRow, width: int) -> Content:
        mark = self._taken.get(run.id)
        glyph = Content.styled(mark.glyph, f"${mark.colour}") if mark is not None else Content(" ")
        name = fit(printable(run.name), max(8, width - 46))
        return Content.assemble(
            glyph,
            f" {run.id:>5} ",
            (name, "bold"),
            (f" {fit(printable(run.stage), 9)} ", "$foreground-muted"),
            f"{score(run.f1_mean):>7}  ",
            state_label(run),
        )


def _filter(text: str) -> str:
    """A filter as it is; a number is an id, and every other word a part of the name."""
    words = text.split()
    if any(sign in text for sign in "=<>~"):
        return text
    if len(words) == 1 and words[0].isascii() and words[0].isdigit():
        return f"id={words[0]}"
    quoted = [f"'{word}'" if '"' in word else f'"{word}"' for word in words]
    return " ".join(f"name~{word}" for word in quoted)
