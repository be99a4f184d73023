"""Runs: the table pages from the store, filters and sorts there, and keeps its cursor on its run."""

from collections.abc import Callable

import pytest
from conftest import new_run

from app.tui.app import ReeltopApp
from app.tui.screens.run import RunScreen
from app.tui.screens.runs import Runs
from app.tui.widgets.label import Label
from app.tui.widgets.run_preview import RunPreview
from app.tui.widgets.run_table import RunTable
from engine.store.database import Store
from engine.store.queries import list_runs, run_row
from engine.store.runs import create_runs
from engine.store.views import Status
from engine.workspace import Workspace


def table(app: ReeltopApp) -> RunTable:
    """The table."""
    return app.screen.query_one(RunTable)


def lines(app: ReeltopApp) -> list[str]:
    """The lines in sight that hold a run."""
    shown = table(app)
    texts = [shown.render_line(y).text for y in range(1, shown.size.height)]
    return [text for text in texts if text.strip() and not text.startswith("     └")]


async def opened(app: ReeltopApp, pilot: object, settled: Callable, count: int) -> None:
    await settled(pilot, lambda: app.opened)
    await pilot.press("2")
    await settled(pilot, lambda: isinstance(app.screen, Runs) and app.screen.is_mounted)
    await settled(pilot, lambda: table(app).matching == count)


async def test_scores_states_and_sizes_are_in_the_table(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        finished = next(line for line in lines(app) if "model-3" in line)
        assert "✓ finished" in finished
        assert "0.7329" in finished
        assert "0.8329" in finished  # level 1, micro
        assert "0.6329" in finished  # level 2, macro
        assert str(table(app).border_subtitle) == "4 runs"


async def test_a_wrong_filter_shows_where_and_keeps_the_last_good_result(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("slash", *"name~model")
        await settled(pilot, lambda: table(app).matching == 3)
        assert str(table(app).border_subtitle) == "3 of 4 runs"
        await pilot.press(*" nmae=x")
        error = app.screen.query_one(".filter-error", Label)
        await settled(pilot, lambda: "nmae" in str(error.content))
        assert str(error.content).index("▲") == len("name~model ")
        assert table(app).matching == 3
        await pilot.press("escape")
        await settled(pilot, lambda: table(app).matching == 4)
        assert app.focused is table(app)


async def test_sorting_by_key_and_by_title(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("s", "s")  # from created on: id, then name
        await settled(pilot, lambda: "broken" in lines(app)[0])
        assert "name▲" in table(app).render_line(0).text
        await pilot.press("S")
        await settled(pilot, lambda: "model-3" in lines(app)[0])
        head = table(app).render_line(0).text
        await pilot.click(RunTable, offset=(head.index("f1_mean") + 1, 1))
        await settled(pilot, lambda: "f1_mean▼" in table(app).render_line(0).text)
        await settled(pilot, lambda: "model-3" in lines(app)[0] and "model-1" in lines(app)[1])


async def test_the_cursor_stays_on_its_run_when_runs_are_added(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down")
        await settled(pilot, lambda: table(app).current.name == "model-1")
        create_runs(store, [new_run("later-1"), new_run("later-2")])
        await settled(pilot, lambda: table(app).matching == 6)
        assert table(app).current.name == "model-1"
        assert next(line for line in lines(app) if line.startswith("▸")).split()[2] == "model-1"


async def test_ten_thousand_runs_are_paged_not_loaded(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    create_runs(store, [new_run(f"run-{n}") for n in range(3000)])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 3000)
        assert len(table(app)._lines) <= 400
        await pilot.press("end")
        await settled(pilot, lambda: table(app).current is not None and table(app).current.name == "run-0")
        assert len(table(app)._lines) <= 400
        assert "run-0" in lines(app)[-1]
        await pilot.press("home")
        await settled(pilot, lambda: table(app).current is not None and table(app).current.name == "run-2999")


async def test_the_preview_follows_the_cursor_where_there_is_room(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "down")
        label = app.screen.query_one(RunPreview).query_one(Label)
        await settled(pilot, lambda: "loss is NaN at step 310" in str(label.content))
        assert "training.lr.text 5e-05" in str(label.content)
        await pilot.press("down")
        await settled(pilot, lambda: "micro 0.8329" in str(label.content) and "▁" in str(label.content))
        await pilot.resize_terminal(100, 30)
        await settled(pilot, lambda: not app.screen.query_one(RunPreview).display)


@pytest.mark.parametrize("size", [(150, 40), (120, 36)])
async def test_names_in_the_preview_are_apart_from_their_values(
    workspace: Workspace, store: Store, settled: Callable, size: tuple[int, int]
) -> None:
    create_runs(store, [new_run("model-1", experiment="sample")])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, settled, 1)
        label = app.screen.query_one(RunPreview).query_one(Label)
        await settled(pilot, lambda: "sample" in str(label.content))
        found = [line for line in str(label.content).splitlines() if line.startswith(("stage", "experiment"))]
        assert found == ["stage       finetune", "experiment  sample"]


async def test_resume_and_delete_act_on_the_run_under_the_cursor(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "down", "r")
        await settled(pilot, lambda: run_row(store, runs["broken"]).status is Status.QUEUED)
        await pilot.press("end", "r")
        await settled(pilot, lambda: any("already finished" in note.message for note in app._notifications))
        await settled(pilot, lambda: supervisors == [workspace])
        await pilot.press("delete", "y")
        await settled(pilot, lambda: list_runs(store).total == 3)
        await settled(pilot, lambda: table(app).matching == 3)


async def test_the_empty_table_teaches_the_keys(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 0)
        empty = app.screen.query_one("#runs-empty", Label)
        await settled(pilot, lambda: "ctrl+s queue it" in str(empty.content) and empty.display)


async def test_a_run_that_is_deleted_while_shown_says_so(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    from engine.store.runs import delete_run

    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "enter")
        await settled(
            pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.current_run() is not None
        )
        delete_run(store, runs["model-3"])
        await settled(pilot, lambda: "run 1 is gone" in str(app.screen.query_one("RunHead").content))
