"""Going back to a mode shows what was there at once, and makes up for what has changed meanwhile."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import pytest
from conftest import new_run
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump

from app.tui.app import ReeltopApp
from app.tui.feed import Answered, Feed
from app.tui.screens.monitor import Monitor
from app.tui.screens.runs import Runs
from app.tui.widgets.run_table import RunTable
from app.tui.widgets.top_bar import TopBar
from engine.store.database import Store
from engine.store.runs import create_runs
from engine.workspace import Workspace


async def test_a_mode_that_was_there_is_back_without_waiting_and_without_styling_all_of_it_anew(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        for key, kind in (("2", Runs), ("1", Monitor), ("2", Runs)):
            await pilot.press(key)
            await settled(pilot, lambda kind=kind: isinstance(app.screen, kind) and not app._batch_count)
        styled: list[object] = []
        update = App.update_styles
        monkeypatch.setattr(
            App,
            "update_styles",
            lambda self, node, animate=True: (styled.append(node), update(self, node, animate)),
        )
        app.switch_mode("monitor")
        assert app._batch_count == 0
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen._resumed)
        assert app.screen not in styled


async def test_what_changed_while_another_mode_was_on_top_is_seen_on_the_way_back(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(
            pilot, lambda: app.screen.query(RunTable) and app.screen.query_one(RunTable).matching == 4
        )
        before = app.screen.query_one(TopBar).styles.background
        await pilot.press("1")
        await settled(pilot, lambda: isinstance(app.screen, Monitor))
        create_runs(store, [new_run("meanwhile")])
        app.theme = "textual-light"
        await pilot.resize_terminal(100, 30)
        await pilot.press("2")
        await settled(
            pilot, lambda: app.screen.query(RunTable) and app.screen.query_one(RunTable).matching == 5
        )
        assert app.screen.size == (100, 30)
        assert app.screen.query_one(TopBar).size.width == 100
        assert app.screen.query_one(TopBar).styles.background != before
        assert app.screen.has_class("-narrow")


@dataclass(frozen=True)
class _Count:
    """How many runs wait, by a name."""

    every: ClassVar[float] = 0.0

    name: str

    def answer(self, store: Store) -> int:
        from engine.store.queries import waiting_runs

        return waiting_runs(store, limit=1).total


class _Listener:
    def __init__(self) -> None:
        self.told: list[tuple[object, object]] = []

    def post_message(self, message: Message) -> bool:
        answered = cast(Answered, message)
        self.told.append((answered.request, answered.value))
        return True


def test_a_screen_that_rests_is_told_only_what_changed_and_what_it_wants_again(
    workspace: Workspace, store: Store
) -> None:
    feed = Feed(workspace.store_url, lambda _trouble: None)
    thread = threading.Thread(target=feed.run)
    thread.start()
    one, two = _Count("one"), _Count("two")
    listener = _Listener()
    subscriber = cast(MessagePump, listener)

    def wait(count: int) -> list[tuple[object, object]]:
        deadline = threading.Event()
        for _ in range(400):
            if len(listener.told) >= count:
                break
            deadline.wait(0.05)
        assert len(listener.told) == count, listener.told
        return listener.told

    try:
        feed.want(subscriber, (one, two))
        assert wait(2) == [(one, 0), (two, 0)]
        feed.rest(subscriber, tell_again=(two,))
        feed.want(subscriber, (one, two))
        assert wait(3)[2:] == [(two, 0)]
        feed.rest(subscriber)
        create_runs(store, [new_run("meanwhile")])
        feed.want(subscriber, (one, two))
        assert wait(5)[3:] == [(one, 1), (two, 1)]
        feed.forget(subscriber)
        feed.want(subscriber, (one, two))
        assert wait(7)[5:] == [(one, 1), (two, 1)]
    finally:
        feed.close()
        thread.join()
