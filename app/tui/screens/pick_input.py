"""Which run an input names: those of fitting stages, searched while one types, with the checkpoints that they have."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from app.tui import troubles
from app.tui.bindings import bindings
from app.tui.candidates import Candidate, candidates
from app.tui.columns import fit
from app.tui.states import state_label
from app.tui.widgets.label import Label
from engine.format import moment, printable, score

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp

_MOST = 500


class PickInput(ModalScreen[str | None]):
    """Enter takes the run under the cursor, or the marked ones; esc leaves the input as it was.

    Args:
        several: the role takes several runs.
        taken: what the input names now.
    """

    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("input-picker")
    BINDING_GROUP_TITLE = "Pick an input"
    AUTO_FOCUS = "Input"

    class Found(Message, bubble=False):
        """The runs that can be given; text where they cannot be read."""

        def __init__(self, found: tuple[Candidate, ...] | str) -> None:
            super().__init__()
            self.found = found

    def __init__(self, role: str, *, several: bool, taken: Sequence[str]) -> None:
        super().__init__()
        self._role = role
        self._several = several
        self._marked = list(taken) if several else []
        self._all: tuple[Candidate, ...] | None = None
        self._shown: list[Candidate] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="pick-box", classes="panel"):
            yield Input(placeholder="part of a name, a stage, best, last or epoch-3", compact=True)
            yield Label("loading", widget_id="pick-note", classes="dim")
            options = OptionList(id="pick-list", markup=False)
            options.can_focus = False
            yield options
            marks = "tab marks · " if self._several else ""
            yield Label(f"↑ ↓ choose · {marks}enter takes · ctrl+n none · esc leaves it", classes="dim")

    def on_mount(self) -> None:
        self.query_one("#pick-box").border_title = Content(f"inputs.{printable(self._role)}")
        app = cast("ReeltopApp", self.app)

        def work() -> None:
            found: tuple[Candidate, ...] | str
            try:
                found = candidates(app.feed.store(), self._role)
            except troubles.expected() as error:
                found = troubles.one_line(error)
            self.post_message(self.Found(found))

        self.run_worker(work, name="candidates", group="candidates", thread=True, exclusive=True)

    def on_pick_input_found(self, message: Found) -> None:
        if isinstance(message.found, str):
            self.query_one("#pick-note", Label).update(f"✗ {message.found}")
            return
        self._all = message.found
        self._filter()

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        if self._shown:
            now = options.highlighted or 0
            options.highlighted = max(0, min(len(self._shown) - 1, now + by))

    def action_mark(self) -> None:
        """Take one more, or one less."""
        current = self._current()
        if not self._several or current is None:
            return
        if current.reference in self._marked:
            self._marked.remove(current.reference)
        else:
            self._marked.append(current.reference)
        index = self.query_one(OptionList).highlighted or 0
        self.query_one(OptionList).replace_option_prompt_at_index(index, self._line(current))
        self._note()
        self.action_move(1)

    def action_clear(self) -> None:
        self.dismiss("")

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._take()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self._several:
            self.action_mark()
        else:
            self._take()

    def _take(self) -> None:
        current = self._current()
        if self._marked:
            self.dismiss(", ".join(self._marked))
        elif current is not None:
            self.dismiss(current.reference)

    def _current(self) -> Candidate | None:
        index = self.query_one(OptionList).highlighted
        return self._shown[index] if index is not None and index < len(self._shown) else None

    def _filter(self) -> None:
        if self._all is None:
            return
        words = self.query_one(Input).value.lower().split()
        self._shown = [one for one in self._all if all(word in _searched(one) for word in words)][:_MOST]
        options = self.query_one(OptionList)
        options.set_options([Option(self._line(one)) for one in self._shown])
        options.highlighted = 0 if self._shown else None
        self._note()

    def _note(self) -> None:
        from engine.planning.pipeline import stages_of_role

        stages = " or ".join(stages_of_role(self._role))
        if not self._all:
            text = f"no run of {stages} yet: launch one first; this can be added to the queue after it"
        elif not self._shown:
            text = "nothing matches"
        elif self._marked:
            text = f"{len(self._marked)} marked: {', '.join(printable(name) for name in self._marked)}"
        else:
            text = f"runs of {stages}, finished ones first; without @ the best checkpoint, else the last"
        self.query_one("#pick-note", Label).update(text)

    def _line(self, one: Candidate) -> Content:
        run = one.run
        mark = "◆ " if one.reference in self._marked else "  "
        if one.which is not None:
            return Content.assemble(mark, " " * 5, (f"@{one.which}", "$text-accent"))
        return Content.assemble(
            mark,
            (f"{run.id:>4} {fit(printable(run.name), 22)} ", "bold"),
            (f"{run.stage:<9}", "$foreground-muted"),
            state_label(run),
            f"  {score(run.f1_mean)}" if run.f1_mean is not None else "",
            (f"  {moment(run.ended or run.created)[5:16]}", "$foreground-muted"),
        )


def _searched(one: Candidate) -> str:
    which = f"@{one.which}" if one.which else ""
    return f"{one.run.id} {one.run.name} {one.run.stage} {one.run.status} {which}".lower()
