"""What a person should know now: one line, with the way out, hidden while there is nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.widgets.label import Label

if TYPE_CHECKING:
    from engine.alerts import Alert


class AlertLine(Label):
    """Shows the alerts that stand, the first in words; enlarges to a line each where there is room."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(widget_id=widget_id)
        self.display = False

    def show(self, alerts: "Sequence[Alert]") -> None:
        """Show these, or nothing."""
        self.display = bool(alerts)
        room = 1 if self.screen.size.height < 32 else 3
        lines = [
            Content.assemble(("! ", "bold"), (alert.text, "bold"), f": {alert.way_out}")
            for alert in alerts[:room]
        ]
        if len(alerts) > room:
            lines[-1] = Content.assemble((f"{len(alerts)} alerts  ", "bold"), lines[-1])
        self.redraw(Content("\n").join(lines))
