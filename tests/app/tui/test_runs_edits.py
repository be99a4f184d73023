"""Keys of the Runs screen that change runs, one or all that are marked, and the undo."""

from collections.abc import Callable

from runs_page import told
from test_runs_screen import lines, opened, table
from textual.widgets import Input, TextArea

from app.tui.app import ReeltopApp
from app.tui.screens.ask import Ask
from app.tui.widgets.label import Label
from engine.store.database import Store
from engine.store.queries import list_runs, run_row
from engine.store.views import Status
from engine.workspace import Workspace


async def test_a_run_is_renamed_by_key_and_the_undo_takes_it_back(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("u")
        await settled(pilot, lambda: "nothing to take back" in told(app))
        await pilot.press("end", "R")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        app.screen.query_one(Input).value = "12"
        await pilot.press("enter")
        await settled(pilot, lambda: "no number" in str(app.screen.query_one(".dialog-wrong", Label).content))
        app.screen.query_one(Input).value = "winner"
        await pilot.press("enter")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).name == "winner")
        await settled(pilot, lambda: any("winner" in line for line in lines(app)))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).name == "model-3")


async def test_tags_go_to_all_marked_runs_and_come_back_with_u(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("space", "down", "space", "t")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        assert "2 marked runs: 4 model-2, 3 model-1" in str(app.screen.query(Label).first().content)
        await pilot.press(*"best paper", "enter")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best", "paper"))
        assert run_row(store, runs["model-2"]).tags == ("best", "paper")
        await pilot.press("A", "t")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        assert any("Has: best paper" in str(label.content) for label in app.screen.query(Label))
        app.screen.query_one(Input).value = "-paper"
        await pilot.press("enter")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best",))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best", "paper"))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-2"]).tags == ())


async def test_a_note_of_several_lines_is_written_and_shown(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "n")
        await settled(pilot, lambda: app.screen.query(TextArea))
        await pilot.press(*"one", "enter", *"two", "ctrl+s")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).notes == "one\ntwo")
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: line.display and "one" in str(line.content))
        await pilot.press("n")
        await settled(pilot, lambda: app.screen.query(TextArea))
        await pilot.press(*"never", "escape")
        await settled(pilot, lambda: not app.screen.query(TextArea))
        assert run_row(store, runs["model-3"]).notes == "one\ntwo"


async def test_a_pin_is_set_and_taken_away(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "p")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).pinned)
        await settled(pilot, lambda: table(app).current.pinned)
        await pilot.press("p")
        await settled(pilot, lambda: not run_row(store, runs["model-3"]).pinned)


async def test_marked_runs_are_deleted_together_and_u_brings_them_back(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "space", "up", "space", "delete")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        assert "2 marked runs: 1 model-3, 2 broken" in str(app.screen.query(Label).first().content)
        await pilot.press("n")
        await settled(pilot, lambda: not app.screen.query("#confirm-box"))
        assert list_runs(store).total == 4
        await pilot.press("delete", "y")
        await settled(pilot, lambda: list_runs(store).total == 2)
        await settled(pilot, lambda: table(app).matching == 2)
        assert app.marked == []
        await pilot.press("u")
        await settled(pilot, lambda: table(app).matching == 4)


async def test_a_run_that_lives_is_not_deleted_and_says_why(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "delete", "y")
        await settled(pilot, lambda: "is running: stop it first" in told(app))
        assert list_runs(store).total == 4


async def test_several_are_resumed_and_those_that_cannot_be_are_named(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "space", "up", "space", "r")
        await settled(pilot, lambda: run_row(store, runs["broken"]).status is Status.QUEUED)
        await settled(pilot, lambda: "already finished" in told(app))
        assert "1 queued again" in told(app)


async def test_stop_and_kill_ask_once_for_all_marked(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("space", "down", "space", "x")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        assert "Stop 2 marked runs" in str(app.screen.query(Label).first().content)
        await pilot.press("y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent.value == "stop")
        assert run_row(store, runs["model-2"]).intent.value == "stop"
        await pilot.press("X")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        await pilot.press("y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent.value == "kill")
