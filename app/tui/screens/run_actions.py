"""Stop, kill, resume, delete, copy and open: the same keys and the same questions wherever a run is shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.tui.screens.base import ReeltopScreen
from app.tui.states import title
from engine.store.views import RunRow, Status

if TYPE_CHECKING:
    from engine.actions import Verb
    from engine.store.database import Store


class RunActions(ReeltopScreen):
    """A screen that has a current run."""

    def current_run(self) -> RunRow | None:
        """The run that the keys act on."""
        raise NotImplementedError

    def _chosen(self) -> RunRow | None:
        run = self.current_run()
        if run is None:
            self.notify("no run is chosen", severity="warning", markup=False)
        return run

    def action_stop_run(self) -> None:
        """Ask once, then ask the supervisor to stop the run."""
        if (run := self._chosen()) is None:
            return
        if run.status.ended:
            self._tell_state(run)
            return
        queued = run.status is Status.QUEUED
        self._ask_then(
            f"{'Cancel' if queued else 'Stop'} run {title(run)}?",
            "It has not started; it leaves the queue."
            if queued
            else "It writes a checkpoint and ends; r goes on from there.",
            self._act(run, "stop"),
            f"run {title(run)}: {'cancelled' if queued else 'asked to stop'}",
        )

    def action_kill_run(self) -> None:
        """Ask once, then have the run's processes ended."""
        if (run := self._chosen()) is None:
            return
        if run.status.ended:
            self._tell_state(run)
            return
        self._ask_then(
            f"Kill run {title(run)}?",
            "What it did since its last checkpoint is lost. This can't be undone.",
            self._act(run, "kill"),
            f"run {title(run)}: asked to end at once",
        )

    def action_resume_run(self) -> None:
        """Queue the run again, from its last checkpoint."""
        if (run := self._chosen()) is None:
            return
        self.reeltop.command(
            self._act(run, "resume"), f"run {title(run)}: queued again, goes on from its last checkpoint"
        )

    def action_delete_run(self) -> None:
        """Ask once, then take the run out of the list."""
        if (run := self._chosen()) is None:
            return
        self._ask_then(
            f"Delete run {title(run)} from the list?",
            f"Its files stay in {run.directory}; `reeltop rebuild` brings the run back.",
            self._act(run, "delete"),
            f"run {title(run)}: deleted",
        )

    def action_copy_id(self) -> None:
        """The run's id to the clipboard."""
        if (run := self._chosen()) is not None:
            self.app.copy_to_clipboard(str(run.id))
            self.notify(f"copied {run.id}", markup=False)

    def action_open_run(self) -> None:
        """The screen about the run."""
        if (run := self._chosen()) is not None:
            self.reeltop.open_run(run.id)

    def _act(self, run: RunRow, verb: "Verb") -> Callable[["Store"], None]:
        workspace = self.reeltop.workspace

        def command(store: "Store") -> None:
            from engine.actions import act

            act(workspace, store, run.id, verb)

        return command

    def _tell_state(self, run: RunRow) -> None:
        self.notify(f"run {title(run)} is already {run.status}", severity="warning", markup=False)

    def _ask_then(self, question: str, consequence: str, act: Callable[["Store"], None], done: str) -> None:
        from app.tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self.reeltop.command(act, done)

        self.app.push_screen(Confirm(question, consequence), answered)
