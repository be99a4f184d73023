"""Every key of Monitor that others do not cover, what a live run's line says, and terminals of any size."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from conftest import end, evaluation, new_run, train

from app.tui.app import ReeltopApp
from app.tui.bindings import TABLE
from app.tui.screens.monitor import Monitor
from app.tui.screens.run import RunScreen
from app.tui.speed import SpeedMeter
from app.tui.widgets.label import Label
from app.tui.widgets.live_list import LiveList
from app.tui.widgets.log_view import LogView
from app.tui.widgets.wait_list import WaitList
from engine.records import Progress
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import live_runs, run_row
from engine.store.runs import create_runs
from engine.store.views import Intent, Status
from engine.workspace import Workspace


def lines(app: ReeltopApp, kind: type) -> list[str]:
    return [str(option.prompt) for option in app.screen.query_one(kind).options]


async def shown(app: ReeltopApp, pilot: object, settled: Callable) -> None:
    await settled(
        pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted and lines(app, LiveList)
    )


async def test_a_live_run_says_fold_epoch_step_speed_time_to_go_loss_and_scores(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await shown(app, pilot, settled)
        now = time.time()
        for offset, (seconds, done) in enumerate(((4, 221), (8, 261)), 2):
            progress = Progress(time=now + seconds, done=done, total=400, unit="step")
            ingest(store, runs["model-1"], [progress], old_offset=offset, new_offset=offset + 1)
            await settled(pilot, lambda done=done: f"step {done}/400" in lines(app, LiveList)[0])
        await settled(
            pilot, lambda: "ep 4/5" in lines(app, LiveList)[0] and "loss" in lines(app, LiveList)[0]
        )
        line = lines(app, LiveList)[0]
        assert "finetune fold 0" in line
        assert "65%" in line
        assert "step/s" in line
        assert "ETA 0:" in line
        assert "loss 1.656" in line
        assert "f1 0.5678" in line
        worse = evaluation(now, 260, 3, 0.51)
        ingest(store, runs["model-1"], [worse], old_offset=4, new_offset=5)
        await settled(pilot, lambda: "f1 0.5100  best 0.5678" in lines(app, LiveList)[0])


async def test_a_narrow_line_keeps_what_matters_most(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, settled)
        line = lines(app, LiveList)[0]
        assert "\n" not in line
        assert len(line) <= 80
        assert "● running 3 model-1" in line
        assert "55%" in line


def test_a_run_that_lives_but_makes_no_step_rests(store: Store) -> None:
    (run_id,) = create_runs(store, [new_run("slow")])
    train(store, run_id, steps=40)
    meter = SpeedMeter()
    (run,) = live_runs(store)
    assert run.heartbeat is not None
    meter.update(run)
    begun = datetime.fromtimestamp(run.heartbeat.replace(tzinfo=UTC).timestamp(), UTC).replace(tzinfo=None)
    assert not meter.pace(run, begun + timedelta(seconds=50)).resting
    beating = meter.pace(run, begun + timedelta(seconds=90))
    assert beating.resting
    assert beating.still == pytest.approx(90)


@pytest.mark.parametrize("key", ["enter", "o"])
async def test_the_run_under_the_cursor_opens(
    workspace: Workspace, runs: dict[str, int], settled: Callable, key: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press(key)
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_y_copies_the_id_and_l_goes_to_the_log_and_end_follows_it(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("y")
        await settled(pilot, lambda: app.clipboard == str(runs["model-1"]))
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "step 219" in log.render_line(log.size.height - 1).text)
        await pilot.press("l")
        await settled(pilot, lambda: app.focused is log)
        await pilot.press("pageup")
        await settled(pilot, lambda: log.scroll_y < log.max_scroll_y)
        await pilot.press("end")
        await settled(pilot, lambda: log.scroll_y == log.max_scroll_y)


async def test_r_resumes_the_run_that_was_stopped_last(
    workspace: Workspace, store: Store, settled: Callable, supervisors: list[Workspace]
) -> None:
    (run_id,) = create_runs(store, [new_run("stopped")])
    train(store, run_id, steps=120)
    end(store, run_id, Status.STOPPED)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        await settled(pilot, lambda: app.screen.current_run() is not None)
        await pilot.press("r")
        await settled(pilot, lambda: run_row(store, run_id).status is Status.QUEUED)
        await settled(pilot, lambda: lines(app, WaitList))


async def test_r_goes_on_with_the_run_that_was_stopped_here_while_another_runs(
    workspace: Workspace, store: Store, settled: Callable, supervisors: list[Workspace]
) -> None:
    stopped, other = create_runs(store, [new_run("stopped"), new_run("other")])
    train(store, stopped, steps=120)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("s", "y")
        await settled(pilot, lambda: run_row(store, stopped).intent is Intent.STOP)
        await settled(pilot, lambda: "stopping" in lines(app, LiveList)[0])
        end(store, stopped, Status.STOPPED)
        train(store, other, steps=50)
        await settled(pilot, lambda: "other" in "".join(lines(app, LiveList)))
        await settled(pilot, lambda: "stopped" not in "".join(lines(app, LiveList)))
        assert any("r goes on with it" in note.message for note in app._notifications)
        await pilot.press("r")
        await settled(pilot, lambda: run_row(store, stopped).status is Status.QUEUED)


@pytest.mark.parametrize("size", [(20, 5), (40, 8), (60, 12), (80, 24), (120, 30), (200, 50), (300, 80)])
async def test_it_fits_any_terminal_while_a_run_goes_on(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, size: tuple[int, int]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(app, pilot, settled)
        for step in range(6):
            await pilot.resize_terminal(*(size if step % 2 == 0 else (100, 30)))
            beat = Progress(time=time.time(), done=221 + step, total=400, unit="step")
            ingest(store, runs["model-1"], [beat], old_offset=2 + step, new_offset=3 + step)
            await pilot.pause()
        await pilot.resize_terminal(*size)
        note = app.screen.query_one("#too-small", Label)
        small = size == (20, 5)
        await settled(pilot, lambda: note.display == small)
        if not small:
            live = app.screen.query_one(LiveList)
            await settled(pilot, lambda: live.scrollable_content_region.height >= 1)
            assert live.region.right <= size[0]
            assert live.region.bottom <= size[1]


def test_every_key_of_the_queue_has_a_tooltip_and_a_name_of_its_own() -> None:
    for scope in ("monitor", "queue", "launch", "input-picker"):
        for binding in TABLE[scope]:
            assert binding.id
            assert binding.id.partition(".")[2]
            assert binding.tooltip or not binding.show or binding.key_display, binding
