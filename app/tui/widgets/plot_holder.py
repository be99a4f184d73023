"""A widget with a plot in it, whose library takes a while to import: in a thread, when there is something to draw."""

import sys
from abc import abstractmethod
from typing import TYPE_CHECKING

from textual.widget import Widget

if TYPE_CHECKING:
    from app.tui.widgets.plot import Plot

_PLOT_MODULE = "app.tui.widgets.plot"


class PlotHolder(Widget):
    """Draws again once the plot is there."""

    SAYS_LOADING = True
    _importing = False

    @abstractmethod
    def _draw(self) -> None:
        """Draw into `_plot()`, where there is one yet."""
        raise NotImplementedError

    def _plot(self) -> "Plot | None":
        if _PLOT_MODULE not in sys.modules:
            if not self._importing:
                self._importing = True
                self.loading = self.SAYS_LOADING
                self.run_worker(self._import, name="plot", group="plot", thread=True)
            return None
        from app.tui.widgets.plot import Plot

        if (plot := next(iter(self.query(Plot)), None)) is None:
            self.mount(Plot())
            self.call_after_refresh(self._draw)
        return plot

    def _import(self) -> None:
        import app.tui.widgets.plot  # noqa: F401 - a slow import, in a thread

        if self.app.is_running:
            self.app.call_from_thread(self._imported)

    def _imported(self) -> None:
        self.loading = False
        self._draw()
