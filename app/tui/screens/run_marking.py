"""Marks on runs: what Compare and Ensemble begin with, and what keys for several runs act on."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.tui.run_view import View
from app.tui.screens.run_actions import Target
from app.tui.screens.run_edits import RunEdits
from app.tui.states import title
from engine.store.table_views import GroupRow, Line

if TYPE_CHECKING:
    from engine.store.database import Store

_FEW = 2


class RunMarking(RunEdits):
    """A screen with a table of runs, each of which can be marked; marks are the app's, whatever the table shows."""

    def __init__(self) -> None:
        super().__init__()
        self._titles: dict[int, str] = {}

    @abstractmethod
    def line_under_cursor(self) -> Line | None:
        """The run or the group."""
        raise NotImplementedError

    @abstractmethod
    def view_shown(self) -> View:
        """What the table shows."""
        raise NotImplementedError

    @abstractmethod
    def marks_changed(self) -> None:
        """Draw them anew."""
        raise NotImplementedError

    def targets(self) -> list[Target]:
        """The marked runs where there are any, else the one under the cursor."""
        marked = self.reeltop.marked
        if not marked:
            return super().targets()
        return [Target(run_id, self._titles.get(run_id, str(run_id))) for run_id in marked]

    def action_mark(self) -> None:
        """Mark the run, or those of the group; unmark what is marked."""
        line = self.line_under_cursor()
        if isinstance(line, GroupRow):
            self._mark(line.run_ids)
        elif line is not None:
            self._titles[line.id] = title(line)
            self._mark((line.id,))

    def action_mark_all(self) -> None:
        """Mark every run that the filter leaves."""
        view = self.view_shown()

        def command(store: "Store") -> None:
            from engine.store.tables import matching_ids

            ids = matching_ids(store, view.filter, view.sort)
            self.app.call_from_thread(self._mark, ids)

        self.reeltop.command(command)

    def action_unmark(self) -> None:
        """No marks."""
        self.reeltop.marked[:] = []
        self.marks_changed()

    async def action_compare(self) -> None:
        """The marked runs side by side."""
        await self._go("compare", "Compare")

    async def action_ensemble(self) -> None:
        """The marked runs weighed together."""
        await self._go("ensemble", "Ensemble")

    async def _go(self, mode: str, name: str) -> None:
        if mode not in self.app.MODES:
            self.notify(f"there is no {name} here", severity="warning", markup=False)
            return
        if len(self.reeltop.marked) < _FEW:
            self.notify(f"{name} begins with the marked runs: space marks one", markup=False)
        await self.reeltop.action_mode(mode)

    def _mark(self, run_ids: Sequence[int]) -> None:
        marked = self.reeltop.marked
        if set(run_ids) <= set(marked):
            gone = set(run_ids)
            marked[:] = [run_id for run_id in marked if run_id not in gone]
        else:
            here = set(marked)
            marked.extend(run_id for run_id in run_ids if run_id not in here)
        self.marks_changed()
