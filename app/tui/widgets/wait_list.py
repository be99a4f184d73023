"""The queue: waiting runs in the order in which they will start, each with the reason why it waits."""

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.states import GLYPHS, title
from engine.format import printable
from engine.store.views import RunRow, Status


class WaitList(OptionList):
    """A line for each queued run."""

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

    def show(self, runs: tuple[RunRow, ...]) -> None:
        """Show the queue."""
        chosen = self.current
        if [run.id for run in runs] == [run.id for run in self._runs]:
            self._runs = runs
            for run in runs:
                self.replace_option_prompt(str(run.id), _line(run))
            return
        self._runs = runs
        self.border_title = f"waiting ({len(runs)})" if runs else "waiting"
        self.set_options([Option(_line(run), id=str(run.id)) for run in runs])
        ids = [run.id for run in runs]
        if chosen is not None and chosen.id in ids:
            self.highlighted = ids.index(chosen.id)


def _line(run: RunRow) -> Content:
    reason = printable(run.waiting_for) if run.waiting_for else "waits for the supervisor to look at it"
    return Content.assemble(
        (f"{GLYPHS[Status.QUEUED]} queued ", "$foreground-muted"),
        (title(run), "bold"),
        (f" {run.stage}  ", "$foreground-muted"),
        reason,
    )
