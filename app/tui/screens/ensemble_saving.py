"""What the ensemble screen gives away: an ensemble run, the table on the clipboard, the table as a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from textual.message import Message

from app.tui import ensembles, exports
from app.tui.bench import Bench
from app.tui.requests import Detail, Request
from app.tui.screens.ask import Ask
from app.tui.screens.ensemble_work import EnsembleWork
from app.tui.widgets.ensemble_panel import EnsemblePanel
from engine.ensemble.text import report_table
from engine.format import printable
from engine.store.views import RunDetail

if TYPE_CHECKING:
    from engine.store.database import Store


class EnsembleSaving(EnsembleWork):
    """A screen with a bench; a run that was saved is followed to its end."""

    class Saved(Message):
        """An ensemble run was queued."""

        def __init__(self, run_id: int) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.reading = False  # the predictions of the chosen runs
        self._saved: int | None = None
        self._saved_detail: RunDetail | None = None

    def requests(self) -> Sequence[Request]:
        return [Detail(self._saved)] if self._saved is not None else []

    def receive(self, request: Request, value: object) -> None:
        if isinstance(request, Detail) and request.run_id == self._saved:
            self._saved_detail = cast(RunDetail, value)
            self.show_notes()

    def action_save(self) -> None:
        """Ask for a name, then queue a run."""
        bench, gathered = self.bench, self.bench.ready
        if gathered is None:
            self.no_members()
            return
        workspace = self.reeltop.workspace
        members, weights, kind = bench.members, bench.now, bench.kind

        def answered(name: str | None) -> None:
            if name is None:
                return

            def queue(store: "Store") -> str:
                run_id = ensembles.queue_ensemble(workspace, store, members, weights, kind, name.strip())
                self.post_message(self.Saved(run_id))
                return f"queued {run_id} {printable(name.strip())}; 1 shows the queue"

            self.reeltop.command(queue)

        hint = ensembles.save_hint(gathered, weights, kind)
        self.app.push_screen(Ask("Save as an ensemble run, called", hint, "ensemble", _no_name), answered)

    def action_open_saved(self) -> None:
        """The page of the saved run."""
        if self._saved is not None:
            self.reeltop.open_run(self._saved)
        else:
            self.notify("nothing is saved yet: s saves", severity="warning", markup=False)

    def action_copy_table(self, form: exports.Format) -> None:
        """The table to the clipboard."""
        if (report := self._report()) is not None:
            self.app.copy_to_clipboard(exports.table(*report_table(report), form))
            self.notify(f"copied the table as {'Markdown' if form == 'markdown' else 'CSV'}", markup=False)

    def action_write(self) -> None:
        """The table as a file."""
        if (report := self._report()) is not None:
            root, text = self.reeltop.workspace.root, exports.table(*report_table(report), "csv")

            def write(_store: "Store") -> str:
                path = exports.write(root, "ensemble", "csv", text).relative_to(root)
                return f"written {printable(str(path))}"

            self.reeltop.command(write)

    def on_ensemble_saving_saved(self, message: Saved) -> None:
        self._saved, self._saved_detail = message.run_id, None
        self.ask()

    def no_members(self) -> None:
        """Say that there is nothing to act on."""
        what = "the members are still being loaded" if self.reading else "no members yet: a chooses them"
        self.notify(what, severity="warning", markup=False)

    def _report(self) -> dict[str, Any] | None:
        """Of the weights as they are; None, and said so, where it is not there."""
        report = self.bench.report
        if self.bench.ready is None:
            self.no_members()
        elif report is None:
            self.notify("the scores are still being computed", severity="warning", markup=False)
        return report

    def show_notes(self) -> None:
        """Say what was left out, and how the saved run does."""
        notes = self.bench.gathered.notes if self.bench.gathered is not None else ()
        self.query_one(EnsemblePanel).show_notes(notes, self._saved_detail)


def _no_name(text: str) -> str | None:
    return None if text.strip() else "a run needs a name"
