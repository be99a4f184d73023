"""How the tests of the Run screen get there, and read what it shows."""

from collections.abc import Callable

from textual.widgets import Tree

from app.tui.app import ReeltopApp
from app.tui.screens.run import RunScreen


def shown_run(app: ReeltopApp) -> RunScreen:
    """The screen on top, which is that of a run."""
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def on_run(
    app: ReeltopApp, pilot: object, settled: Callable, run_id: int, tab: str = "overview"
) -> None:
    """Open the run and go to a tab by its keys."""
    from textual.widgets import TabbedContent

    await settled(pilot, lambda: app.opened)
    app.open_run(run_id)
    await settled(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.current_run() is not None)
    while (before := app.screen.query_one(TabbedContent).active) != tab:
        await pilot.press("]")
        await settled(pilot, lambda before=before: app.screen.query_one(TabbedContent).active != before)


def tree_lines(tree: Tree) -> list[str]:
    """Labels of a tree, top down, closed branches too."""
    found = []

    def walk(node: object) -> None:
        for child in node.children:
            found.append(child.label.plain)
            walk(child)

    walk(tree.root)
    return found
