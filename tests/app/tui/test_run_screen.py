"""The screen about one run: every tab, its keys, and what a failed run shows first."""

import re
from collections.abc import Callable

from textual.widgets import DataTable, TabbedContent, Tree

from app.tui.app import ReeltopApp
from app.tui.screens.run import RunScreen
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.label import Label
from app.tui.widgets.log_view import LogView
from app.tui.widgets.metric_chart import MetricChart
from app.tui.widgets.overview import Overview
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.workspace import Workspace


async def on_run(
    app: ReeltopApp, pilot: object, settled: Callable, run_id: int, tab: str = "overview"
) -> None:
    """Open the run and go to a tab by its keys."""
    await settled(pilot, lambda: app.opened)
    app.open_run(run_id)
    await settled(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.current_run() is not None)
    while app.screen.query_one(TabbedContent).active != tab:
        before = app.screen.query_one(TabbedContent).active
        await pilot.press("]")  # type: ignore[attr-defined]
        await settled(pilot, lambda before=before: app.screen.query_one(TabbedContent).active != before)


def tree_lines(tree: Tree) -> list[str]:
    """Labels of a tree, top down."""
    found = []

    def walk(node: object) -> None:
        for child in node.children:  # type: ignore[attr-defined]
            found.append(child.label.plain)
            walk(child)

    walk(tree.root)
    return found


async def test_a_failed_run_opens_on_its_error_and_the_end_of_its_log(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["broken"])
        text = app.screen.query_one(Overview).query_one(Label)
        await settled(pilot, lambda: "step 310 loss nan" in str(text.content))
        assert str(text.content).startswith("✗ loss is NaN at step 310: lower training.lr.text")
        assert "runs/2-broken" in str(text.content)


async def test_the_head_says_how_the_run_is_doing(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"])
        head = str(app.screen.query_one("RunHead", Label).content)
        assert "3 model-1 ● running" in head
        assert "epoch 3/5  step 220/400  55%" in head
        assert "best f1_mean 0.5678" in head


async def test_settings_are_searched_by_part_of_a_name(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"], "config")
        tree = app.screen.query_one("#config-tree", Tree)
        assert "epochs  5" in tree_lines(tree)
        await pilot.press("slash", *"lr")
        await settled(pilot, lambda: tree_lines(tree) == ["training", "lr", "text  5e-05", "other  0.0005"])
        await pilot.press("escape")
        await settled(pilot, lambda: "epochs  5" in tree_lines(tree))


async def test_charts_are_filtered_by_regular_expression_and_shown_alone(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "charts")
        grid = app.screen.query_one(ChartGrid)
        keys = lambda: [chart.key for chart in grid.in_sight]  # noqa: E731
        await settled(pilot, lambda: keys()[:2] == ["train/loss", "val/f1_mean"])
        await settled(pilot, lambda: all(chart.query("Plot") for chart in grid.in_sight))
        await pilot.press("slash", *"^train/")
        await settled(pilot, lambda: keys() == ["train/loss", "train/lr", "train/grad_norm"])
        await pilot.press("left_parenthesis")
        await settled(pilot, lambda: "unterminated" in str(grid.query_one(".filter-error", Label).content))
        await pilot.press("backspace", "enter", "f")
        await settled(pilot, lambda: keys() == ["train/loss"])
        await pilot.press("pagedown")
        await settled(pilot, lambda: keys() == ["train/lr"])
        await pilot.press("f", "g")
        await settled(pilot, lambda: len(keys()) == 3)
        await settled(pilot, lambda: "logarithmic" in str(grid.query_one("#chart-status", Label).content))


async def test_a_thousand_series_are_paged(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    values = {f"train/part-{n:04}": float(n) for n in range(1000)}
    ingest(store, runs["model-1"], [Metrics(time=1.0, step=500, values=values)], old_offset=2, new_offset=3)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"], "charts")
        status = app.screen.query_one("#chart-status", Label)
        await settled(pilot, lambda: re.search(r"\d of 1011 series", str(status.content)))
        assert len(app.screen.query(MetricChart)) <= 8


async def test_nan_and_huge_values_leave_the_chart_standing(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    wild = [1.0, float("nan"), 2.0, float("inf"), 1e300, -1e300, 1.7e308, 0.0, 5e-324, float("-inf")]
    records = [
        Metrics(time=float(n), step=300 + n, values={"train/wild": value}) for n, value in enumerate(wild)
    ]
    ingest(store, runs["model-1"], records, old_offset=2, new_offset=3)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"], "charts")
        grid = app.screen.query_one(ChartGrid)
        await pilot.press("slash", *"wild", "enter")
        await settled(pilot, lambda: [chart.key for chart in grid.in_sight] == ["train/wild"])
        await settled(pilot, lambda: grid.in_sight[0].has_class("-drawn") and grid.query("Plot"))
        for key in ("g", "plus", "minus", "right", "0", "g"):
            await pilot.press(key)
            await pilot.pause()
        assert app.is_running


async def test_scores_show_every_level_and_the_worst_classes_first(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 40)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "scores")
        table = app.screen.query_one("#evaluations", DataTable)
        await settled(pilot, lambda: table.row_count == 4)
        cells = [str(cell) for cell in table.get_row_at(3)]
        assert cells[0] == "best"
        assert {"0.7329", "0.8329", "0.6329"} <= set(cells)
        tree = app.screen.query_one("#class-tree", Tree)
        await settled(pilot, lambda: tree_lines(tree))
        assert [line.split()[0] for line in tree_lines(tree)] == ["20", "2003", "2007", "11", "1104"]


async def test_checkpoints_and_log_have_their_tabs(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"], "checkpoints")
        table = app.screen.query_one("CheckpointTable", DataTable)
        assert [str(cell) for cell in table.get_row_at(0)][:4] == ["best", "2", "199", "0.5678"]
        await on_run(app, pilot, settled, runs["model-1"], "log")
        log = app.screen.query_one(LogView)
        await settled(
            pilot, lambda: log.size.height and "step 219" in log.render_line(log.size.height - 1).text
        )


async def test_quick_presses_go_on_to_the_last_tab_and_stay_there(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["broken"])
        tabs = app.screen.query_one(TabbedContent)
        changes: list[str] = []
        app.screen.watch(tabs, "active", lambda active: changes.append(active), init=False)
        for _ in range(3):
            app.screen.action_tab(1)
        for _ in range(30):
            await pilot.pause()
        assert tabs.active == "scores"
        assert len(changes) <= 3
