"""Mode 2: the table of all runs, filtered and sorted by the store, and a preview beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from app.tui.bindings import bindings
from app.tui.feed import Refused
from app.tui.requests import Detail, Page, Request, SeriesOf
from app.tui.screens.run_actions import RunActions
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.run_preview import RunPreview
from app.tui.widgets.run_table import RunTable
from engine.errors import FilterError
from engine.store.views import RunDetail, RunPage, RunRow, Series

_EMPTY = "No runs yet.\n\n3      Launch: choose a configuration\nctrl+s queue it\n1      Monitor: watch it"
_HINT = "such as stage=finetune f1_mean>0.6 name~pre    enter keeps, esc clears"
_SPARK = 40


class Runs(RunActions):
    """The last filter that could be understood stays in force while the next is being typed."""

    MODE = "runs"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("runs")
    BINDING_GROUP_TITLE = "Runs"
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._sort = "-created"
        self._good = Page()
        self._shown: Page | None = None
        self._previewed: int | None = None

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="runs-body"):
            with Vertical():
                yield FilterBar(
                    _HINT,
                    widget_id="runs-filter",
                )
                yield Label("loading", widget_id="runs-empty", classes="hint")
                yield RunTable(widget_id="runs-table")
            yield RunPreview(widget_id="runs-preview")

    def on_mount(self) -> None:
        self._title()

    def requests(self) -> Sequence[Request]:
        wanted: list[Request] = [self._page()]
        if self._previewed is not None and self.query_one(RunPreview).display:
            wanted += [Detail(self._previewed), SeriesOf(self._previewed, "train/loss", _SPARK)]
        return wanted

    def receive(self, request: Request, value: object) -> None:
        match request:
            case Page() if request == self._page():
                self._show(request, cast(RunPage, value))
            case Detail(run_id=run_id) if run_id == self._previewed:
                self.query_one(RunPreview).show(cast(RunDetail, value))
            case SeriesOf(run_id=run_id) if run_id == self._previewed:
                self.query_one(RunPreview).show_loss(cast(Series, value))

    def on_refused(self, message: Refused) -> None:
        if message.request != self._page():
            return
        bar = self.query_one(FilterBar)
        position = message.error.position if isinstance(message.error, FilterError) else 0
        if self._filter:
            bar.show_error(str(message.error), position)
        else:
            self.notify(str(message.error), severity="warning", markup=False)
            self._sort = self._good.sort
            self._title()
            self.ask()

    def current_run(self) -> RunRow | None:
        return self.query_one(RunTable).current

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).open()

    def action_sort(self) -> None:
        """Sort by the next column in sight."""
        names = [column.sort for column in self.query_one(RunTable).sortable]
        name = self._sort.removeprefix("-")
        following = names[(names.index(name) + 1) % len(names)] if name in names else names[0]
        self._sort_by(following)

    def action_reverse(self) -> None:
        """The other way round."""
        self._sort = self._sort[1:] if self._sort.startswith("-") else f"-{self._sort}"
        self._title()
        self.ask()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self._filter = event.text.strip()
        self.ask()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.query_one(FilterBar).close_if_empty()
        self.query_one(RunTable).focus()

    @on(RunTable.SortAsked)
    def _sort_asked(self, event: RunTable.SortAsked) -> None:
        if event.sort == self._sort.removeprefix("-"):
            self.action_reverse()
        else:
            self._sort_by(event.sort)

    @on(RunTable.WindowMoved)
    def _window_moved(self) -> None:
        self.ask()

    @on(RunTable.Opened)
    def _opened(self) -> None:
        self.action_open_run()

    @on(RunTable.Chosen)
    def _chosen_run(self, event: RunTable.Chosen) -> None:
        self._previewed = event.run.id if event.run is not None else None
        if event.run is None:
            self.query_one(RunPreview).show(None)
        self.ask()

    def on_resize(self) -> None:
        self.ask()

    def _page(self) -> Page:
        offset, limit = self.query_one(RunTable).window
        return Page(self._filter, self._sort, limit, offset)

    def _sort_by(self, name: str) -> None:
        scores = name == "f1_mean" or name.startswith("val/") or name in ("created", "id")
        self._sort = f"-{name}" if scores else name
        self._title()
        self.ask()

    def _show(self, request: Page, page: RunPage) -> None:
        table = self.query_one(RunTable)
        before = self._shown
        anew = before is None or (before.filter, before.sort) != (request.filter, request.sort)
        self._good = self._shown = request
        self.query_one(FilterBar).show_error(None)
        empty = self.query_one("#runs-empty", Label)
        empty.display = page.matching == 0
        empty.update(
            _EMPTY if page.total == 0 else "No run matches this filter.  esc in the filter clears it."
        )
        table.display = page.total > 0
        table.show(page, request.offset, anew=anew)
        count = f"{page.total:,}" if page.matching == page.total else f"{page.matching:,} of {page.total:,}"
        table.border_subtitle = f"{count} run{'' if page.total == 1 else 's'}"

    def _title(self) -> None:
        table = self.query_one(RunTable)
        table.sort = self._sort
        table.border_title = "runs"
        table.refresh()
