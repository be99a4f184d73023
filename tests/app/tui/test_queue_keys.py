"""The queue by key: order, priority, hold and release, cancel; the cursor stays on its run."""

import json
from collections.abc import Callable

import pytest
from conftest import new_run, train
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.screens.ask import Ask
from app.tui.screens.confirm import Confirm
from app.tui.screens.monitor import Monitor
from app.tui.screens.run import RunScreen
from app.tui.widgets.live_list import LiveList
from app.tui.widgets.wait_list import WaitList
from engine.store.database import Store
from engine.store.queries import run_row, waiting_runs
from engine.store.queueing import hold_run
from engine.store.runs import create_runs
from engine.store.views import Intent, Status
from engine.workspace import Workspace


@pytest.fixture
def queue(workspace: Workspace, store: Store, supervisors: list[Workspace]) -> dict[str, int]:
    """A running run and three that wait."""
    names = ["busy", "first", "second", "third"]
    ids = dict(zip(names, create_runs(store, [new_run(name) for name in names]), strict=True))
    train(store, ids["busy"], steps=40)
    return ids


def order(store: Store) -> list[str]:
    return [run.name for run in waiting_runs(store).runs]


def lines(app: ReeltopApp) -> list[str]:
    return [str(option.prompt) for option in app.screen.query_one(WaitList).options]


async def at_queue(app: ReeltopApp, pilot: object, settled: Callable) -> WaitList:
    await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted and lines(app))
    await pilot.press("w")
    waiting = app.screen.query_one(WaitList)
    await settled(pilot, lambda: app.focused is waiting and waiting.current is not None)
    return waiting


@pytest.mark.parametrize(("up", "down"), [("K", "J"), ("shift+up", "shift+down")])
async def test_runs_change_places_by_key_and_the_cursor_stays_on_its_run(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable, up: str, down: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        waiting = await at_queue(app, pilot, settled)
        await pilot.press(down)
        await settled(pilot, lambda: "second" in lines(app)[0] and "first" in lines(app)[1])
        assert order(store) == ["second", "first", "third"]
        await settled(pilot, lambda: waiting.current.name == "first")
        await pilot.press(up)
        await settled(pilot, lambda: order(store) == ["first", "second", "third"])
        await settled(pilot, lambda: "first" in lines(app)[0])
        await pilot.press(up)
        await settled(
            pilot, lambda: any("is the first of the queue" in n.message for n in app._notifications)
        )
        manifest = workspace.root / run_row(store, queue["second"]).directory / "run.json"
        assert json.loads(manifest.read_text())["priority"] == run_row(store, queue["second"]).priority


async def test_h_holds_and_releases_and_the_line_says_so(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_queue(app, pilot, settled)
        await pilot.press("h")
        await settled(pilot, lambda: "held" in lines(app)[0] and "h releases it" in lines(app)[0])
        assert run_row(store, queue["first"]).held
        await pilot.press("h")
        await settled(pilot, lambda: not run_row(store, queue["first"]).held and "held" not in lines(app)[0])
        assert supervisors  # somebody has to start it now


async def test_p_asks_for_a_priority_until_it_is_one(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_queue(app, pilot, settled)
        await pilot.press("down", "p")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        await pilot.press("ctrl+u", *"lots", "enter")
        await settled(
            pilot, lambda: "not a whole number" in str(app.screen.query_one(".dialog-wrong").content)
        )
        await pilot.press("ctrl+u", *"2000", "enter")
        await settled(pilot, lambda: "-1000 to 1000" in str(app.screen.query_one(".dialog-wrong").content))
        await pilot.press("ctrl+u", *"7", "enter")
        await settled(pilot, lambda: run_row(store, queue["second"]).priority == 7)
        await settled(pilot, lambda: "priority 7" in lines(app)[0] and "second" in lines(app)[0])
        await pilot.press("p")
        await settled(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Monitor))
        assert run_row(store, queue["second"]).priority == 7


@pytest.mark.parametrize("key", ["x", "X"])  # nothing of it runs: there is nothing to kill
async def test_x_cancels_the_waiting_run_after_asking(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable, key: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_queue(app, pilot, settled)
        await pilot.press(key)
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Cancel run 2 first?" in str(app.screen.query("Label").first().content)
        await pilot.press("y")
        await settled(pilot, lambda: run_row(store, queue["first"]).intent is Intent.STOP)


async def test_enter_opens_the_waiting_run_and_w_goes_back_to_what_runs(
    workspace: Workspace, queue: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_queue(app, pilot, settled)
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Monitor))
        await pilot.press("w")
        await settled(pilot, lambda: app.focused is app.screen.query_one(LiveList))


async def test_a_run_that_started_meanwhile_is_told_and_not_held(
    workspace: Workspace,
    store: Store,
    queue: dict[str, int],
    settled: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await at_queue(app, pilot, settled)
        train(store, queue["first"], steps=5)
        app.screen.action_hold_run()
        await settled(
            pilot,
            lambda: (
                any("only a queued run" in n.message or "chosen" in n.message for n in app._notifications)
                or run_row(store, queue["second"]).held
            ),
        )
        assert run_row(store, queue["first"]).status is Status.RUNNING
        assert not run_row(store, queue["first"]).held


async def test_w_without_a_queue_says_so(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        await pilot.press("w")
        await settled(pilot, lambda: any("nothing waits" in n.message for n in app._notifications))


async def test_a_run_held_elsewhere_is_shown_as_held(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted and lines(app))
        hold_run(store, queue["third"])
        await settled(pilot, lambda: "held" in lines(app)[2])


async def test_of_a_long_queue_the_beginning_is_listed_and_the_number_of_the_others_told(
    workspace: Workspace, store: Store, queue: dict[str, int], settled: Callable
) -> None:
    create_runs(store, [new_run(f"later-{number}") for number in range(1200)])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        waiting = await at_queue(app, pilot, settled)
        assert "first" in lines(app)[0]
        assert len(lines(app)) == 100
        assert waiting.border_title == "waiting (1,203)"
        assert waiting.border_subtitle == "1,103 more: 2 Runs, / status=queued"
