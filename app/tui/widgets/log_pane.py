"""A run's log with a line to search in it."""

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.log_view import LogView


class LogPane(Vertical):
    """`/` searches upwards from what is in sight while one types; `n` goes on upwards, `N` downwards."""

    def compose(self) -> ComposeResult:
        yield FilterBar("search the log; n goes on upwards, N downwards", widget_id="log-filter")
        yield LogView(widget_id="run-log")

    @property
    def log_view(self) -> LogView:
        """The log itself."""
        return self.query_one(LogView)

    def follow(self, path: Path, title: str) -> None:
        """Show the log at `path`."""
        self.log_view.follow(path, title)

    def open_filter(self) -> None:
        """Type a search."""
        self.query_one(FilterBar).open()

    @on(FilterBar.Changed)
    def _searched(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.log_view.search(event.text)

    @on(FilterBar.Left)
    def _left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.query_one(FilterBar).close_if_empty()
        self.log_view.focus()
