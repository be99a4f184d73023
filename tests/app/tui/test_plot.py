"""The plot as it is painted: axes, crosshair, and sizes and ranges in which hardly anything fits."""

from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult

from app.tui.drawing import Drawing, Line
from app.tui.widgets.plot import Plot

RISING = Drawing((Line(((0.0, 0.0), (10.0, 1.0)), "red"),), (0.0, 10.0), (0.0, 1.0))


class OnePlot(App[None]):
    def __init__(self, drawing: Drawing) -> None:
        super().__init__()
        self.drawing = drawing

    def compose(self) -> ComposeResult:
        yield Plot()

    def on_mount(self) -> None:
        self.query_one(Plot).draw(self.drawing)

    def lines(self) -> list[str]:
        plot = self.query_one(Plot)
        return [plot.render_line(y).text for y in range(plot.size.height)]


async def test_ticks_stand_beside_and_below_the_line(settled: Callable) -> None:
    app = OnePlot(RISING)
    async with app.run_test(size=(30, 10)) as pilot:
        await settled(pilot, lambda: "┤" in "".join(app.lines()))
        lines = app.lines()
        assert lines[0].startswith("    1.0┤")
        assert lines[-2].startswith("       └")
        assert lines[-1].split()[0] == "0"
        assert lines[-2][lines[-1].index("0")] == "┬"
        assert all(len(line) == 30 for line in lines)


async def test_the_crosshair_is_drawn_where_the_line_is_not(settled: Callable) -> None:
    app = OnePlot(Drawing(RISING.lines, RISING.x_limits, RISING.y_limits, cursor=5.0))
    async with app.run_test(size=(30, 10)) as pilot:
        await settled(pilot, lambda: "┤" in "".join(app.lines()))
        marked = [line[8:].find("│") for line in app.lines()[:-2]]
        assert set(marked) == {-1, 11}
        assert marked.count(-1) <= 2


@pytest.mark.parametrize("size", [(30, 10), (16, 4), (8, 2), (1, 1)])
@pytest.mark.parametrize(
    "drawing",
    [
        RISING,
        Drawing(),
        Drawing(
            RISING.lines, (0.0, 10.0), (-304.9, -304.8), log_y=True
        ),  # no place that people like lies in it
        Drawing(RISING.lines, (0.0, 0.0), (0.0, 0.0)),
    ],
)
async def test_any_size_and_range_is_painted(
    size: tuple[int, int], drawing: Drawing, settled: Callable
) -> None:
    app = OnePlot(drawing)
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: app.query_one(Plot)._strips is not None)
        assert len(app.lines()) == size[1]
