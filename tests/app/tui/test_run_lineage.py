"""Lineage on the Run screen: inputs above, dependants below, walked by keys, deleted runs told."""

from collections.abc import Callable

import pytest
from conftest import new_run
from run_page import on_run

from app.tui.app import ReeltopApp
from app.tui.screens.run import RunScreen
from app.tui.widgets.lineage_view import LineageView
from engine.store.database import Store
from engine.store.lineage import lineage
from engine.store.runs import create_runs, delete_run, transition
from engine.store.views import NewInput, Status
from engine.workspace import Workspace


@pytest.fixture
def family(store: Store) -> dict[str, int]:
    """Features, of which a pre-training and a model are made; the model starts from the pre-training; an ensemble."""
    names = ["特征", "pretrain", "model", "other", "ensemble"]
    inputs = {
        "pretrain": (NewInput("features", 0, in_batch=True),),
        "model": (NewInput("features", 0, in_batch=True), NewInput("init", 1, "last", in_batch=True)),
        "ensemble": (NewInput("members", 2, in_batch=True), NewInput("members", 3, in_batch=True)),
    }
    made = create_runs(store, [new_run(name, inputs=inputs.get(name, ())) for name in names])
    return dict(zip(names, made, strict=True))


def lines(view: LineageView) -> list[str]:
    """What is shown, top down."""
    return [str(view.get_option_at_index(index).prompt) for index in range(view.option_count)]


async def test_inputs_stand_above_and_dependants_below(
    workspace: Workspace, family: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, family["model"], "lineage")
        view = app.screen.query_one(LineageView)
        await settled(pilot, lambda: view.option_count == 5)
        shown = [line.partition("  finetune")[0] for line in lines(view)]
        assert shown == [
            "┌─ features  1 特征",
            "│  ┌─ features  1 特征",
            "├─ init@last  2 pretrain",
            "3 model",
            "└─ members  5 ensemble",
        ]
        assert "◌ queued  this run" in lines(view)[3]
        assert view.highlighted == 3


async def test_the_graph_is_walked_and_esc_comes_back(
    workspace: Workspace, family: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, family["model"], "lineage")
        view = app.screen.query_one(LineageView)
        await settled(pilot, lambda: view.option_count == 5 and app.focused is view)
        await pilot.press("enter")
        await settled(
            pilot, lambda: any("this is the run itself" in note.message for note in app._notifications)
        )
        await pilot.press("k", "down", "up", "enter")
        await settled(
            pilot, lambda: app.screen.current_run() and app.screen.current_run().id == family["pretrain"]
        )
        await pilot.press("escape")
        await settled(
            pilot, lambda: app.screen.current_run() and app.screen.current_run().id == family["model"]
        )
        await settled(pilot, lambda: app.focused is view and view.highlighted == 2)
        await pilot.press("j", "j", "enter")
        await settled(
            pilot, lambda: app.screen.current_run() and app.screen.current_run().id == family["ensemble"]
        )
        assert sum(isinstance(screen, RunScreen) for screen in app.screen_stack) == 2


async def test_an_input_that_was_deleted_stays_in_the_graph_and_has_no_page(
    workspace: Workspace, store: Store, family: dict[str, int], settled: Callable
) -> None:
    for run_id in family.values():
        assert transition(store, run_id, from_={Status.QUEUED}, to=Status.CANCELLED)
    for name in ("pretrain", "ensemble", "特征"):
        delete_run(store, family[name])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, family["model"], "lineage")
        view = app.screen.query_one(LineageView)
        await settled(pilot, lambda: view.option_count == 4 and app.focused is view)
        assert "✗ deleted" in lines(view)[2]
        await pilot.press("up", "enter")
        await settled(pilot, lambda: any("run 2 was deleted" in note.message for note in app._notifications))
        await pilot.press("C")
        await settled(pilot, lambda: "2,pretrain,init@last,3,model" in app.clipboard)


async def test_a_run_of_its_own_says_so(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"], "lineage")
        view = app.screen.query_one(LineageView)
        await settled(pilot, lambda: view.option_count == 2)
        assert "made from no other run" in lines(view)[1]


def test_a_great_family_is_cut_and_says_so(store: Store) -> None:
    (root,) = create_runs(store, [new_run("root")])
    create_runs(store, [new_run(f"child-{n}", inputs=(NewInput("features", root),)) for n in range(400)])
    graph = lineage(store, root)
    assert graph.cut
    assert len(graph.runs) == 300
    assert all(edge.run in graph.runs and edge.source in graph.runs for edge in graph.edges)
