"""Scores over time and the tree of classes: levels, orders, evaluations, names and mistakes; the keys of both tabs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from run_page import on_run, tree_lines
from screen_text import drawn
from textual.widgets import DataTable, TabbedContent, Tree

from app.tui.app import ReeltopApp
from app.tui.widgets.label import Label
from app.tui.widgets.marked_tree import CURSOR
from app.tui.widgets.scores_view import _course
from engine.records import Artifact
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.views import EvaluationRow
from engine.workspace import Workspace

NAMES = {"20": "旅行", "11": "food", "2003": "hotels", "2007": "home\x1b[31mstays"}
CONFUSION = {
    "1": [["20", "11", 304], ["20", "20", 900]],
    "2": [["2007", "2003", 66], ["2003", "2007", 28], ["2003", "1104", 5], ["1104", "1104", 249]],
}


@pytest.fixture
def confused(workspace: Workspace, store: Store, runs: dict[str, int]) -> int:
    """The finished run, with the predictions of its best state."""
    run_id = runs["model-3"]
    folder = workspace.run_dir(run_id, "model-3") / "artifacts" / "validation"
    folder.mkdir(parents=True)
    (folder / "taxonomy.json").write_text(json.dumps({"names": NAMES}))
    (folder / "confusion.json").write_text(json.dumps(CONFUSION))
    made = Artifact(time=1.0, kind="validation", path="artifacts/validation", bytes=1, sha256="0", meta={})
    ingest(store, run_id, [made], old_offset=2, new_offset=3)
    return run_id


async def test_scores_show_every_level_over_time_and_enter_opens_the_classes(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "scores")
        table = app.screen.query_one("#evaluations", DataTable)
        await settled(pilot, lambda: table.row_count == 4)
        assert [str(cell) for cell in table.get_row_at(3)][6:] == [
            "0.7329",
            "0.8329",
            "0.7829",
            "0.6829",
            "0.6329",
        ]
        assert str(table.get_row_at(3)[0]) == "best"
        courses = str(app.screen.query_one(".courses-text", Label).content)
        assert "f1_mean ▁▅▇█  0.4297 to 0.7329, best 0.7329 at epoch 4" in courses
        assert "l2 mac  ▁▅▇█" in courses
        await settled(pilot, lambda: app.focused is table)
        await pilot.press("up", "enter")
        status = app.screen.query_one(".classes-status", Label)
        await settled(pilot, lambda: "val epoch 3" in str(status.content))
        assert app.screen.query_one(TabbedContent).active == "classes"


async def test_classes_are_a_tree_with_names_and_mistakes_worst_first(
    workspace: Workspace, confused: int, settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_run(app, pilot, settled, confused, "classes")
        tree = app.screen.query_one("#class-tree", Tree)
        await settled(pilot, lambda: any("旅行" in line for line in tree_lines(tree)))
        lines = [" ".join(line.split()) for line in tree_lines(tree)]
        assert lines[0] == "20 旅行 0.71 ▆ 0.71 0.71 1,204 349 11 food 304"
        assert lines[1].startswith("2003 hotels 0.42 ▄")
        assert lines[2] == "taken for 2007 home␛[31mstays 28 videos 44.4% of them"
        assert lines[4].startswith("2007 home␛[31mstays 0.55")
        assert lines[-1].startswith("1104 0.83")
        await settled(pilot, lambda: app.focused is tree)
        await pilot.press("down")
        await settled(pilot, lambda: [line for line in drawn(app) if CURSOR in line])
        await pilot.press("e")
        place = {}
        for code, f1 in (("2003", "0.42"), ("1104", "0.83")):
            await settled(pilot, lambda code=code: any(f" {code} " in line for line in drawn(app)))
            place[code] = next(line.index(f1) for line in drawn(app) if f" {code} " in line and f1 in line)
        assert place["2003"] == place["1104"], "one can be opened, one cannot: the columns are the same"
        assert ",. evaluation" in drawn(app)[-1]


@pytest.mark.parametrize(
    ("presses", "told", "codes"),
    [
        (0, "worst F1 first", ["20", "2003", "2007", "11", "1104"]),
        (1, "most mistakes first", ["20", "2007", "2003", "11", "1104"]),
        (2, "most videos first", ["20", "2007", "2003", "11", "1104"]),
        (3, "by code", ["11", "1104", "20", "2003", "2007"]),
        (4, "worst F1 first", ["20", "2003", "2007", "11", "1104"]),
    ],
)
async def test_the_order_of_classes_is_chosen_by_key(
    workspace: Workspace, runs: dict[str, int], settled: Callable, presses: int, told: str, codes: list[str]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "classes")
        tree = app.screen.query_one("#class-tree", Tree)
        await settled(pilot, lambda: tree_lines(tree) and app.focused is tree)
        await pilot.press(*["o"] * presses)
        await settled(pilot, lambda: told in str(app.screen.query_one(".classes-status", Label).content))
        assert [line.split()[0] for line in tree_lines(tree)] == codes


async def test_all_classes_open_and_close_and_evaluations_are_stepped_through(
    workspace: Workspace, confused: int, settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, confused, "classes")
        tree = app.screen.query_one("#class-tree", Tree)
        status = app.screen.query_one(".classes-status", Label)
        await settled(pilot, lambda: len(tree.root.children) == 2 and app.focused is tree)
        await pilot.press("e")
        await settled(pilot, lambda: all(node.is_expanded for node in tree.root.children))
        await pilot.press("e")
        await settled(pilot, lambda: not any(node.is_expanded for node in tree.root.children))
        await pilot.press("comma", "comma")
        await settled(pilot, lambda: "val epoch 2" in str(status.content))
        await pilot.press("full_stop")
        await settled(pilot, lambda: "val epoch 3" in str(status.content))
        await pilot.press("C")
        await settled(pilot, lambda: app.clipboard.startswith("level,class,name,precision"))
        assert "1,20,旅行,0.7100,0.7100,0.7100,1204,349,11 food 304" in app.clipboard


async def test_broken_confusions_are_told_and_the_scores_stay(
    workspace: Workspace, confused: int, settled: Callable
) -> None:
    (workspace.run_dir(confused, "model-3") / "artifacts" / "validation" / "confusion.json").write_text("{")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(200, 30)) as pilot:
        await on_run(app, pilot, settled, confused, "classes")
        status = app.screen.query_one(".classes-status", Label)
        await settled(pilot, lambda: "confusions cannot be read" in str(status.content))
        assert tree_lines(app.screen.query_one("#class-tree", Tree))


async def test_a_run_without_evaluations_says_when_they_come(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-2"], "scores")
        assert "no evaluation yet" in str(app.screen.query_one(".courses-text", Label).content)
        await pilot.press("enter", "right_square_bracket")
        for key in ("o", "comma", "full_stop", "e", "c", "w"):
            await pilot.press(key)
        assert "no evaluation yet" in str(app.screen.query_one(".classes-status", Label).content)


def test_a_course_of_scores_has_as_many_digits_as_the_table_above_it() -> None:
    row = EvaluationRow(1, datetime.now(UTC), 44, 1, "val", 0, 2.5, 0.886, ())
    assert "0.8860 to 0.8860, best 0.8860 at epoch 1" in _course("f1_mean", [0.886], [row]).plain
    assert "2.5 to 2.5" in _course("loss", [2.5], [row]).plain
