"""Alerts in the interface: told once, in a line on Monitor, gone when the trouble is."""

import time
from collections.abc import Callable

import pytest

from app.tui.alarms import Alarms
from app.tui.app import ReeltopApp
from app.tui.screens.monitor import Monitor
from app.tui.widgets.alert_line import AlertLine
from app.tui.widgets.machine import Machine
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.telemetry import GpuSample, HostSample, Telemetry
from engine.workspace import Workspace

GIB = 1 << 30


def full(free: int = 2) -> HostSample:
    return HostSample(10.0, 8, 8 * GIB, 64 * GIB, free * GIB, 1000 * GIB)


async def test_a_loss_that_is_no_number_is_a_line_and_is_told_once(
    workspace: Workspace,
    store: Store,
    runs: dict[str, int],
    settled: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.tui.app.ALARM_SECONDS", 0.05)
    monkeypatch.setattr("app.tui.requests.HealthOfRuns.every", 0.05)
    monkeypatch.setattr(Telemetry, "host", lambda _telemetry: full(free=500))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        line = app.screen.query_one(AlertLine)
        assert not line.display
        lost = Metrics(time=time.time(), step=220, values={"train/loss": float("nan")})
        ingest(store, runs["model-1"], [lost], old_offset=2, new_offset=3)
        await settled(pilot, lambda: line.display and "no finite loss at step 220" in str(line.content))
        assert "training.lr" in str(line.content)
        await settled(pilot, lambda: any("no finite loss" in note.message for note in app._notifications))
        looks = app.alarms.standing
        await settled(pilot, lambda: app.alarms.standing is not looks)
        assert len([note for note in app._notifications if "no finite loss" in note.message]) == 1
        found = Metrics(time=time.time(), step=221, values={"train/loss": 1.1})
        ingest(store, runs["model-1"], [found], old_offset=3, new_offset=4)
        await settled(pilot, lambda: not line.display)


async def test_a_full_disk_is_told_on_any_screen(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tui.app.ALARM_SECONDS", 0.05)
    monkeypatch.setattr(Telemetry, "host", lambda _telemetry: full())
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        await pilot.press("3")
        await settled(pilot, lambda: any("disk is nearly full" in n.message for n in app._notifications))
        await pilot.press("1")
        await settled(
            pilot, lambda: isinstance(app.screen, Monitor) and app.screen.query_one(AlertLine).display
        )


def test_what_comes_and_goes_is_told_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("app.tui.alarms.time.monotonic", lambda: clock)
    alarms = Alarms()
    alarms.see_machine((), full())
    alarms.look()
    assert [alert.key for alert in alarms.fresh] == ["disk"]
    alarms.see_machine((), full(free=500))
    alarms.look()
    assert (alarms.standing, alarms.fresh) == ((), ())
    alarms.see_machine((), full())
    clock += 60
    alarms.look()
    assert (len(alarms.standing), alarms.fresh) == (1, ())
    alarms.see_machine((), full(free=500))
    alarms.look()
    clock += 700
    alarms.see_machine((), full())
    alarms.look()
    assert len(alarms.fresh) == 1


async def test_more_alerts_than_lines_are_counted(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = HostSample(10.0, 8, 63 * GIB, 64 * GIB, 2 * GIB, 1000 * GIB)
    monkeypatch.setattr(Telemetry, "host", lambda _telemetry: sample)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        gpus = (GpuSample(0, "H100", memory_used=79 * GIB, memory_total=80 * GIB),)
        app.screen.query_one(Machine).post_message(Machine.Sampled(gpus, None, False, sample))
        await settled(pilot, lambda: app.alarms._host is not None)
        app.look_for_alarms()
        line = app.screen.query_one(AlertLine)
        await settled(pilot, lambda: "2 alerts" in str(line.content))
        assert line.region.height == 1
