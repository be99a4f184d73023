"""The first paint: the top line alone. Everything else is imported and made after it."""

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen

from app.tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp


class Start(Screen[None]):
    """Gives way to the Monitor as soon as it was seen."""

    def compose(self) -> ComposeResult:
        yield TopBar("monitor", cast("ReeltopApp", self.app).store_name)
