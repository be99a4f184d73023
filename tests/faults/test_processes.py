"""What happens to processes: suspended, out of memory or of file descriptors, a boot that gives pids to strangers."""

import os
import signal
import sys

import psutil
import pytest
from descriptors import no_descriptors_left
from supervisor_bench import Bench, wait_until

from engine.process import identify
from engine.runlock import LOCK_FILE
from engine.store.runs import request_kill, request_stop
from engine.store.views import Status
from engine.supervisor.client import supervisor_alive

STEPS = 150
ALL_POINTS = [(step, float(step)) for step in range(STEPS)]


def ticks(bench: Bench, supervisor: object, number: int) -> None:
    done = iter(range(number))
    bench.drive(supervisor, lambda: next(done, None) is None)


@pytest.mark.parametrize("adopted", [False, True])
def test_a_suspended_run_is_still_running_and_goes_on_where_it_was(bench: Bench, adopted: bool) -> None:
    run_id = bench.queue(config={"steps": STEPS, "pause": 0.002})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    if adopted:
        supervisor = bench.supervisor()
        supervisor.tick()
    process = psutil.Process(bench.pid(run_id))
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
    ticks(bench, supervisor, 20)
    assert bench.status(run_id) is Status.RUNNING
    process.send_signal(signal.SIGCONT)
    bench.until_ended(supervisor, run_id)
    assert (bench.status(run_id), bench.points(run_id)) == (Status.FINISHED, ALL_POINTS)


def test_a_suspended_run_that_is_asked_to_stop_is_killed_when_its_grace_is_over(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 100_000, "pause": 0.002})
    supervisor = bench.supervisor(grace=0.2)
    bench.until_training(supervisor, run_id)
    os.kill(bench.pid(run_id), signal.SIGSTOP)
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    assert bench.status(run_id) is Status.STOPPED
    assert "did not stop in time" in (bench.row(run_id).error or "")


def test_a_suspended_supervisor_keeps_its_place_and_goes_on_where_it_was(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": STEPS, "gate": 10})
    process = bench.supervisor_process()
    bench.until_training(None, run_id)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    bench.go(run_id)
    run = psutil.Process(bench.pid(run_id))
    wait_until(lambda: run.status() == psutil.STATUS_ZOMBIE)
    assert supervisor_alive(bench.workspace)
    assert bench.status(run_id) is Status.RUNNING
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: bench.status(run_id).ended)
    assert (bench.status(run_id), bench.points(run_id)) == (Status.FINISHED, ALL_POINTS)


def test_after_a_reboot_a_stranger_with_the_runs_pid_and_moment_of_start_is_left_alone(
    bench: Bench, stranger: psutil.Process
) -> None:
    run_id = bench.queue()
    folder = bench.run_dir(run_id)
    folder.mkdir(parents=True)
    now = identify(stranger.pid)
    assert now is not None
    (folder / LOCK_FILE).write_text(f"[{now.pid},{now.started}]")
    bench.take_for_running(run_id, now.pid, now.started)
    request_kill(bench.store, run_id)
    bench.until_ended(bench.supervisor(grace=0), run_id)
    assert bench.status(run_id).ended
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("adopted", [False, True])
def test_out_of_descriptors_the_supervisor_takes_no_run_for_dead_and_says_what_is_wrong(
    bench: Bench, caplog: pytest.LogCaptureFixture, adopted: bool
) -> None:
    run_id = bench.queue(config={"steps": STEPS, "gate": 10, "pause": 0.02})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    if adopted:
        supervisor = bench.supervisor()
        supervisor.tick()
    folder = bench.run_dir(run_id)
    with no_descriptors_left():
        (folder / "go").mkdir()  # which takes no descriptor
        bench.drive(supervisor, lambda: "Too many open files" in caplog.text)
        ticks(bench, supervisor, 5)
    assert bench.status(run_id) is Status.RUNNING
    bench.until_ended(supervisor, run_id)
    assert bench.points(run_id) == ALL_POINTS


def test_a_run_that_ends_while_the_supervisor_is_out_of_descriptors_keeps_its_points_and_its_end(
    bench: Bench,
) -> None:
    run_id = bench.queue(config={"steps": STEPS, "gate": 10})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    pid, folder = bench.pid(run_id), bench.run_dir(run_id)
    with no_descriptors_left():
        (folder / "go").mkdir()  # which takes no descriptor
        wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        ticks(bench, supervisor, 5)
    bench.until_ended(supervisor, run_id)
    assert (bench.status(run_id), bench.points(run_id)) == (Status.FINISHED, ALL_POINTS)


def test_a_run_that_cannot_be_forked_waits_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    run_id = bench.queue(config={"steps": STEPS})
    supervisor = bench.supervisor()
    with monkeypatch.context() as patched:
        patched.setattr("engine.supervisor.launch.subprocess.Popen", refused)
        bench.drive(supervisor, lambda: bench.row(run_id).waiting_for)
    assert bench.row(run_id).waiting_for == (
        "no process could be started (Resource temporarily unavailable): trying again"
    )
    assert bench.status(run_id) is Status.QUEUED
    bench.until_ended(supervisor, run_id)
    assert (bench.status(run_id), bench.points(run_id)) == (Status.FINISHED, ALL_POINTS)


def test_a_run_that_gets_no_more_memory_fails_with_what_to_do(bench: Bench) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from engine.run import run_stage\n"
        "def stage(context):\n"
        "    context.recorder.log(1, {'train/loss': 1.0})\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "    bytearray(1 << 31)\n"
        "sys.exit(run_stage(Path(sys.argv[1]), stage))\n"
    )
    run_id = bench.queue()
    bench.until_ended(
        bench.supervisor(command=lambda run_dir: [sys.executable, "-c", program, str(run_dir)]), run_id
    )
    row = bench.row(run_id)
    assert row.status is Status.FAILED
    assert "lower the batch size" in (row.error or "").splitlines()[0]
    assert len(bench.points(run_id)) == 1
