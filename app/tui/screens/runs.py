"""Mode 2: the table of all runs, filtered, sorted and grouped by the store, and a preview beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from app.tui.bindings import bindings
from app.tui.columns import chosen_columns
from app.tui.feed import Refused
from app.tui.requests import Detail, Request, SeriesOf
from app.tui.run_view import View, view_from
from app.tui.screens.dialog import Dialog
from app.tui.screens.run_arranging import RunArranging
from app.tui.table_requests import GroupedTable, Keys, Table, Values
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.run_preview import RunPreview
from app.tui.widgets.run_table import RunTable
from engine.errors import FilterError
from engine.format import printable
from engine.store.table_views import Folding, GroupRow, Key, Line, TablePage
from engine.store.views import RunDetail, RunRow, Series

_EMPTY = "No runs yet.\n\n3      Launch: choose a configuration\nctrl+s queue it\n1      Monitor: watch it"
_NO_MATCH = "No run matches this filter.  / edits it, esc there clears it."
_NO_SENSE = "This filter cannot be understood.  / edits it, esc there clears it."
_HINT = "stage=finetune f1_mean>0.6 name~pre    tab completes, enter keeps, esc clears"
_SPARK = 40


class Runs(RunArranging):
    """The last filter that could be understood stays in force while the next is being typed."""

    MODE = "runs"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("runs")
    BINDING_GROUP_TITLE = "Runs"
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self._drawn: View | None = None
        self._previewed: int | None = None
        self._values_of: str | None = None
        self._count = self._subtitle = ""

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="runs-body"):
            with Vertical():
                yield FilterBar(_HINT, widget_id="runs-filter")
                yield Label("loading", widget_id="runs-empty", classes="hint")
                yield RunTable(widget_id="runs-table")
                yield Label("", widget_id="runs-line", classes="dim")
            yield RunPreview(widget_id="runs-preview")

    def on_mount(self) -> None:
        self.show_view(view_from(self.reeltop.memory.get("runs")))

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        self.marks_changed()

    @on(events.ScreenSuspend)
    def _suspended(self, event: events.ScreenSuspend) -> None:
        if isinstance(self.app.screen, Dialog):  # the table behind a dialog follows it
            event.prevent_default()

    def requests(self) -> Sequence[Request]:
        wanted: list[Request] = [self._request()]
        if self._previewed is not None and self.query_one(RunPreview).display:
            wanted += [Detail(self._previewed), SeriesOf(self._previewed, "train/loss", _SPARK)]
        if self._wants_keys:
            wanted.append(Keys())
        if self._values_of is not None:
            wanted.append(Values(self._values_of))
        return wanted

    def receive(self, request: Request, value: object) -> None:
        match request:
            case Table() if request == self._request():
                self._show(request, cast(TablePage, value))
            case Detail(run_id=run_id) if run_id == self._previewed:
                self.query_one(RunPreview).show(cast(RunDetail, value))
            case SeriesOf(run_id=run_id) if run_id == self._previewed:
                self.query_one(RunPreview).show_loss(cast(Series, value))
            case Keys():
                self._keys = cast("tuple[Key, ...]", value)
                self.query_one(FilterBar).know(self._keys)
                if (then := self._then) is not None:
                    self._then = None
                    then()
            case Values(key=key):
                self.query_one(FilterBar).know_values(key, cast("tuple[str, ...]", value))

    def on_refused(self, message: Refused) -> None:
        if message.request != self._request():
            return
        text = str(message.error)
        if text.startswith(("sort", "group")):
            self.notify(text, severity="warning", markup=False)
            back = {"group": ""} if text.startswith("group") else {"sort": self._good.sort}
            self._change(self._view.but(**back))
            return
        position = message.error.position if isinstance(message.error, FilterError) else 0
        self.query_one(FilterBar).show_error(text, position)
        if self._drawn is None:
            self._show_emptiness(_NO_SENSE)

    def current_run(self) -> RunRow | None:
        return self.query_one(RunTable).current

    def line_under_cursor(self) -> Line | None:
        return self.query_one(RunTable).current_line

    def view_shown(self) -> View:
        return self._good

    def marks_changed(self) -> None:
        table, marks = self.query_one(RunTable), len(self.reeltop.marked)
        subtitle = self._count + (f" · ◆ {marks:,} marked" if marks else "")
        if subtitle != self._subtitle:  # setting it draws the table anew
            table.border_subtitle = self._subtitle = subtitle
        table.show_marks(self.reeltop.marked)

    def action_open_run(self) -> None:
        """The screen about the run; a group opens or closes."""
        line = self.query_one(RunTable).current_line
        if isinstance(line, GroupRow):
            self._fold(self._folding.turned(line.key))
        else:
            super().action_open_run()

    def action_filter(self) -> None:
        """Type a filter."""
        self._wants_keys = True
        self.query_one(FilterBar).open()
        self.ask()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._view = self._view.but(filter=event.text.strip())
        self.ask()

    @on(FilterBar.ValuesWanted)
    def _values_wanted(self, event: FilterBar.ValuesWanted) -> None:
        self._values_of = event.key
        self.ask()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.query_one(FilterBar).close_if_empty()
        self._values_of = None
        self.query_one(RunTable).focus()
        self.ask()

    @on(RunTable.SortAsked)
    def _sort_asked(self, event: RunTable.SortAsked) -> None:
        if event.sort == self._view.sort.removeprefix("-"):
            self.action_reverse()
        else:
            self._sort_by(event.sort)

    @on(RunTable.FoldAsked)
    def _fold_asked(self, event: RunTable.FoldAsked) -> None:
        self._fold(self._folding.turned(event.key))

    @on(RunTable.WindowMoved)
    def _window_moved(self) -> None:
        self.ask()

    @on(RunTable.Opened)
    def _opened(self) -> None:
        self.action_open_run()

    @on(RunTable.Chosen)
    def _chosen_run(self, event: RunTable.Chosen) -> None:
        self._previewed = event.run.id if event.run is not None else None
        line, preview = self.line_under_cursor(), self.query_one(RunPreview)
        if isinstance(line, GroupRow):
            preview.show_group(line, self.query_one(RunTable).score)
        elif event.run is None:
            preview.show(None)
        self._show_line(event.run)
        self.ask()

    def on_resize(self) -> None:
        self._show_line(self.current_run())
        self.ask()

    def show_view(self, view: View) -> None:
        """Columns, order, filter and groups, all at once."""
        self.query_one(FilterBar).text = view.filter
        if not view.filter:
            self.query_one(FilterBar).close_if_empty()
        self._change(view)

    def _change(self, view: View) -> None:
        """Another order, grouping or choice of columns."""
        if view.group != self._view.group:
            self._folding = Folding()
        self._view = view
        table = self.query_one(RunTable)
        table.choose(chosen_columns(view.columns))
        self._titled()
        self.ask()

    def _request(self) -> Table:
        offset, limit = self.query_one(RunTable).window
        view = self._view
        fetched = tuple(column.key for column in chosen_columns(view.columns) if column.fetched)
        if not view.group:
            return Table(view.filter, view.sort, fetched, limit=limit, offset=offset)
        return GroupedTable(view.filter, view.sort, fetched, view.group, self._folding, limit, offset)

    def _show(self, request: Table, page: TablePage) -> None:
        table = self.query_one(RunTable)
        view = self._view
        before = self._drawn
        anew = before is None or before.but(columns=()) != view.but(columns=())
        self._good = self._drawn = view
        self.query_one(FilterBar).show_error(None)
        self._show_emptiness("" if page.matching else _EMPTY if page.total == 0 else _NO_MATCH)
        table.display = page.total > 0
        table.show(page, request.offset, anew=anew)
        count = f"{page.total:,}" if page.matching == page.total else f"{page.matching:,} of {page.total:,}"
        self._count = f"{count} run{'' if page.total == 1 else 's'}"
        self._count += f" in {page.groups:,} groups" if view.group else ""
        self.marks_changed()
        self._titled()
        self.reeltop.remember("runs", view.as_data())

    def _show_emptiness(self, text: str) -> None:
        empty = self.query_one("#runs-empty", Label)
        empty.display = bool(text)
        empty.update(text)

    def _titled(self) -> None:
        table = self.query_one(RunTable)
        table.sort = sort = self._view.sort
        parts = ["runs"]
        parts += [self._view.filter] if self._view.filter else []
        parts += [f"groups of {self._view.group}"] if self._view.group else []
        parts.append(f"by {sort.removeprefix('-')} {'▼' if sort.startswith('-') else '▲'}")
        table.border_title = Content(printable(" ─ ".join(parts)))
        table.refresh()

    def _show_line(self, run: RunRow | None) -> None:
        """Why it waits, or what was noted, where there is no room for the preview; why it failed the table says."""
        line = self.query_one("#runs-line", Label)
        text = (run.waiting_for or run.notes.partition("\n")[0]) if run is not None else ""
        line.display = bool(text) and not self.query_one(RunPreview).display
        if run is not None and text:
            line.update(Content(f" {run.id} {printable(text)}"))
