"""Runs outlive their supervisor: the next one finds them, loses nothing, and never touches a stranger."""

import os
import random
import signal

import psutil
from sqlalchemy import update
from supervisor_bench import Bench, wait_until

from engine.process import identify
from engine.runlock import take_lock
from engine.store.models import Run
from engine.store.queries import run_detail
from engine.store.runs import request_kill, request_stop, transition
from engine.store.views import Status
from engine.supervisor.needs import busy

SLOW = {"steps": 100_000, "pause": 0.01}


def test_kill_9_of_the_supervisor_loses_no_point_and_the_run_ends_finished(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 150, "gate": 30})
    first = bench.supervisor_process()
    bench.until_training(None, run_id, points=20)
    first.kill()
    first.wait()
    assert identify(bench.pid(run_id)) is not None
    bench.go(run_id)
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert bench.points(run_id) == [(step, float(step)) for step in range(150)]


def test_supervisors_killed_again_and_again_take_every_record_in_exactly_once(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 350, "pause": 0.01, "evaluate": True})
    dice = random.Random(802)
    for _ in range(4):
        supervisor = bench.supervisor_process()
        seen = len(bench.points(run_id))
        wait_until(lambda seen=seen: len(bench.points(run_id)) > seen or bench.status(run_id).ended)
        extra = dice.randrange(15)
        wait_until(
            lambda seen=seen, extra=extra: (
                len(bench.points(run_id)) > seen + extra or bench.status(run_id).ended
            )
        )
        supervisor.kill()
        supervisor.wait()
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert (row.status, row.attempt) == (Status.FINISHED, 1)
    assert bench.points(run_id) == [(step, float(step)) for step in range(350)]
    assert [evaluation.step for evaluation in run_detail(bench.store, run_id).evaluations] == list(
        range(0, 350, 10)
    )
    assert row.records_offset == (bench.run_dir(run_id) / "records.bin").stat().st_size
    log = (bench.run_dir(run_id) / "log.txt").read_text()
    assert log.count("attempt 1 on devices") == 1


def test_a_run_that_ended_unwatched_gets_its_own_words_state(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 50, "gate": 10, "end": "data error"})
    first = bench.supervisor_process()
    bench.until_training(None, run_id, points=1)
    first.kill()
    first.wait()
    pid = bench.pid(run_id)
    bench.go(run_id)
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert row.status is Status.FAILED
    assert row.error is not None
    assert row.error.startswith("annotations.json, line 3")


def test_a_run_that_vanished_unwatched_has_crashed(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    first = bench.supervisor_process()
    bench.until_training(None, run_id)
    first.kill()
    first.wait()
    os.kill(bench.pid(run_id), signal.SIGKILL)
    bench.until_ended(bench.supervisor(), run_id, seconds=5)
    row = bench.row(run_id)
    assert row.status is Status.CRASHED
    assert row.error is not None
    assert row.error.startswith("vanished")
    assert "attempt 1" in row.error


def test_an_adopted_run_can_be_stopped(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    first = bench.supervisor_process()
    bench.until_training(None, run_id)
    first.kill()
    first.wait()
    request_stop(bench.store, run_id)
    bench.until_ended(bench.supervisor(), run_id)
    assert (bench.status(run_id), bench.row(run_id).error) == (Status.STOPPED, None)


def test_a_reused_pid_is_never_signalled(bench: Bench, stranger: psutil.Process) -> None:
    run_id = bench.queue(config=SLOW)
    bench.run_dir(run_id).mkdir(parents=True)
    now = identify(stranger.pid)
    assert now is not None
    bench.take_for_running(run_id, stranger.pid, now.started - 100)
    request_kill(bench.store, run_id)
    bench.until_ended(bench.supervisor(grace=0), run_id)
    assert bench.status(run_id).ended
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE


def test_a_run_that_was_never_started_goes_back_into_the_queue(bench: Bench) -> None:
    run_id = bench.queue()
    folder = bench.run_dir(run_id)
    folder.mkdir(parents=True)
    os.close(take_lock(folder))  # as the launcher does before there is a process
    transition(bench.store, run_id, from_={Status.QUEUED}, to=Status.STARTING, devices="cpu")
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert (row.status, row.attempt) == (Status.FINISHED, 1)


def test_a_process_that_was_started_but_not_noted_is_found_by_its_lock(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 200, "pause": 0.001, "gate": 10})
    first = bench.supervisor_process()
    bench.until_training(None, run_id)
    first.kill()
    first.wait()
    with bench.store.write() as session:
        forgotten = {"status": "starting", "pid": None, "pid_started": None}
        session.execute(update(Run).where(Run.id == run_id).values(forgotten))
    supervisor = bench.supervisor()
    bench.drive(supervisor, lambda: bench.status(run_id) is Status.RUNNING)
    assert bench.row(run_id).pid == bench.pid(run_id)
    bench.go(run_id)
    bench.until_ended(supervisor, run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert len(bench.points(run_id)) == 200


def test_a_second_process_for_a_live_run_is_refused(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    import subprocess

    second = subprocess.run(bench.command(bench.run_dir(run_id)), capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"is being run by process {bench.pid(run_id)}" in second.stderr


def test_a_run_of_another_host_is_left_alone(bench: Bench) -> None:
    run_id = bench.queue()
    transition(bench.store, run_id, from_={Status.QUEUED}, to=Status.STARTING, host="elsewhere")
    transition(bench.store, run_id, from_={Status.STARTING}, to=Status.RUNNING, pid=1, pid_started=1.0)
    supervisor = bench.supervisor()
    supervisor.tick()
    assert bench.status(run_id) is Status.RUNNING
    assert supervisor.idle
    assert not busy(bench.store)


def test_a_run_resumed_here_after_it_was_on_another_host_is_ours(bench: Bench) -> None:
    run_id = bench.queue()
    with bench.store.write() as session:
        session.execute(update(Run).where(Run.id == run_id).values(host="elsewhere"))
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.FINISHED
