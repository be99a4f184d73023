"""The GPUs as tiles: what each says, whose it is, and how many fit; a value over the last minutes."""

import json
from collections.abc import Callable

import pytest
from conftest import new_run, train
from sqlalchemy import update

from app.tui.app import ReeltopApp
from app.tui.history import STRETCH_SECONDS, History, trace
from app.tui.screens.monitor import Monitor
from app.tui.widgets.gpu_panel import GpuPanel, arranged
from app.tui.widgets.host_panel import HostPanel
from engine.store.database import Store
from engine.store.models import Run
from engine.store.runs import create_runs
from engine.workspace import Workspace

GIB = 1 << 30


def write_trace(workspace: Workspace, gpus: list[dict[str, object]]) -> None:
    (workspace.root / "trace.jsonl").write_text(json.dumps({"gpus": gpus}) + "\n")


def gpu(name: str = "NVIDIA H100 80GB HBM3", **more: object) -> dict[str, object]:
    return {
        "name": name, "util_percent": 61, "memory_used": 41 * GIB, "memory_total": 80 * GIB, "temperature_c": 67,
        "power_w": 430, "power_limit_w": 700, "clock_mhz": 1980, "memory_clock_mhz": 2619, "processes": [], **more,
    }  # fmt: skip


async def test_a_tile_says_all_about_a_gpu_and_whose_it_is(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    (run_id,) = create_runs(store, [new_run("model-1")])
    train(store, run_id, steps=20)
    with store.write() as session:
        session.execute(update(Run).values(devices="gpu0 NVIDIA H100", pid=4001))
    worker = {
        "pid": 4009,
        "user": "me",
        "command": "python -m engine.run",
        "memory": 2 * GIB,
        "session": 4001,
    }
    stranger = {"pid": 77, "user": "alice", "command": "python [b]train.py\x1b[31m", "memory": 20 * GIB}
    write_trace(workspace, [gpu(processes=[worker]), gpu(processes=[stranger]), gpu(), gpu(processes=None)])
    app = ReeltopApp(workspace, replay=workspace.root / "trace.jsonl", supervise=False)
    async with app.run_test(size=(200, 60)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        panel = app.screen.query_one(GpuPanel)
        text = lambda: str(panel.content)  # noqa: E731
        await settled(pilot, lambda: "● 1 model-1" in text())
        assert "SIMULATED" in text()
        assert "H100 80GB HBM3" in text()
        assert "61%" in text()
        assert "41/80 GiB  67C  430/700 W  1980/2619 MHz" in text()
        assert "! not ours: alice (pid 77, 20 GiB) python [b]train.py␛[31m" in text()
        assert "4009" not in text()  # of the run's own session
        assert "free" in text()


async def test_a_process_that_a_container_hides_is_taken_for_the_holders_own(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    (run_id,) = create_runs(store, [new_run("model-1")])
    train(store, run_id, steps=20)
    with store.write() as session:
        session.execute(update(Run).values(devices="gpu0", pid=4001))
    hidden = {"pid": 123456, "user": None, "command": None, "memory": GIB}
    write_trace(workspace, [gpu(processes=[hidden]), gpu(processes=[hidden])])
    app = ReeltopApp(workspace, replay=workspace.root / "trace.jsonl", supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        panel = app.screen.query_one(GpuPanel)
        await settled(pilot, lambda: "● 1 model-1" in str(panel.content))
        assert str(panel.content).count("not ours: someone (pid 123456") == 1


@pytest.mark.parametrize("size", [(80, 24), (120, 30), (120, 40), (200, 50), (300, 80)])
@pytest.mark.parametrize("number", [1, 4, 8, 16])
async def test_tiles_stay_within_the_panel(
    workspace: Workspace, settled: Callable, size: tuple[int, int], number: int
) -> None:
    write_trace(workspace, [gpu()] * number)
    app = ReeltopApp(workspace, replay=workspace.root / "trace.jsonl", supervise=False)
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        panel = app.screen.query_one(GpuPanel)
        await settled(pilot, lambda: "61%" in str(panel.content))
        lines = str(panel.content).splitlines()
        assert max(len(line) for line in lines) <= panel.content_size.width
        assert len(lines) <= panel.content_size.height
        shown = str(panel.content).count("61%")
        assert shown == number or f"and {number - shown} more" in str(panel.content)


def test_the_fullest_tiles_that_fit_are_chosen() -> None:
    assert arranged(1, 58, 12) == (1, 3)
    assert arranged(4, 58, 12) == (1, 3)
    assert arranged(8, 98, 12) == (2, 3)
    assert arranged(8, 58, 6) == (1, 1)
    assert arranged(4, 58, 4) == (1, 1)
    assert arranged(8, 78, 6) == (2, 1)


async def test_the_host_has_its_history_where_there_is_room(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        panel = app.screen.query_one(HostPanel)
        await settled(pilot, lambda: "disk" in str(panel.content) and "read" in str(panel.content))
        assert len(str(panel.content).splitlines()) == 4
        await pilot.resize_terminal(80, 24)
        await settled(pilot, lambda: len(str(panel.content).splitlines()) == 2)


def test_history_keeps_means_of_stretches_and_gaps() -> None:
    history = History()
    assert history.values(5) == []
    for second, value in ((0, 10.0), (1, 20.0), (STRETCH_SECONDS, 30.0), (3 * STRETCH_SECONDS, None)):
        history.add(value, float(second))
    history.add(40.0, 4 * STRETCH_SECONDS)
    assert history.values(10) == [15.0, 30.0, None, None, 40.0]
    assert history.values(2) == [None, 40.0]


def test_a_trace_is_drawn_from_zero_and_padded() -> None:
    assert trace([0.0, 50.0, 100.0, None], 6, 100.0) == "  ▁▅█ "
    assert trace([1.0, 2.0], 2) == "▅█"
    assert trace([0.0, 0.0], 2) == "▁▁"
    assert trace([1.0] * 9, 3, 1.0) == "███"
    assert trace([], 3) == "   "
