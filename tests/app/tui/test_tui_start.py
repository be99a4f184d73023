"""What is on the screen before, without and after the store."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy.exc import InterfaceError

from app.tui.app import ReeltopApp
from app.tui.screens.monitor import Monitor
from app.tui.widgets.label import Label
from app.tui.widgets.machine import Machine
from app.tui.widgets.top_bar import TopBar
from engine.errors import RunError
from engine.store.database import Store
from engine.store.views import RunRow
from engine.telemetry import HostSample, Telemetry
from engine.workspace import Workspace

HEAVY = ("sqlalchemy", "pydantic", "numpy", "psutil", "torch")


def bar(app: ReeltopApp) -> str:
    """The top line as text."""
    return str(app.screen.query_one(TopBar).render())


async def on_monitor(app: ReeltopApp, pilot: object, settled: Callable) -> None:
    await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted and app.opened)


def test_nothing_heavy_is_imported_before_the_first_paint() -> None:
    code = (
        "import sys, app.tui.app\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "import app.tui.screens.monitor, app.tui.screens.runs\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["[]", "[]"]


async def test_an_empty_store_is_made_and_the_screen_says_how_to_begin(
    workspace: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        empty = lambda: app.screen.query("#monitor-empty")  # noqa: E731
        await settled(pilot, lambda: empty() and "3 opens Launch" in str(empty().first(Label).content))
        assert "nothing runs" in bar(app)
        assert (workspace.root / "experiments.db").exists()


async def test_a_store_that_cannot_be_opened_is_one_line_on_the_screen(
    workspace: Workspace, settled: Callable
) -> None:
    (workspace.root / "experiments.db").write_text("not a database at all")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and "not a SQLite database" in bar(app))
        await pilot.press("2")
        await settled(pilot, lambda: app.current_mode == "runs" and "not a SQLite database" in bar(app))


async def test_a_store_that_vanishes_is_missed_and_found_again(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    store.close()
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_monitor(app, pilot, settled)
        database = workspace.root / "experiments.db"
        away = database.rename(workspace.root / "away.db")
        await settled(pilot, lambda: "is gone" in bar(app))
        assert not database.exists(), "a store that went away must not be replaced by an empty one"
        away.rename(database)
        await settled(pilot, lambda: "is gone" not in bar(app))


async def test_an_error_of_the_database_that_nobody_foresaw_is_told_and_gone_when_it_is_over(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True

    def fail(store: Store) -> tuple[RunRow, ...]:
        if broken:
            raise InterfaceError("SELECT 1", {}, sqlite3.InterfaceError("bad parameter or other API misuse"))
        return ()

    monkeypatch.setattr("engine.store.queries.live_runs", fail)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and "API misuse" in bar(app))
        broken = False
        await settled(pilot, lambda: "API misuse" not in bar(app) and app.opened)


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), OSError(5, "Input/output error")])
async def test_a_machine_that_cannot_be_measured_says_why_and_is_asked_again(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    broken = True
    measured = Telemetry.host

    def host(telemetry: Telemetry) -> HostSample:
        if broken:
            raise error
        return measured(telemetry)

    monkeypatch.setattr(Telemetry, "host", host)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await on_monitor(app, pilot, settled)
        panel = app.screen.query_one("HostPanel", Label)
        await settled(pilot, lambda: "cannot be measured" in str(panel.content))
        broken = False
        await settled(pilot, lambda: "RAM" in str(panel.content))


async def test_runs_that_live_or_wait_have_a_supervisor_seen_to_again_and_again(
    workspace: Workspace,
    runs: dict[str, int],
    settled: Callable,
    supervisors: list[Workspace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.tui.supervision.CHECK_SECONDS", 0.05)
    app = ReeltopApp(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: len(supervisors) >= 3)


async def test_a_supervisor_that_cannot_be_started_is_told_once(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Workspace] = []

    def fail(space: Workspace) -> None:
        tries.append(space)
        raise RunError("the supervisor ended at once: no room")

    monkeypatch.setattr("app.tui.supervision.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", fail)
    app = ReeltopApp(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: len(tries) >= 4 and app._notifications)
        assert [note.message for note in app._notifications] == ["the supervisor ended at once: no room"]


async def test_without_runs_no_supervisor_is_started(
    workspace: Workspace, settled: Callable, supervisors: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[Workspace] = []
    monkeypatch.setattr("app.tui.supervision.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("engine.supervisor.client.supervisor_alive", lambda space: bool(checks.append(space)))
    app = ReeltopApp(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: len(checks) >= 3)
        assert not supervisors


async def test_q_leaves_at_once(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test() as pilot:
        await on_monitor(app, pilot, settled)
        await pilot.press("q")
        await settled(pilot, lambda: not app.is_running)


async def test_a_machine_without_gpu_says_why(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await on_monitor(app, pilot, settled)
        app.screen.query_one(Machine).post_message(Machine.Sampled((), "no driver", False, None))
        panel = app.screen.query_one("GpuPanel", Label)
        await settled(pilot, lambda: "no NVIDIA GPU: no driver" in str(panel.content))


async def test_a_replayed_trace_says_simulated_on_every_screen(
    workspace: Workspace, settled: Callable
) -> None:
    trace = workspace.root / "trace.jsonl"
    trace.write_text('{"gpus": [{"name": "NVIDIA H100", "util_percent": 61}]}\n')
    app = ReeltopApp(workspace, replay=trace, supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await on_monitor(app, pilot, settled)
        panel = app.screen.query_one("GpuPanel", Label)
        await settled(pilot, lambda: "SIMULATED" in str(panel.content) and "H100" in str(panel.content))
        for key, mode in (("1", "monitor"), ("2", "runs"), ("3", "launch")):
            await pilot.press(key)
            await settled(pilot, lambda mode=mode: app.current_mode == mode and "SIMULATED" in bar(app))


async def test_a_replay_that_cannot_be_read_is_a_line_not_a_traceback(
    workspace: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(workspace, replay=Path("missing.jsonl"), supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await on_monitor(app, pilot, settled)
        await settled(pilot, lambda: "missing.jsonl" in str(app.screen.query_one("GpuPanel", Label).content))
