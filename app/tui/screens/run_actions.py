"""Stop, kill, resume, delete, copy and open: the same keys and the same questions wherever a run is shown."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.tui.screens.base import ReeltopScreen
from app.tui.states import title
from engine.store.views import RunRow, Status

if TYPE_CHECKING:
    from engine.actions import Verb
    from engine.edits import Edit
    from engine.store.database import Store
    from engine.store.edits import Before

_NAMED = 6


class Target(NamedTuple):
    """A run that a key acts on."""

    id: int
    title: str


def naming(targets: Sequence[Target]) -> str:
    """`run 12 model-1`, or `3 marked runs: 12 model-1, 31 model-2, 27 model-3`."""
    if len(targets) == 1:
        return f"run {targets[0].title}"
    names = ", ".join(target.title for target in targets[:_NAMED])
    more = f" and {len(targets) - _NAMED} more" if len(targets) > _NAMED else ""
    return f"{len(targets)} marked runs: {names}{more}"


class RunActions(ReeltopScreen):
    """A screen that has a current run."""

    @abstractmethod
    def current_run(self) -> RunRow | None:
        """The run that the keys act on."""
        raise NotImplementedError

    def targets(self) -> list[Target]:
        """The runs that keys for several runs act on."""
        run = self.current_run()
        return [] if run is None else [Target(run.id, title(run))]

    def _chosen(self) -> RunRow | None:
        run = self.current_run()
        if run is None:
            self.notify("no run is chosen", severity="warning", markup=False)
        return run

    def _aimed(self) -> list[Target]:
        targets = self.targets()
        if not targets:
            self.notify("no run is chosen", severity="warning", markup=False)
        return targets

    def action_stop_run(self) -> None:
        """Ask once, then ask the supervisor to stop the runs."""
        targets = self._aimed()
        run = self.current_run() if len(targets) == 1 else None
        if not targets:
            return
        if run is not None and run.id == targets[0].id and run.status.ended:
            self._tell_state(run)
            return
        queued = run is not None and run.status is Status.QUEUED
        self._ask_then(
            f"{'Cancel' if queued else 'Stop'} {naming(targets)}?",
            "It has not started; it leaves the queue."
            if queued
            else "It writes a checkpoint and ends; r goes on from there.",
            self._act_on(targets, "stop", "cancelled" if queued else "asked to stop"),
        )

    def action_kill_run(self) -> None:
        """Ask once, then have the runs' processes ended."""
        targets = self._aimed()
        run = self.current_run() if len(targets) == 1 else None
        if not targets:
            return
        if run is not None and run.id == targets[0].id and run.status.ended:
            self._tell_state(run)
            return
        if run is not None and run.id == targets[0].id and run.status is Status.QUEUED:
            self.action_stop_run()  # nothing of it runs, and nothing is lost
            return
        self._ask_then(
            f"Kill {naming(targets)}?",
            "What was done since the last checkpoint is lost. This can't be undone.",
            self._act_on(targets, "kill", "asked to end at once"),
        )

    def action_resume_run(self) -> None:
        """Queue the runs again, from their last checkpoints."""
        if targets := self._aimed():
            self.reeltop.command(self.resuming(targets))

    def resuming(self, targets: Sequence[Target]) -> "Callable[[Store], str]":
        """The command that queues stopped runs again."""
        return self._act_on(targets, "resume", "queued again, goes on from its last checkpoint")

    def action_delete_run(self) -> None:
        """Ask once, then take the runs out of the list."""
        if not (targets := self._aimed()):
            return
        ids = [target.id for target in targets]
        app = self.reeltop

        def change(store: "Store") -> "tuple[Before, ...]":
            from engine.store.edits import delete_runs

            befores = delete_runs(store, ids)
            app.marked[:] = [run_id for run_id in app.marked if run_id not in ids]
            return befores

        one = f" {ids[0]}" if len(ids) == 1 else ""
        self._ask_then(
            f"Delete {naming(targets)} from the list?",
            f"The files stay; u in Runs or `reeltop restore{one or ' RUN'}` brings {'it' if one else 'them'} back.",
            self._edit(change, f"{naming(targets)}: deleted; u takes it back"),
        )

    def action_undo(self) -> None:
        """Take back the last change of a name, tag, note, pin or deletion."""
        self.reeltop.undo()

    def action_copy_id(self) -> None:
        """The run's id to the clipboard."""
        if (run := self._chosen()) is not None:
            self.app.copy_to_clipboard(str(run.id))
            self.notify(f"copied {run.id}", markup=False)

    def action_open_run(self) -> None:
        """The screen about the run."""
        if (run := self._chosen()) is not None:
            self.reeltop.open_run(run.id)

    def _act(self, run: RunRow, verb: "Verb") -> "Callable[[Store], None]":
        workspace = self.reeltop.workspace

        def command(store: "Store") -> None:
            from engine.actions import act

            act(workspace, store, run.id, verb)

        return command

    def _act_on(self, targets: Sequence[Target], verb: "Verb", done: str) -> "Callable[[Store], str]":
        """Do it to each, those that cannot be left as they are; what was done and what not, in one line."""
        workspace = self.reeltop.workspace

        def command(store: "Store") -> str:
            from engine.actions import act
            from engine.errors import RunError

            failed: list[str] = []
            for target in targets:
                try:
                    act(workspace, store, target.id, verb)
                except RunError as error:
                    failed.append(str(error))
            if failed:
                count = len(targets) - len(failed)
                raise RunError("; ".join([f"{count} {done}"] * bool(count) + failed))
            return f"{naming(targets)}: {done}"

        return command

    def _edit(self, change: "Edit", done: str) -> "Callable[[Store], str]":
        """An edit that `u` takes back."""
        app = self.reeltop

        def command(store: "Store") -> str:
            from engine.edits import edit, undo

            befores = edit(app.workspace, store, change)

            def take_back(store: "Store") -> str:
                undo(app.workspace, store, befores)
                return f"taken back: {done.partition(';')[0]}"

            app.can_undo(take_back)
            return done

        return command

    def _tell_state(self, run: RunRow) -> None:
        self.notify(f"run {title(run)} is already {run.status}", severity="warning", markup=False)

    def _ask_then(
        self, question: str, consequence: str, act: "Callable[[Store], str | None]", done: str = ""
    ) -> None:
        from app.tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self.reeltop.command(act, done)

        self.app.push_screen(Confirm(question, consequence), answered)
