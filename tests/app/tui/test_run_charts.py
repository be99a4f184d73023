"""A run's charts: which are shown, what is drawn, on which axes, and the machine's own."""

import math
import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from charts_page import charts_of
from run_page import on_run
from textual.app import App, ComposeResult
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
from engine.store.views import Series
from engine.workspace import Workspace


@pytest.fixture
def charts(workspace: Workspace, settled: Callable) -> Callable[..., Any]:
    return charts_of(workspace, settled)


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
        assert re.search(r"4 of 1011 series, page 1/253", page.status)
        asked.clear()
        await page.press("pagedown")
        await page.until(lambda: "page 2/253" in page.status and len(page.keys) == 4)
        await page.until(lambda: asked >= set(page.keys))
        assert len(asked - set(page.keys)) <= 4
        await page.press("pageup", "pageup")
        await page.until(lambda: "page 1/253" in page.status)
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


async def test_charts_appear_all_at_once_and_not_one_alone_before_their_number_is_known(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        grid = app.screen.query_one("#charts-grid", ChartGrid)
        await settled(pilot, lambda: grid._summaries)
        assert not grid.in_sight
        app.screen.query_one(TabbedContent).active = "charts"
        await settled(pilot, lambda: grid.in_sight)
        assert len(grid.in_sight) == 4


async def test_a_chart_claims_to_have_no_points_only_when_it_was_told_so(settled: Callable) -> None:
    class One(App[None]):
        def compose(self) -> ComposeResult:
            yield MetricChart("train/loss", asked=True)

    app = One()
    async with app.run_test(size=(60, 20)) as pilot:
        chart = app.query_one(MetricChart)
        told = chart.query_one(Label)
        await settled(pilot, lambda: str(told.content) == "loading")
        chart.show(Series("train/loss", "step", (), 0))
        await settled(pilot, lambda: str(told.content) == "no points yet")
