"""How the tests of Compare get there, and read what it shows."""

import time
from collections.abc import Callable
from typing import Any

from conftest import CONFIG, evaluation, new_run, train

from app.tui.app import ReeltopApp
from app.tui.screens.compare import Compare
from app.tui.widgets.class_changes import ClassChanges
from app.tui.widgets.compare_table import CompareTable
from app.tui.widgets.label import Label
from app.tui.widgets.overlay_chart import OverlayChart
from engine.records import ClassScores, Environment, Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, transition
from engine.store.views import Status

WIDE = (150, 44)


def lines(widget: CompareTable | ClassChanges) -> list[str]:
    """The lines of a table in sight."""
    return [
        " ".join(widget.render_line(y).text.split()) for y in range(widget.scrollable_content_region.height)
    ]


def table(app: ReeltopApp) -> CompareTable:
    return app.screen.query_one(CompareTable)


def chart(app: ReeltopApp) -> OverlayChart:
    return app.screen.query_one(OverlayChart)


def classes(app: ReeltopApp) -> ClassChanges:
    return app.screen.query_one(ClassChanges)


def legend(app: ReeltopApp) -> str:
    return " ".join(str(app.screen.query_one("#overlay-legend", Label).content).split())


def title(app: ReeltopApp) -> str:
    return str(chart(app).border_title)


async def opened(app: ReeltopApp, pilot: Any, settled: Callable, *marked: int) -> None:
    """Mode 4 with these runs marked, their curves drawn."""
    await settled(pilot, lambda: app.opened)
    app.marked[:] = marked
    await pilot.press("4")
    await settled(pilot, lambda: isinstance(app.screen, Compare) and app.screen.is_mounted)
    if marked:
        await settled(pilot, lambda: len(lines(table(app))) > 3 and "scores" in lines(table(app))[2])


def three_runs(store: Store) -> tuple[int, int, int]:
    """Three finished runs that differ in EMA, scores, classes, length, code and one series."""
    names = ("model-1", "model-2", "model-3")
    configs = [
        {**CONFIG, "name": name, "training": {**CONFIG["training"], "ema": ema}}
        for name, ema in zip(names, (0.999, 0.9999, 0.9999), strict=True)
    ]
    ids = create_runs(store, [new_run(name, config=one) for name, one in zip(names, configs, strict=True)])
    for run_id, best in zip(ids, (0.70, 0.72, 0.60), strict=True):
        train(store, run_id, steps=200 if run_id == ids[0] else 300, total=400, best=best)
    at = time.time()
    passes = [evaluation(at, 310, 4, score) for score in (0.70, 0.72, 0.60)]
    for one, hotels in zip(passes, (0.40, 0.52, 0.40), strict=True):
        one.classes[2:3] = [
            ClassScores(level=2, category="2003", precision=hotels, recall=hotels, f1=hotels, support=63)
        ]
    passes[1].classes[3:4] = [
        ClassScores(level=2, category="2007", precision=0.5, recall=0.5, f1=0.48, support=148)
    ]
    for run_id, one, python in zip(ids, passes, ("3.11", "3.12", "3.11"), strict=True):
        records = [one, Environment(time=at, values={"python": python})]
        if run_id == ids[0]:
            records.append(Metrics(time=at, step=311, values={"train/alone": 7.5}))
        ingest(store, run_id, records, old_offset=1, new_offset=2)
        transition(store, run_id, from_={Status.RUNNING}, to=Status.FINISHED)
    return ids[0], ids[1], ids[2]
