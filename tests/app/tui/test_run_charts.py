"""Charts of a run: every key and the mouse, spikes and gaps, finer points of a window, a thousand series, pictures."""

import math
import re
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from run_page import on_run
from textual.widgets import TabbedContent

from app.tui.app import ReeltopApp
from app.tui.chart_views import ChartViews
from app.tui.curves import Look
from app.tui.requests import SeriesOf
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
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


@pytest.fixture
def charts(workspace: Workspace, settled: Callable) -> Callable[..., Any]:
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


async def test_charts_are_filtered_by_regular_expression_and_shown_alone(
    charts: Callable, runs: dict[str, int]
) -> None:
    async with charts(runs["model-3"]) as page:
        assert page.keys[:2] == ["train/loss", "val/f1_mean"]
        await page.press("slash", *"^train/")
        await page.until(lambda: page.keys == ["train/loss", "train/lr", "train/grad_norm"])
        await page.press("left_parenthesis")
        await page.until(lambda: "unterminated" in str(page.grid.query_one(".filter-error", Label).content))
        await page.press("backspace", "enter", "f")
        await page.until(lambda: page.keys == ["train/loss"])
        assert page.app.screen.maximized is page.grid
        await page.press("pagedown")
        await page.until(lambda: page.keys == ["train/lr"])
        await page.press("f")
        await page.until(lambda: len(page.keys) == 3 and page.app.screen.maximized is None)
        await page.press("f")
        await page.until(lambda: len(page.keys) == 1)
        await page.press("escape")
        await page.until(lambda: len(page.keys) == 3)


async def test_a_thousand_series_are_paged_and_only_those_in_sight_are_asked_for(
    charts: Callable, store: Store, runs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"train/part-{n:04}": float(n) for n in range(1000)}
    ingest(store, runs["model-1"], [Metrics(time=1.0, step=500, values=values)], old_offset=2, new_offset=3)
    asked: set[str] = set()
    answer = SeriesOf.answer

    def noting(self: SeriesOf, store: Store) -> Any:
        asked.add(self.key)
        return answer(self, store)

    monkeypatch.setattr(SeriesOf, "answer", noting)
    async with charts(runs["model-1"], size=(80, 24)) as page:
        assert re.search(r"4 of 1011 series, page 1 of 253", page.status)
        asked.clear()
        await page.press("pagedown")
        await page.until(lambda: "page 2 of 253" in page.status and len(page.keys) == 4)
        await page.until(lambda: asked >= set(page.keys))
        assert len(asked - set(page.keys)) <= 4
        await page.press("pageup", "pageup")
        await page.until(lambda: "page 1 of 253" in page.status)
        assert len(page.app.screen.query(MetricChart)) <= 8


async def test_nan_and_huge_values_leave_the_chart_standing(
    charts: Callable, store: Store, runs: dict[str, int]
) -> None:
    wild = [1.0, float("nan"), 2.0, float("inf"), 1e300, -1e300, 1.7e308, 0.0, 5e-324, float("-inf")]
    records = [
        Metrics(time=float(n), step=300 + n, values={"train/a-wild": value}) for n, value in enumerate(wild)
    ]
    ingest(store, runs["model-1"], records, old_offset=2, new_offset=3)
    async with charts(runs["model-1"]) as page:
        await page.press("slash", *"wild", "enter")
        await page.until(lambda: page.keys == ["train/a-wild"])
        await page.until(lambda: len(page.drawing("train/a-wild").lines[0].points) == 10)
        ys = [y for _, y in page.drawing("train/a-wild").lines[0].points]
        assert [y is None for y in ys] == [n in (1, 3, 9) for n in range(10)]
        assert all(math.isfinite(edge) for edge in page.drawing("train/a-wild").y_limits)
        for key in (
            "y",
            "m",
            "plus",
            "minus",
            "right",
            "up",
            "ctrl+up",
            "comma",
            "x",
            "x",
            "x",
            "0",
            "y",
            "w",
        ):
            await page.press(key)
            await page.pilot.pause()
        assert page.app.is_running


async def test_a_spike_among_many_points_is_drawn(
    charts: Callable, store: Store, runs: dict[str, int]
) -> None:
    records = [
        Metrics(time=float(n), step=1000 + n, values={"train/a-spiky": 50.0 if n == 4321 else 1.0})
        for n in range(10_000)
    ]
    ingest(store, runs["model-1"], records, old_offset=2, new_offset=3)
    async with charts(runs["model-1"]) as page:
        await page.press("slash", *"spiky", "enter")
        await page.until(
            lambda: page.keys == ["train/a-spiky"] and page.drawing("train/a-spiky").y_limits[1] > 50
        )
        assert len(page.drawing("train/a-spiky").lines[0].points) < 2500


async def test_the_value_axis_becomes_logarithmic_for_all_charts(
    charts: Callable, runs: dict[str, int]
) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("y")
        await page.until(lambda: page.drawing().log_y and page.drawing("val/f1_mean").log_y)
        assert "all charts  x step  y logarithmic" in page.status
        await page.press("y")
        await page.until(lambda: not page.drawing().log_y)


async def test_smoothing_is_drawn_over_the_raw_line_and_said(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("m", "m")
        await page.until(lambda: len(page.drawing().lines) == 2)
        assert "smoothing 0.9" in page.status
        raw, mean = page.drawing().lines
        assert raw.style != mean.style
        assert _roughness(mean.points) < _roughness(raw.points)
        await page.press("M", "M")
        await page.until(lambda: len(page.drawing().lines) == 1)
        assert "no smoothing" in page.status


async def test_the_x_axis_is_step_epoch_relative_time_or_time(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        assert page.drawing().x_limits == pytest.approx((1.0, 397.0), abs=5)
        await page.press("x")
        await page.until(lambda: page.drawing().x_limits[1] == pytest.approx(5.0, abs=0.1))
        await page.press("x")
        await page.until(lambda: page.drawing().x_limits[1] == pytest.approx(50.0, abs=2))
        await page.press("x")
        await page.until(lambda: abs(page.drawing().x_limits[1] - time.time()) < 86400)
        assert "x time" in page.status
        await page.press("x")
        await page.until(lambda: "x step" in page.status)


async def test_keys_act_on_one_chart_alone_when_that_is_chosen(
    charts: Callable, runs: dict[str, int]
) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("a", "y", "m", "plus")
        await page.until(lambda: page.drawing().log_y and len(page.drawing().lines) == 2)
        assert "only train/loss" in page.status
        assert not page.drawing("val/f1_mean").log_y
        assert page.chart("val/f1_mean").look.window is None
        assert page.chart("train/loss").look.window is not None
        await page.press("a", "x")
        await page.until(lambda: page.chart("val/f1_mean").look.axis == "epoch")
        assert page.chart("train/loss").look.axis == "epoch"
        assert page.chart("train/loss").look.log_y
        assert not page.chart("val/f1_mean").look.log_y


async def test_zooming_in_asks_the_store_for_the_finer_points_of_that_part(
    charts: Callable, store: Store, runs: dict[str, int]
) -> None:
    records = [
        Metrics(time=float(n), step=1000 + n, values={"train/a-long": float(n % 7)}) for n in range(5_000)
    ]
    ingest(store, runs["model-1"], records, old_offset=2, new_offset=3)
    key = "train/a-long"
    async with charts(runs["model-1"]) as page:
        await page.press("slash", *"long", "enter")
        await page.until(lambda: page.keys == [key] and page.chart(key).points)
        assert all(point.count > 1 for point in page.chart(key).points[:-1])
        await page.press(*["plus"] * 9)
        await page.until(
            lambda: page.chart(key).points_in_sight and page.chart(key).points_in_sight[0].count == 1
        )
        low, high = page.drawing(key).x_limits
        assert 1000 < low < high < 6000
        assert high - low == pytest.approx(5_000 / 1.5**9, rel=0.1)
        values = [point.value for point in page.chart(key).points_in_sight]
        assert values == [float((point.step - 1000) % 7) for point in page.chart(key).points_in_sight]
        assert "zoomed" in page.status
        before = page.drawing(key).x_limits
        await page.press("right")
        await page.until(lambda: page.drawing(key).x_limits[0] == pytest.approx(low + (high - low) * 0.1))
        await page.press("left")
        await page.until(lambda: page.drawing(key).x_limits == pytest.approx(before))
        await page.press("0")
        await page.until(lambda: page.chart(key).look.window is None)
        assert "zoomed" not in page.status
        whole = page.drawing(key).x_limits
        await page.press("plus", *["left"] * 6)
        await page.until(lambda: page.drawing(key).x_limits[0] == whole[0])


async def test_zooming_out_of_the_whole_series_goes_on_following_it(
    charts: Callable, runs: dict[str, int]
) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("plus", "plus")
        await page.until(lambda: page.chart("train/loss").look.window is not None)
        assert page.chart("val/f1_mean").look.window == page.chart("train/loss").look.window
        await page.press("minus", "minus", "minus")
        await page.until(lambda: page.chart("train/loss").look.window is None)


async def test_the_value_axis_is_panned_and_zoomed_by_key(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        low, high = page.drawing().y_limits
        await page.press("ctrl+up")
        await page.until(lambda: page.drawing().y_limits[1] - page.drawing().y_limits[0] < (high - low) * 0.7)
        await page.press("ctrl+down")
        await page.until(lambda: page.drawing().y_limits == pytest.approx((low, high)))
        await page.press("up")
        await page.until(lambda: page.drawing().y_limits[0] > low)
        await page.press("down")
        await page.until(lambda: page.drawing().y_limits == pytest.approx((low, high)))
        assert page.drawing("val/f1_mean").y_limits[1] < 1
        await page.press("up", "0")
        await page.until(lambda: page.drawing().y_limits == pytest.approx((low, high)))


async def test_the_crosshair_tells_the_values_of_all_charts(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("full_stop")
        loss, score = page.chart("train/loss"), page.chart("val/f1_mean")
        await page.until(lambda: "step" in str(loss.border_subtitle))
        await page.until(lambda: str(score.border_subtitle) == "step 199  0.6165")
        at = page.drawing().cursor
        await page.press("full_stop")
        await page.until(lambda: page.drawing().cursor > at)
        await page.press("greater_than_sign", *["comma"] * 2)
        await page.until(lambda: page.drawing().cursor > at + 5)
        await page.press("less_than_sign", *["less_than_sign"] * 9)
        await page.until(lambda: page.drawing().cursor == page.drawing().x_limits[0])
        await page.press("m")
        await page.until(lambda: "smoothed" in str(loss.border_subtitle))
        await page.press("h")
        await page.until(lambda: page.drawing().cursor is None and str(score.border_subtitle) == "")


async def test_the_crosshair_of_one_chart_stays_there(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("a", "full_stop")
        await page.until(lambda: page.drawing().cursor is not None)
        assert page.drawing("val/f1_mean").cursor is None
        await page.press("x")
        await page.until(lambda: page.drawing().cursor is None)


async def test_the_mouse_points_zooms_and_drags(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        plot = page.chart("train/loss").query_one("Plot")
        await page.pilot.hover(plot, offset=(20, 3))
        await page.until(lambda: page.drawing().cursor is not None)
        from textual.events import MouseDown, MouseMove, MouseScrollDown, MouseUp

        canvas = plot.query_one("#plot")
        await page.pilot._post_mouse_events([MouseScrollDown], canvas, (12, 3))
        await page.until(lambda: page.chart("train/loss").look.window is not None)
        low, high = page.drawing().x_limits
        assert high - low < 390
        region = canvas.region
        at = (region.x + 20, region.y + 3)
        for kind, x, dx, button in (
            (MouseDown, at[0], 0, 1),
            (MouseMove, at[0] + 3, 3, 1),
            (MouseUp, at[0] + 3, 0, 1),
        ):
            page.app.screen._forward_event(
                kind(canvas, x, at[1], dx, 0, button, False, False, False, x, at[1])
            )
        await page.until(lambda: page.drawing().x_limits[0] < low)


async def test_columns_and_rows_are_chosen_by_key_and_remembered(
    charts: Callable, workspace: Workspace, runs: dict[str, int]
) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("g")
        await page.until(lambda: len({chart.region.x for chart in page.grid.in_sight}) == 1)
        await page.press("G")
        await page.until(lambda: len(page.keys) == 1)
        assert "grid 1 x 1" in page.status
        await page.press("g", "G", "y", "m")
        await page.until(lambda: len(page.keys) == 4)
    async with charts(runs["model-3"]) as page:
        assert "y logarithmic  smoothing 0.6  grid 2 x 2" in page.status
        assert len(page.keys) == 4


async def test_a_chart_is_written_as_svg(
    charts: Callable, workspace: Workspace, runs: dict[str, int]
) -> None:
    from xml.etree import ElementTree

    async with charts(runs["model-3"]) as page:
        await page.press("m", "w")
        folder = workspace.root / "exports"
        await page.until(lambda: folder.is_dir() and list(folder.glob("run-1-train-loss-*.svg")))
        root = ElementTree.fromstring(next(folder.iterdir()).read_text())
        assert len(root.findall("{*}polyline")) == 2
        assert any("train/loss" in (text.text or "") for text in root.findall("{*}text"))


async def test_the_points_in_sight_are_copied(charts: Callable, runs: dict[str, int]) -> None:
    async with charts(runs["model-3"]) as page:
        await page.press("slash", *"f1_mean", "enter")
        await page.until(lambda: page.keys == ["val/f1_mean"] and page.chart("val/f1_mean").points)
        await page.press("C")
        await page.until(lambda: page.app.clipboard.startswith("series,step,time,value,min,max,points\n"))
        assert len(page.app.clipboard.splitlines()) == 5


async def test_the_machine_has_a_tab_of_its_own(charts: Callable, store: Store, runs: dict[str, int]) -> None:
    begun = time.time() - 100
    records = [
        Metrics(
            time=begun + n,
            step=int(begun) + n,
            values={"system/cpu": 40.0, "system/disk_free_gib": 1200.0 - n, "gpu0/util": 61.0},
            system=True,
        )
        for n in range(50)
    ]
    ingest(store, runs["model-3"], records, old_offset=2, new_offset=3)
    async with charts(runs["model-3"], tab="system") as page:
        assert page.keys == ["gpu0/util", "system/cpu", "system/disk_free_gib"]
        assert page.drawing("gpu0/util").y_limits[0] <= 0 < 61 < page.drawing("gpu0/util").y_limits[1]
        assert page.drawing("gpu0/util").x_limits[1] - page.drawing("gpu0/util").x_limits[0] == pytest.approx(
            49, abs=2
        )
        await page.press("plus", "w")
        await page.until(lambda: list((page.app.workspace.root / "exports").glob("run-1-gpu0-util-*.svg")))
        page.app.screen.query_one(TabbedContent).active = "charts"
        grid = page.app.screen.query_one("#charts-grid", ChartGrid)
        await page.until(lambda: grid.in_sight and "train/loss" in [chart.key for chart in grid.in_sight])
        assert not any(chart.key.startswith(("system/", "gpu0/")) for chart in grid.in_sight)


async def test_a_run_without_samples_says_when_they_come(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-2"])
        for tab, told in (("system", "every two seconds"), ("charts", "first step of the run")):
            app.screen.query_one(TabbedContent).active = tab
            status = app.screen.query_one(f"#{tab}-grid .chart-status", Label)
            await settled(pilot, lambda status=status, told=told: told in str(status.content))
            for key in ("f", "g", "x", "y", "m", "w", "c", "pagedown"):
                await pilot.press(key)
        assert app.is_running


def test_what_is_remembered_of_charts_is_checked() -> None:
    views = ChartViews(shared=Look(log_y=True, smoothing=0.9, axis="time", window=(0.0, 1.0)), columns=2)
    kept = ChartViews.from_plain(views.to_plain())
    assert kept.shared == Look(log_y=True, smoothing=0.9, axis="time")
    assert (kept.columns, kept.rows) == (2, None)
    assert (
        ChartViews.from_plain({"axis": 3, "smoothing": True, "columns": [], "log_y": "yes"}) == ChartViews()
    )
    assert ChartViews.from_plain("nonsense") == ChartViews()


def _roughness(points: Any) -> float:
    ys = [y for _, y in points if y is not None]
    return sum(abs(one - two) for one, two in pairwise(ys))
