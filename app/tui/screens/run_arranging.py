"""How the table of runs is arranged: order, groups, columns and saved views, by key and by dialog."""

from abc import abstractmethod
from collections.abc import Callable
from typing import cast

from textual import on

from app.tui.columns import default_keys
from app.tui.run_view import View
from app.tui.screens.choose_columns import ChooseColumns
from app.tui.screens.pick_key import PickKey
from app.tui.screens.run_marking import RunMarking
from app.tui.screens.views import Views
from app.tui.widgets.run_table import RunTable
from engine.store.table_views import Folding, Key


class RunArranging(RunMarking):
    """A screen whose table shows a `View`; `_good` is the last one that the store could answer."""

    def __init__(self) -> None:
        super().__init__()
        self._view = View()
        self._good = View()
        self._folding = Folding()
        self._keys: tuple[Key, ...] = ()
        self._wants_keys = False
        self._then: Callable[[], None] | None = None

    @abstractmethod
    def show_view(self, view: View) -> None:
        """Columns, order, filter and groups, all at once."""
        raise NotImplementedError

    @abstractmethod
    def _change(self, view: View) -> None:
        """Another order, grouping or choice of columns."""
        raise NotImplementedError

    def action_sort(self) -> None:
        """Sort by the next column in sight."""
        names = [column.sort for column in self.query_one(RunTable).sortable]
        name = self._view.sort.removeprefix("-")
        following = names[(names.index(name) + 1) % len(names)] if name in names else names[0]
        self._sort_by(following)

    def action_reverse(self) -> None:
        """The other way round."""
        sort = self._view.sort
        self._change(self._view.but(sort=sort[1:] if sort.startswith("-") else f"-{sort}"))

    def action_order(self) -> None:
        """Sort by anything that runs have."""
        self._pick("Sort by", self._view.sort.removeprefix("-"), self._sort_by)

    def action_best(self) -> None:
        """The best score on top, and the cursor there."""
        table, view = self.query_one(RunTable), self._view.but(sort="-f1_mean", group="")
        if view == self._view:
            table.action_first()
            return
        self._change(view)
        table.forget_cursor()

    def action_group(self) -> None:
        """Groups by anything that runs have; no groups where there are."""
        if self._view.group:
            self._change(self._view.but(group=""))
        else:
            self._pick("Groups by", "stage", lambda name: self._change(self._view.but(group=name)))

    def action_fold_all(self) -> None:
        """Close all groups, or open them."""
        if not self._view.group:
            self.notify("there are no groups: g makes some", severity="warning", markup=False)
            return
        shut = self._folding == Folding()
        self._fold(Folding(all_open=shut))

    def action_columns(self) -> None:
        """Choose columns; the table follows."""
        table = self.query_one(RunTable)
        default = default_keys(table.levels)
        self._with_keys(
            lambda: self.app.push_screen(ChooseColumns(self._keys, self._view.columns or default, default))
        )

    def action_views(self) -> None:
        """Show a saved view, or save this one."""
        present = self._view.but(columns=self._view.columns or ())
        self.app.push_screen(Views(self.reeltop.memory.views(), present), self._view_chosen)

    def action_export(self) -> None:
        """What is shown, as a file."""
        from app.tui.screens.export_runs import ExportRuns

        table = self.query_one(RunTable)
        self.app.push_screen(ExportRuns(self.reeltop, self._good.but(columns=table.keys), table.matching))

    @on(ChooseColumns.Changed)
    def _columns_chosen(self, event: ChooseColumns.Changed) -> None:
        self._change(self._view.but(columns=event.columns))

    @on(Views.Kept)
    def _view_kept(self, event: Views.Kept) -> None:
        self.reeltop.remember(f"view:{event.name}", None if event.view is None else event.view.as_data())

    def _view_chosen(self, view: View | None) -> None:
        if view is not None:
            self.show_view(view)

    def _sort_by(self, name: str) -> None:
        self._change(self._view.but(sort=f"-{name}" if _high_first(name) else name))

    def _fold(self, folding: Folding) -> None:
        self._folding = folding
        self.ask()

    def _pick(self, heading: str, current: str, take: Callable[[str], None]) -> None:
        def answered(name: str | None) -> None:
            if name is not None:
                take(name)

        self._with_keys(lambda: self.app.push_screen(PickKey(heading, self._keys, current), answered))

    def _with_keys(self, then: Callable[[], object]) -> None:
        """Do it when the keys of the store are known: the first time that takes a moment."""
        if self._keys:
            then()
            return
        self._then = lambda: cast(None, then())
        self._wants_keys = True
        self.ask()


def _high_first(name: str) -> bool:
    """Whether the highest is what one looks for first: scores and the newest."""
    from engine.store.filters import less_is_better

    if name in ("f1_mean", "created", "started", "ended", "id", "pinned", "priority"):
        return True
    measured = "/" in name or name.startswith(("l1_", "l2_", "l3_", "l4_"))
    return measured and not less_is_better(name.rpartition(".")[0] or name)
