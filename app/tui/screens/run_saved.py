"""What the Run screen does with a checkpoint: use it in a new run, keep it, remove it."""

from typing import TYPE_CHECKING

from textual import on

from app.tui.screens.run_actions import RunActions
from app.tui.states import title
from app.tui.widgets.checkpoint_table import CheckpointTable, SavedState
from engine.format import printable, size
from engine.store.views import RunRow

if TYPE_CHECKING:
    from engine.store.database import Store


class RunSaved(RunActions):
    """A screen with a table of checkpoints."""

    @on(CheckpointTable.Wanted)
    def _checkpoint_wanted(self, event: CheckpointTable.Wanted) -> None:
        event.stop()
        if (run := self._chosen()) is None:
            return
        if event.verb == "use":
            self._use(run, event.saved)
        elif event.verb == "pin":
            self._pin(run, event.saved)
        else:
            self._remove(run, event.saved)

    def _use(self, run: RunRow, saved: SavedState) -> None:
        def find(store: "Store") -> str | None:
            from engine.errors import RunError
            from engine.saved_states import reference_to

            which = reference_to(store, run.id, saved.row.path)
            if which is None:
                raise RunError(
                    f"{printable(saved.row.path)} has no name that another run could use: only the best, the last and "
                    "those of an epoch have one"
                )
            if self.app.is_running:
                self.app.call_from_thread(self._hand_over, run.id, which)
            return None

        self.reeltop.command(find)

    def _hand_over(self, run_id: int, which: str) -> None:
        reference = f"{run_id}@{which}"
        self.app.copy_to_clipboard(reference)
        self.notify(f"copied {reference}, for an input such as inputs.init", markup=False)
        self.reeltop.launch_from(run_id, which)

    def _pin(self, run: RunRow, saved: SavedState) -> None:
        workspace = self.reeltop.workspace
        pinned = not saved.pinned

        def act(store: "Store") -> None:
            from engine.saved_states import pin

            pin(workspace, store, run.id, saved.row.path, pinned)

        done = "pinned: it stays whatever the run's retention says" if pinned else "no longer pinned"
        self.reeltop.command(act, f"{printable(saved.row.path)} {done}")

    def _remove(self, run: RunRow, saved: SavedState) -> None:
        if not run.status.ended:
            self.notify(
                f"run {title(run)} is {run.status}: its checkpoints are its own until it has ended",
                severity="warning",
                markup=False,
            )
            return
        if saved.pinned:
            self.notify(
                f"{printable(saved.row.path)} is pinned: p takes the pin away",
                severity="warning",
                markup=False,
            )
            return
        workspace = self.reeltop.workspace

        def act(store: "Store") -> None:
            from engine.saved_states import remove

            remove(workspace, store, run.id, saved.row.path)

        what = [f"Its files are removed and {size(saved.row.bytes)} become free. This can't be undone."]
        if "best" in saved.kinds:
            what.append("It is the best: ensembles, `predict` and runs that start from best use it.")
        if run.status.resumable:
            what.append("The run could be resumed from it: without it, it goes on from an earlier one.")
        self._ask_then(
            f"Delete checkpoint {printable(saved.row.path)} ({printable(', '.join(saved.kinds))}) of run {title(run)}?",
            " ".join(what),
            act,
            f"deleted {printable(saved.row.path)}",
        )
