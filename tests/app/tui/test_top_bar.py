"""The line on top: modes, what runs and waits, at any width."""

from collections.abc import Callable

import pytest
from screen_text import drawn

from app.tui.app import ReeltopApp
from app.tui.screens.runs import Runs
from app.tui.widgets.top_bar import TopBar
from engine.workspace import Workspace


@pytest.mark.parametrize(("width", "told"), [(80, "● 1 ◌ 1"), (100, "1 running · 1 queued")])
async def test_how_much_runs_and_waits_is_said_at_any_width(
    workspace: Workspace, runs: dict[str, int], settled: Callable, width: int, told: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(width, 24)) as pilot:
        await settled(pilot, lambda: told in str(app.screen.query_one(TopBar).render()))


@pytest.mark.parametrize(
    ("width", "told", "at"), [(40, " reeltop  1  2 Runs  3  4  5 ", 21), (20, " 1  2 Runs  3  4  5 ", 12)]
)
async def test_a_narrow_terminal_names_the_mode_that_is_shown_and_a_click_still_goes_to_another(
    workspace: Workspace, settled: Callable, width: int, told: str, at: int
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(width, 8)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs))
        await settled(pilot, lambda: drawn(app)[0].startswith(told.rstrip()))
        await pilot.click(TopBar, offset=(at, 0))
        await settled(pilot, lambda: app.current_mode == "launch")
