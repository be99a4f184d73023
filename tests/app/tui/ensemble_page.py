"""How the tests of the ensemble screen get there, and read what it shows."""

from collections.abc import Callable
from typing import Any

from ensemble_world import finished

from app.tui.app import ReeltopApp
from app.tui.screens.ensemble import Ensemble
from app.tui.widgets.label import Label
from app.tui.widgets.member_list import MemberList
from engine.store.database import Store
from engine.workspace import Workspace

Settled = Callable[..., Any]


def three_members(store: Store, workspace: Workspace) -> list[int]:
    """Three members of the same fold."""
    strengths = (1.5, 2.0, 0.5)
    return [
        finished(store, workspace, f"model-{number}", strength=strength, seed=number)
        for number, strength in enumerate(strengths, 1)
    ]


def screen(app: ReeltopApp) -> Ensemble:
    """The screen, under whatever dialog."""
    return next(each for each in app.screen_stack if isinstance(each, Ensemble))


def shown(app: ReeltopApp, selector: str) -> str:
    """What a label says."""
    return str(screen(app).query_one(selector, Label).content)


def rows(app: ReeltopApp) -> list[str]:
    """The members as they are drawn."""
    listed = screen(app).query_one(MemberList)
    return [str(listed.get_option_at_index(index).prompt) for index in range(listed.option_count)]


def weights(app: ReeltopApp) -> tuple[float, ...]:
    """The weights as they are."""
    return screen(app).bench.now


def scored(app: ReeltopApp) -> bool:
    """The scores are those of the weights."""
    bench = screen(app).bench
    return bench.ready is not None and not bench.unscored


async def opened(app: ReeltopApp, pilot: Any, settled: Settled, marked: list[int] | None = None) -> None:
    """Mode 5, with the marked runs as members."""
    await settled(pilot, lambda: app.opened)
    app.marked[:] = marked or []
    await pilot.press("5")
    await settled(pilot, lambda: isinstance(app.screen, Ensemble) and app.screen.is_mounted)
    if marked:
        await settled(pilot, lambda: scored(app))
