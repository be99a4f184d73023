"""The smallest terminal, one without colours, and names that would write over it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import end, new_run, train
from test_runs_screen import lines, opened, table

from app.tui.app import ReeltopApp
from app.tui.widgets.label import Label
from engine.store.database import Store
from engine.store.runs import create_runs
from engine.store.views import Status
from engine.workspace import Workspace


async def test_names_with_markup_and_escapes_are_shown_not_obeyed(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    [run_id] = create_runs(store, [new_run("[red]模型\x1b[31m", tags=("[b]x",), notes="[link]\x1b]0;y")])
    train(store, run_id, steps=110)
    end(store, run_id, Status.FAILED, "[blink]broken\x07")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 1)
        await settled(pilot, lambda: "[red]模型␛" in lines(app)[0])
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: "[link]␛]0;y" in str(line.content))
        assert "[blink]broken␇" in table(app).render_line(2).text
        for key in ("n", "t", "R", "delete"):
            await pilot.press(key)
            await settled(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press("escape")
            await settled(pilot, lambda: len(app.screen_stack) == 1)
        assert Path(workspace.root).exists()


async def test_a_terminal_of_twenty_by_five_shows_every_dialog_and_loses_nothing(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(20, 5)) as pilot:
        await opened(app, pilot, settled, 4)
        for key in ("c", "o", "g", "v", "w", "t", "n", "R", "delete"):
            await pilot.press(key)
            await settled(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.resize_terminal(200, 50)
            await pilot.resize_terminal(20, 5)
            await pilot.press("escape")
            await settled(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("slash", *"sta")
        await settled(pilot, lambda: app.screen.query_one("#runs-filter .filter-words", Label).display)
        await pilot.press("escape", "down", "space")
        assert app.marked == [runs["model-1"]]


async def test_every_screen_is_drawn_without_colours(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened and app.screen.query("MetricChart.-drawn"))
        for key, mode in (
            ("2", "runs"),
            ("3", "launch"),
            ("4", "compare"),
            ("5", "ensemble"),
            ("1", "monitor"),
        ):
            await pilot.press(key)
            await settled(pilot, lambda mode=mode: app.current_mode == mode and app.screen.is_mounted)
        app.open_run(runs["model-3"])
        await settled(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("right_square_bracket", "right_square_bracket")
        await settled(pilot, lambda: app.screen.query("MetricChart.-drawn"))
        assert app.return_code in (None, 0)


async def test_lines_pass_no_filter_of_ours_where_there_are_colours(workspace: Workspace) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test():
        # Every filter takes every line of every paint apart and puts it together again.
        assert not any(type(each).__module__.startswith("app.") for each in app.get_line_filters())
