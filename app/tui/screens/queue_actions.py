"""The order of the queue by key: move, change priority, hold and release the run under the queue's cursor."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from app.tui.screens.run_actions import RunActions
from app.tui.states import title
from engine.store.views import RunRow, Status

if TYPE_CHECKING:
    from engine.actions import Verb
    from engine.store.database import Store


class QueueActions(RunActions):
    """A screen that has a queued run under a cursor."""

    @abstractmethod
    def queued_run(self) -> RunRow | None:
        """The run that the queue's keys act on."""
        raise NotImplementedError

    def action_move_run(self, by: int) -> None:
        """Let the run change places with the one before or after it."""
        if (run := self._queued()) is None:
            return
        workspace = self.reeltop.workspace

        def command(store: "Store") -> None:
            from engine.actions import move

            move(workspace, store, run.id, by)

        self.reeltop.command(command)

    def action_hold_run(self) -> None:
        """Keep the run from being started, or let it start again."""
        if (run := self._queued()) is None:
            return
        verb: Verb = "release" if run.held else "hold"
        done = "starts when its turn comes" if run.held else "held; h releases it"
        self.reeltop.command(self._act(run, verb), f"run {title(run)}: {done}")

    def action_change_priority(self) -> None:
        """Ask for another priority."""
        if (run := self._queued()) is None:
            return
        from app.tui.screens.ask import Ask

        workspace = self.reeltop.workspace

        def answered(text: str | None) -> None:
            if text is None:
                return

            def command(store: "Store") -> None:
                from engine.actions import prioritize

                prioritize(workspace, store, run.id, int(text))

            self.reeltop.command(command, f"run {title(run)}: priority {int(text)}")

        self.app.push_screen(
            Ask(
                f"Priority of run {title(run)}",
                "higher ones leave the queue first, then older ones; -1000 to 1000",
                str(run.priority),
                _wrong_priority,
            ),
            answered,
        )

    def _queued(self) -> RunRow | None:
        run = self.queued_run()
        if run is None:
            self.notify("no run of the queue is chosen", severity="warning", markup=False)
        elif run.status is not Status.QUEUED:
            self._tell_state(run)
            return None
        return run


def _wrong_priority(text: str) -> str | None:
    from engine.store.queueing import HIGHEST, LOWEST

    try:
        value = int(text)
    except ValueError:
        return "not a whole number"
    return None if LOWEST <= value <= HIGHEST else f"out of range: {LOWEST} to {HIGHEST}"
