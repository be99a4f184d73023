"""The tabs of a run's page: opened by keys, clicks and code, never by where focus happens to arrive."""

from textual.widgets import TabbedContent, TabPane


class RunTabs(TabbedContent):
    """A tab that opens gives focus to what it shows, and word of that may come when the next one is open already.

    Textual would then go back to the pane that has got focus, and the key that left it would be lost.
    """

    def _on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        event.stop()
        event.prevent_default()
