"""How the tests of a run's charts get there, and read what is drawn."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from run_page import on_run

from app.tui.app import ReeltopApp
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from engine.workspace import Workspace


class Charts:
    """The tab of charts, open and drawn."""

    def __init__(self, app: ReeltopApp, pilot: Any, settled: Callable, grid: ChartGrid) -> None:
        self.app, self.pilot, self.settled, self.grid = app, pilot, settled, grid

    @property
    def keys(self) -> list[str]:
        return [chart.key for chart in self.grid.in_sight]

    @property
    def status(self) -> str:
        return str(self.grid.query_one(".chart-status", Label).content)

    def chart(self, key: str) -> MetricChart:
        return next(chart for chart in self.grid.in_sight if chart.key == key)

    def drawing(self, key: str = "train/loss") -> Any:
        return self.chart(key).query_one("Plot")._drawing

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Callable[[], object]) -> None:
        await self.settled(self.pilot, condition)


def charts_of(workspace: Workspace, settled: Callable) -> Callable[..., Any]:
    """Open a run's charts."""

    @asynccontextmanager
    async def opened(run_id: int, size: tuple[int, int] = (120, 40), tab: str = "charts") -> Any:
        app = ReeltopApp(workspace, supervise=False)
        async with app.run_test(size=size) as pilot:
            await on_run(app, pilot, settled, run_id, tab)
            grid = app.screen.query_one(f"#{tab}-grid", ChartGrid)
            await settled(
                pilot,
                lambda: (
                    grid.in_sight
                    and all(
                        chart.query("Plot") and chart.query_one("Plot")._drawing.lines
                        for chart in grid.in_sight
                    )
                ),
            )
            await settled(pilot, lambda: app.focused is not None and app.focused in grid.query("Plot"))
            yield Charts(app, pilot, settled, grid)

    return opened
