"""Writes the pictures of the screens, SVG and, where Chromium is installed, PNG.

    python docs/make_screenshots.py [WORKSPACE]

Without a workspace it runs the sample pipeline in a temporary one, some minutes on two cores, and takes the Monitor's
picture while a model trains; in a given one it takes what there is. What the pictures show has been computed.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.widgets.field_row import FieldRow
from app.verbs.demo import prepare
from engine.store.database import Store
from engine.store.queries import list_runs, live_runs
from engine.workspace import Workspace

DOCS = Path(__file__).parent
SIZE = (130, 40)
SMALL = (80, 24)
# Long enough for the answers of the store and two samples of the machine.
SETTLE_SECONDS = 4.0
TRAINED_SHARE = 0.5
_MODEL_1 = 6  # files above it
_TYPED = {"training.epochs": "8", "training.lr.text": "0.0005, 0.001"}  # the second makes a sweep


async def take(workspace: Workspace, store: Store, *, fresh: bool) -> None:
    """Walk through the screens and save each."""
    app = ReeltopApp(workspace)
    async with app.run_test(size=SIZE) as pilot:
        if fresh:
            await until_training(store)
        await press(pilot, "1")
        save(app, "monitor")
        if fresh:
            await until_ended(store)
        models = [run.id for run in list_runs(store, "stage=finetune status=finished", sort="name").runs[:4]]
        members = [
            *models,
            *(run.id for run in list_runs(store, "stage=baseline status=finished", limit=1).runs),
        ]
        app.marked[:] = members
        await press(pilot, "2")
        save(app, "runs")
        app.open_run(models[0])
        await press(pilot, *("right_square_bracket",) * 2)
        save(app, "run")
        await press(pilot, *("right_square_bracket",) * 2)
        save(app, "classes")
        await press(pilot, *("right_square_bracket",) * 3)
        save(app, "lineage")
        await press(pilot, "escape", "3", *("down",) * _MODEL_1)
        for row in app.screen.query(FieldRow):
            if row.spec.key in _TYPED:
                row.set_value(_TYPED[row.spec.key])
                row.query_one(Input).focus()
        await press(pilot)
        save(app, "launch")
        await press(pilot, "escape", "4")
        save(app, "compare")
        await press(pilot, "5")
        save(app, "ensemble")
    small = ReeltopApp(workspace)
    async with small.run_test(size=SMALL) as pilot:
        await press(pilot, "2")
        save(small, "runs-80x24")


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press the keys and wait until the screen shows what there is."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause(0.5)
    await pilot.pause(SETTLE_SECONDS)


async def until_training(store: Store) -> None:
    """Wait until a model is well on its way."""
    while not any(
        run.stage == "finetune" and run.progress is not None and run.progress.share > TRAINED_SHARE
        for run in live_runs(store)
    ):
        await asyncio.sleep(0.5)


async def until_ended(store: Store) -> None:
    """Wait until nothing waits or runs."""
    while not all(run.status.ended for run in list_runs(store).runs):
        await asyncio.sleep(1)


def save(app: ReeltopApp, name: str) -> None:
    """The screen as `name`.svg, and as PNG where that can be made."""
    app.save_screenshot(f"{name}.svg", str(DOCS))
    picture = DOCS / f"{name}.svg"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print(f"{name}: no Chromium, no PNG", file=sys.stderr)
        return
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture.read_text(encoding="utf-8"))
    assert size is not None
    width, height = (round(float(side)) for side in size.groups())
    command = [chromium, "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={width},{height}"]
    command += [f"--screenshot={DOCS / f'{name}.png'}", picture.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Take the pictures of the given workspace, or of a new one."""
    if len(sys.argv) > 1:
        workspace = Workspace.open(sys.argv[1])
        asyncio.run(take(workspace, Store.open(workspace.store_url), fresh=False))
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        store = Store.open(workspace.store_url)
        began = time.monotonic()
        prepare(workspace, store)
        asyncio.run(take(workspace, store, fresh=True))
        print(f"made in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
