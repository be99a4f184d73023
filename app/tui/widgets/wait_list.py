"""The queue: waiting runs in the order in which they will start, each with the reason why it waits."""

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.bindings import bindings
from app.tui.states import GLYPHS, state_label, title
from engine.format import printable
from engine.store.views import Queue, RunRow

_WIDE = 76


class WaitList(OptionList):
    """A line for each queued run. Its keys change the order, and hold runs back."""

    BINDINGS = bindings("queue")
    BINDING_GROUP_TITLE = "Queue"

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel", markup=False)
        self._runs: tuple[RunRow, ...] = ()

    def on_mount(self) -> None:
        self.border_title = "waiting"

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        index = self.highlighted
        return self._runs[index] if index is not None and index < len(self._runs) else None

    def show(self, queue: Queue) -> None:
        """Show the queue, of a long one its beginning; the cursor stays on its run."""
        chosen, runs = self.current, queue.runs
        self.border_title = f"waiting ({queue.total:,})" if runs else "waiting"
        hidden = queue.total - len(runs)
        self.border_subtitle = f"{hidden:,} more: 2 Runs, / status=queued" if hidden else ""
        before, self._runs = self._runs, runs
        if [run.id for run in runs] == [run.id for run in before]:
            for place, run in enumerate(runs):
                self.replace_option_prompt(str(run.id), self._line(run, place))
            return
        self.set_options([Option(self._line(run, place), id=str(run.id)) for place, run in enumerate(runs)])
        ids = [run.id for run in runs]
        if chosen is not None and chosen.id in ids:
            self.highlighted = ids.index(chosen.id)
        elif chosen is not None and ids:
            place = next(index for index, run in enumerate(before) if run.id == chosen.id)
            self.highlighted = min(place, len(ids) - 1)

    def on_resize(self) -> None:
        for place, run in enumerate(self._runs):
            self.replace_option_prompt(str(run.id), self._line(run, place))

    def _line(self, run: RunRow, place: int) -> Content:
        """The reason matters most: what the title says already gives way to it."""
        wide = self.size.width >= _WIDE
        reason = printable(run.waiting_for) if run.waiting_for else "waits for the supervisor to look at it"
        return Content.assemble(
            (f"{place + 1:>2} ", "$foreground-muted"),
            state_label(run) if wide or run.held else Content.styled(GLYPHS[run.status], "$foreground-muted"),
            " ",
            (title(run), "bold"),
            (f" {run.stage}  " if wide else "  ", "$foreground-muted"),
            (f"priority {run.priority}  ", "$text-accent") if run.priority else "",
            "h releases it" if run.held else reason,
        )
