"""The tiles' histories begin with what running runs have measured before the screen was opened."""

import time
from collections.abc import Callable
from platform import node

import psutil
import pytest
from conftest import new_run, train
from sqlalchemy import update

from app.tui.app import ReeltopApp
from app.tui.history import STRETCH_SECONDS, History
from app.tui.screens.monitor import Monitor
from app.tui.widgets.gpu_panel import GpuPanel
from app.tui.widgets.host_panel import HostPanel
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.models import Run
from engine.store.runs import create_runs
from engine.workspace import Workspace


def test_what_others_measured_stands_before_the_own_values_and_gaps_stay() -> None:
    now = 1000 * STRETCH_SECONDS + 1
    history = History()
    history.add(9.0, now - STRETCH_SECONDS)
    history.add(10.0, now)
    ages = [(2 * STRETCH_SECONDS, 2.0), (2 * STRETCH_SECONDS + 0.5, 4.0), (4 * STRETCH_SECONDS, 1.0)]
    history.fill([(0.0, 99.0), (STRETCH_SECONDS, 99.0), *ages, (1e6, 99.0)], now)
    assert history.values(9) == [1.0, None, 3.0, 9.0, 10.0]


def test_a_history_without_own_values_takes_the_others_and_stays_bounded() -> None:
    now = 5000 * STRETCH_SECONDS + 1
    history = History()
    history.fill(((n * STRETCH_SECONDS, float(n)) for n in range(1, 2000)), now)
    history.add(0.0, now)
    assert history.values(3) == [2.0, 1.0, 0.0]
    assert len(history.values(9999)) == 241


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_the_monitor_shows_the_minutes_before_it_was_opened(
    workspace: Workspace, store: Store, settled: Callable, elsewhere: bool
) -> None:
    (run_id,) = create_runs(store, [new_run("model-1")])
    train(store, run_id, steps=20)
    now = time.time()
    half = psutil.virtual_memory().total / 2**31
    records = [
        Metrics(
            time=now - 100 + second,
            step=int(now) - 100 + second,
            values={"system/cpu": 75.0, "system/ram_gib": half, "gpu0/util": 40.0},
            system=True,
        )
        for second in range(0, 100, 2)
    ]
    ingest(store, run_id, records, old_offset=1, new_offset=2)
    with store.write() as session:
        session.execute(update(Run).values(host="another" if elsewhere else node()))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen._past_of == ())
        cpu = app.screen.query_one(HostPanel)._past["cpu"].values(99)
        if elsewhere:
            assert len(cpu) <= 2
            return
        assert cpu[:15] == [75.0] * 15
        ram = app.screen.query_one(HostPanel)._past["ram"].values(99)
        assert ram[:15] == pytest.approx([50.0] * 15)
        loads = app.screen.query_one(GpuPanel)._loads[0].values(99)
        assert loads[:15] == [40.0] * 15
