"""Writes the pictures of the screens: `python docs/make_screenshots.py WORKSPACE`, best while a run trains there."""

import asyncio
import sys
from pathlib import Path

from textual.pilot import Pilot

from app.tui.app import ReeltopApp
from engine.workspace import Workspace

DOCS = Path(__file__).parent
SIZE = (120, 36)
# Long enough for the answers of the store and two samples of the machine.
SETTLE_SECONDS = 4.0


async def take(workspace: Workspace) -> None:
    """Walk through the screens and save each as SVG."""
    app = ReeltopApp(workspace)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        app.save_screenshot("monitor.svg", str(DOCS))
        for keys, name in (("2", "runs"), ("down enter ] ]", "run"), ("3", "launch")):
            await pilot.press(*keys.split())
            await settled(pilot)
            app.save_screenshot(f"{name}.svg", str(DOCS))


async def settled(pilot: Pilot[None]) -> None:
    """Wait until the screen shows what there is."""
    await pilot.pause(SETTLE_SECONDS)


if __name__ == "__main__":
    asyncio.run(take(Workspace.open(sys.argv[1])))
