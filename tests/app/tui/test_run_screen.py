"""The screen about one run: its tabs, its overview and settings, what a failed run shows first, trouble and exports."""

import sqlite3
from collections.abc import Callable

import pytest
from conftest import new_run
from run_page import on_run, shown_run, tree_lines
from textual.widgets import DataTable, TabbedContent, TabPane, Tree

from app.tui.app import ReeltopApp
from app.tui.screens.confirm import Confirm
from app.tui.screens.run import RunScreen
from app.tui.widgets.label import Label
from app.tui.widgets.overview import Overview, _written
from engine.records import Environment
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, delete_run
from engine.workspace import Workspace

ENVIRONMENT = {
    "command": "python -m engine.run runs/1-model-3",
    "packages": "numpy==2.4.1\ntorch==2.13.0+cpu\ntransformers==5.23.0",
    "env.OMP_NUM_THREADS": "4",
}


async def test_a_failed_run_opens_on_its_error_and_the_end_of_its_log(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["broken"])
        error, left, right = app.screen.query_one(Overview).query(Label)
        await settled(pilot, lambda: "step 310 loss nan" in str(error.content))
        assert str(error.content).startswith("✗ loss is NaN at step 310: lower training.lr.text")
        assert error.region.y < left.region.y
        assert "runs/2-broken" in str(right.content)


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


async def test_late_word_of_focus_does_not_undo_the_key_that_left_a_tab(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["broken"])
        tabs = app.screen.query_one(TabbedContent)
        left = tabs.get_pane("overview")
        app.screen.action_tab(1)
        tabs.post_message(TabPane.Focused(left))
        for _ in range(30):
            await pilot.pause()
        assert tabs.active == "config"


async def test_every_tab_is_reached_by_its_keys_and_has_the_focus(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        tabs = app.screen.query_one(TabbedContent)
        panes = [pane.id for pane in tabs.query(TabPane) if tabs.get_tab(pane).display]
        assert panes[:5] == ["overview", "config", "charts", "scores", "classes"]
        for name in (*panes[1:], panes[0]):
            await pilot.press("right_square_bracket")
            pane = tabs.get_pane(name or "")
            await settled(pilot, lambda pane=pane: app.focused is not None and pane in app.focused.ancestors)
            assert tabs.active == name
        await pilot.press("left_square_bracket")
        await settled(pilot, lambda: tabs.active == panes[-1])


async def test_packages_are_a_list_among_the_settings_and_a_number_in_the_overview(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    ingest(store, runs["model-3"], [Environment(time=1.0, values=ENVIRONMENT)], old_offset=2, new_offset=3)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        _, _, right = app.screen.query_one(Overview).query(Label)
        assert "packages            3, listed on the tab Config" in str(right.content)
        await pilot.press("right_square_bracket")
        tree = app.screen.query_one("#config-tree", Tree)
        await settled(pilot, lambda: "numpy  2.4.1" in tree_lines(tree))
        packages = next(node for node in tree.root.children[-1].children if node.label.plain == "packages  3")
        assert not packages.is_expanded
        assert "OMP_NUM_THREADS  4" in tree_lines(tree)
        await pilot.press("slash", *"torch")
        await settled(pilot, lambda: tree_lines(tree) == ["environment", "packages  3", "torch  2.13.0+cpu"])
        packages = tree.root.children[0].children[0]
        assert packages.is_expanded
        await pilot.press(*"no such thing")
        error = app.screen.query_one("#config .filter-error", Label)
        await settled(pilot, lambda: "nothing matches" in str(error.content))


async def test_a_search_on_the_overview_searches_the_settings(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        await pilot.press("slash", *"ema")
        tree = app.screen.query_one("#config-tree", Tree)
        await settled(pilot, lambda: tree_lines(tree) == ["training", "ema  0.999"])
        assert app.screen.query_one(TabbedContent).active == "config"
        await pilot.press("enter")
        assert app.focused is tree


async def test_settings_and_scores_stand_side_by_side_where_there_is_room(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(130, 40)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        _, left, right = app.screen.query_one(Overview).query(Label)
        await settled(pilot, lambda: left.region.height > 5 and right.region.x > left.region.x)
        assert "train/loss      1.006  (0.8739 to 6.341)" in str(left.content)
        assert "training.lr.text    5e-05" in str(right.content)
        await pilot.resize_terminal(80, 24)
        await settled(pilot, lambda: right.region.x == left.region.x and right.region.y > left.region.y)


@pytest.mark.parametrize("key", ["s", "x"])
async def test_stopping_asks_first(
    workspace: Workspace, runs: dict[str, int], settled: Callable, key: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-1"])
        await pilot.press(key)
        await settled(pilot, lambda: isinstance(app.screen, Confirm))


async def test_a_run_that_someone_deletes_while_it_is_shown_is_told_and_nothing_acts_on_it(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        delete_run(store, runs["model-3"])
        head = app.screen.query_one("RunHead", Label)
        await settled(
            pilot, lambda: "run 1 is gone: deleted by someone else; esc goes back" in str(head.content)
        )
        _, left, _ = app.screen.query_one(Overview).query(Label)
        assert "f1_mean" in str(left.content)
        for key in ("r", "s", "c", "w", *["right_square_bracket"] * 9):
            await pilot.press(key)
            await pilot.pause()
        assert shown_run(app).current_run() is None
        await pilot.press("escape")
        await settled(pilot, lambda: not isinstance(app.screen, RunScreen))


async def test_a_run_that_is_not_there_is_told(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.open_run(4711)
        await settled(
            pilot,
            lambda: (
                isinstance(app.screen, RunScreen)
                and "no run 4711" in str(app.screen.query_one("RunHead", Label).content)
            ),
        )


async def test_a_locked_store_leaves_the_page_readable(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        with sqlite3.connect(workspace.root / "experiments.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            for key in ["right_square_bracket"] * 4:
                await pilot.press(key)
                await pilot.pause()
            other.execute("ROLLBACK")
        table = app.screen.query_one("#evaluations", DataTable)
        await settled(pilot, lambda: table.row_count == 4)
        assert app.trouble is None


async def test_names_in_chinese_and_with_escapes_are_shown_as_they_are(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    (run_id,) = create_runs(
        store, [new_run("模型 [bold]\x1b[31m", config={"标题": "\x1b]0;x\x07[/]", "a": {}})]
    )
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, run_id)
        assert "模型 [bold]␛[31m" in str(app.screen.query_one("RunHead", Label).content)
        await pilot.press("right_square_bracket")
        tree = app.screen.query_one("#config-tree", Tree)
        await settled(pilot, lambda: "标题  ␛]0;x␇[/]" in tree_lines(tree))
        for _ in range(8):
            await pilot.press("right_square_bracket")
            await pilot.pause()


@pytest.mark.parametrize(
    ("tab", "told"),
    [("overview", "| f1_mean | 0.7329 at epoch 4 |"), ("config", "| training.epochs | 5 |")],
)
async def test_what_a_tab_shows_is_copied_as_a_table(
    workspace: Workspace, runs: dict[str, int], settled: Callable, tab: str, told: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], tab)
        await pilot.press("c")
        await settled(pilot, lambda: told in app.clipboard)
        assert app.clipboard.startswith("| name | value |\n| --- | --- |\n")
        await pilot.press("C")
        await settled(pilot, lambda: app.clipboard.startswith("name,value\n"))


async def test_a_table_is_written_into_the_folder_of_exports(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "scores")
        await pilot.press("w", "w")
        folder = workspace.root / "exports"
        await settled(pilot, lambda: folder.is_dir() and len(list(folder.glob("run-1-scores-*.csv"))) == 2)
        text = next(folder.iterdir()).read_text()
        assert text.splitlines()[0] == ",split,fold,epoch,step,loss,f1_mean,l1 mic,l1 mac,l2 mic,l2 mac"
        assert text.splitlines()[4].startswith("best,val,0,4,399,1.2,0.7329,0.8329")


async def test_a_folder_of_exports_that_cannot_be_made_is_told(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    (workspace.root / "exports").write_text("a file where a folder belongs")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "scores")
        await pilot.press("w")
        await settled(
            pilot,
            lambda: any("exports" in note.message for note in app._notifications if note.severity == "error"),
        )


@pytest.mark.parametrize("plain", ["", "1"])
async def test_a_tiny_terminal_without_glyphs_or_colours_is_survived(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    monkeypatch.setenv("REELTOP_ASCII", plain)
    monkeypatch.setenv("NO_COLOR", plain)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(20, 5)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        tabs = app.screen.query_one(TabbedContent)
        for pane in tabs.query(TabPane):
            tabs.active = pane.id or ""
            await pilot.pause()
        tabs.active = "charts"
        await pilot.resize_terminal(120, 40)
        await settled(pilot, lambda: len(app.screen.query("#charts-grid MetricChart.-drawn")) > 3)
        await pilot.resize_terminal(20, 5)
        await pilot.pause()
        assert app.is_running


async def test_an_ended_run_is_not_said_to_make_anything_yet(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["broken"], "scores")
        told = {
            "scores": (".courses-text", "this run has made no evaluation"),
            "classes": (".classes-status", "this run has made no evaluation"),
            "checkpoints": (".checkpoint-status", "this run has written no checkpoint"),
        }
        for tab, (place, text) in told.items():
            app.screen.query_one(TabbedContent).active = tab
            await settled(
                pilot, lambda place=place, text=text: str(app.screen.query_one(place, Label).content) == text
            )


def test_values_of_a_section_stand_below_each_other() -> None:
    lines = [
        line.plain for line in _written([("settings", [("seed", "1"), ("training.adversarial.eps", "2")])])
    ]
    assert lines[1].index("1") == lines[2].index("2")
    wide = [line.plain for line in _written([("series", [("模型/损失/training/x", "1"), ("lr", "2")])])]
    assert wide[1].index("1") + 4 == wide[2].index("2"), "four characters are two cells wide"
