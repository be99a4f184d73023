"""Every way a run can end comes out as the right state, with what a person needs to know on its row."""

import json
import os
import shutil
import signal
import time

import psutil
import pytest
from supervisor_bench import Bench, wait_until

from engine.store.queries import run_detail
from engine.store.runs import request_kill, request_stop, resume_run
from engine.store.views import Status

SLOW = {"steps": 100_000, "pause": 0.01}


def test_a_run_that_goes_well_is_finished_with_all_its_points(bench: Bench) -> None:
    run_id = bench.queue("model 1", config={"steps": 50, "lr": 5e-5})
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert (row.status, row.exit_code, row.error, row.pid) == (Status.FINISHED, 0, None, None)
    assert bench.points(run_id) == [(step, float(step)) for step in range(50)]
    assert row.started is not None
    assert row.ended is not None
    assert row.created <= row.started <= row.ended
    run_dir = bench.run_dir(run_id)
    assert run_dir.name == f"{run_id}-model-1"
    assert "lr: 5e-05" in (run_dir / "config.yaml").read_text()
    assert json.loads((run_dir / "run.json").read_text())["status"] == "finished"
    assert "finished" in (run_dir / "log.txt").read_text()


def test_what_was_not_taken_in_while_the_run_lived_is_taken_in_when_it_has_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.supervisor.supervisor._TAKE_IN_SECONDS", -1)
    run_id = bench.queue(config={"end": "data error"})
    bench.until_ended(bench.supervisor(), run_id)
    assert len(bench.points(run_id)) == 20
    assert bench.row(run_id).error is not None


def test_system_metrics_and_environment_are_recorded(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 60, "pause": 0.02})
    bench.until_ended(bench.supervisor(), run_id)
    keys = {summary.key for summary in run_detail(bench.store, run_id).metrics}
    assert {"process/rss_gib", "process/cpu", "system/ram_gib", "system/disk_free_gib"} <= keys


def test_an_error_of_a_person_is_on_the_row_in_its_own_words(bench: Bench) -> None:
    run_id = bench.queue(config={"end": "data error"})
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert (row.status, row.exit_code) == (Status.FAILED, 1)
    assert row.error is not None
    assert row.error.splitlines()[0] == "annotations.json, line 3: no id: add one"
    assert "Traceback" not in (bench.run_dir(run_id) / "log.txt").read_text()


def test_a_bug_is_on_the_row_and_its_traceback_in_the_log(bench: Bench) -> None:
    run_id = bench.queue(config={"end": "bug"})
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert row.status is Status.FAILED
    assert row.error is not None
    assert row.error.splitlines()[0] == "ZeroDivisionError: division by zero"
    assert 'raise ZeroDivisionError("division by zero")' in (bench.run_dir(run_id) / "log.txt").read_text()


def test_an_exit_without_a_word_is_a_failure_with_its_code_and_last_log_lines(bench: Bench) -> None:
    run_id = bench.queue(config={"end": "exit"})
    bench.until_ended(bench.supervisor(), run_id)
    row = bench.row(run_id)
    assert (row.status, row.exit_code) == (Status.FAILED, 7)
    assert row.error is not None
    assert row.error.startswith("ended with exit code 7\n")
    assert "attempt 1" in row.error


def test_kill_9_of_a_run_is_a_crash_within_five_seconds(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    os.kill(bench.pid(run_id), signal.SIGKILL)
    bench.until_ended(supervisor, run_id, seconds=5)
    row = bench.row(run_id)
    assert (row.status, row.exit_code) == (Status.CRASHED, -signal.SIGKILL)
    assert row.error is not None
    assert row.error.startswith("killed by SIGKILL (out of memory?)\n")
    assert "attempt 1" in row.error
    steps = [step for step, _ in bench.points(run_id)]
    assert steps == list(range(len(steps)))


def test_a_stopped_run_has_written_its_checkpoint(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    detail = run_detail(bench.store, run_id)
    assert (detail.run.status, detail.run.exit_code, detail.run.error) == (Status.STOPPED, 3, None)
    assert [checkpoint.kind for checkpoint in detail.checkpoints] == ["last"]


def test_a_run_that_ignores_the_request_is_killed_after_the_grace_period(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW | {"deaf": True, "child": True})
    supervisor = bench.supervisor(grace=0.5)
    bench.until_training(supervisor, run_id)
    child = psutil.Process(int((bench.run_dir(run_id) / "child.pid").read_text()))
    asked = time.monotonic()
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    assert time.monotonic() - asked >= 0.5
    row = bench.row(run_id)
    assert row.status is Status.STOPPED
    assert row.error == "killed: it did not stop in time before it reported a checkpoint"
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_kill_ends_the_run_and_its_children_at_once(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW | {"deaf": True, "child": True})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    child = psutil.Process(int((bench.run_dir(run_id) / "child.pid").read_text()))
    request_kill(bench.store, run_id)
    bench.until_ended(supervisor, run_id, seconds=5)
    assert (bench.row(run_id).status, bench.row(run_id).error) == (Status.STOPPED, "killed on request")
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_children_of_a_crashed_run_are_cleared_away(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW | {"child": True})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    child = psutil.Process(int((bench.run_dir(run_id) / "child.pid").read_text()))
    os.kill(bench.pid(run_id), signal.SIGKILL)
    bench.until_ended(supervisor, run_id)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_resumed_run_goes_on_in_its_directory_from_its_checkpoint(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 60, "gate": 25})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    bench.go(run_id)
    resume_run(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    row = bench.row(run_id)
    assert (row.status, row.attempt) == (Status.FINISHED, 2)
    assert bench.points(run_id) == [(step, float(step)) for step in range(60)]
    log = (bench.run_dir(run_id) / "log.txt").read_text()
    assert "attempt 1" in log
    assert "attempt 2" in log


def test_points_after_the_last_checkpoint_of_a_crashed_run_are_made_anew(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 60, "gate": 25})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id, points=20)
    os.kill(bench.pid(run_id), signal.SIGKILL)
    bench.until_ended(supervisor, run_id)
    bench.go(run_id)
    resume_run(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    assert bench.points(run_id) == [(step, float(step)) for step in range(60)]


def test_a_run_directory_deleted_by_hand_troubles_nobody_else(bench: Bench) -> None:
    doomed = bench.queue("doomed", config=SLOW)
    supervisor = bench.supervisor(cpu_slots=2)
    bench.until_training(supervisor, doomed)
    pid = bench.pid(doomed)
    shutil.rmtree(bench.run_dir(doomed))
    other = bench.queue("other")
    bench.until_ended(supervisor, other)
    assert bench.status(other) is Status.FINISHED
    os.kill(pid, signal.SIGKILL)
    bench.until_ended(supervisor, doomed)
    assert bench.status(doomed) is Status.CRASHED
