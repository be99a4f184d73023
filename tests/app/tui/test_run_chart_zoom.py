"""Zoom, pan, crosshair and mouse on a run's charts."""

from collections.abc import Callable
from typing import Any

import pytest
from charts_page import charts_of

from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.workspace import Workspace


@pytest.fixture
def charts(workspace: Workspace, settled: Callable) -> Callable[..., Any]:
    return charts_of(workspace, settled)


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
        # Full groups, then the points of the one that is not full: the answer to this width, not to a narrower one.
        groups = [64] * 78 + [1] * 8
        await page.until(lambda: [point.count for point in page.chart(key).points] == groups)
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
        from textual.events import MouseDown, MouseMove, MouseScrollUp, MouseUp

        await page.pilot._post_mouse_events([MouseScrollUp], plot, (12, 3))
        await page.until(lambda: page.chart("train/loss").look.window is not None)
        low, high = page.drawing().x_limits
        assert high - low < 390
        region = plot.region
        at = (region.x + 20, region.y + 3)
        for kind, x, dx, button in (
            (MouseDown, at[0], 0, 1),
            (MouseMove, at[0] + 3, 3, 1),
            (MouseUp, at[0] + 3, 0, 1),
        ):
            page.app.screen._forward_event(kind(plot, x, at[1], dx, 0, button, False, False, False, x, at[1]))
        await page.until(lambda: page.drawing().x_limits[0] < low)
