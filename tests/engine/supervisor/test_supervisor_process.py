"""The supervisor as a process: the only one, started on demand, gone when idle, dispensable at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import psutil
import pytest
from sqlalchemy.exc import InternalError
from supervisor_bench import HERE, ROOT, Bench, wait_until

from engine.errors import RunError
from engine.process import ProcessId, identify
from engine.records import Metrics, RecordWriter
from engine.runlock import read_holder
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.views import Status
from engine.supervisor.client import ensure_supervisor, supervisor_alive
from engine.supervisor.intake import Intake
from engine.supervisor.supervisor import Supervisor

SLOW = {"steps": 100_000, "pause": 0.01}


def supervisors(bench: Bench) -> list[psutil.Process]:
    """Live supervisor processes of this workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if "engine.supervisor" in command and str(bench.workspace.root) in command:
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def test_it_starts_on_demand_once_in_a_session_of_its_own_and_ends_when_idle(bench: Bench) -> None:
    assert not supervisor_alive(bench.workspace)
    starters = [
        threading.Thread(target=ensure_supervisor, args=(bench.workspace,), kwargs={"idle": 1})
        for _ in range(3)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert supervisor_alive(bench.workspace)
    wait_until(lambda: len(supervisors(bench)) == 1)
    (process,) = supervisors(bench)
    assert os.getsid(process.pid) == process.pid
    assert not any(bench.workspace.store_url in part for part in process.cmdline())  # may hold a password
    wait_until(lambda: not supervisor_alive(bench.workspace) and not supervisors(bench))


def test_the_real_command_runs_a_queued_run_and_reports_its_config_error(bench: Bench) -> None:
    run_id = bench.queue(config={"stage": "finetunee"})
    ensure_supervisor(bench.workspace, idle=0.5)
    wait_until(lambda: bench.status(run_id).ended)
    row = bench.row(run_id)
    assert row.status is Status.FAILED
    assert row.error is not None
    assert "there is no stage 'finetunee'" in row.error.splitlines()[0]
    assert row.host
    wait_until(lambda: not supervisor_alive(bench.workspace))


def test_it_outlives_the_process_that_started_it_and_the_terminals_hang_up(bench: Bench) -> None:
    run_id = bench.queue(config={"stage": "finetunee"})
    script = (
        "import os, signal, sys; from engine.workspace import Workspace\n"
        "from engine.supervisor.client import ensure_supervisor\n"
        "os.setsid(); ensure_supervisor(Workspace.open(sys.argv[1]), idle=0.5); os.killpg(0, signal.SIGHUP)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(bench.workspace.root)], check=False, start_new_session=False
    )
    wait_until(lambda: bench.status(run_id).ended)
    wait_until(lambda: not supervisor_alive(bench.workspace))


def test_a_supervisor_that_cannot_work_tells_its_starter_why(bench: Bench) -> None:
    (bench.workspace.root / "broken.db").write_bytes(b"this is no database, whatever its name says")
    broken = replace(bench.workspace, store_url=f"sqlite:///{bench.workspace.root / 'broken.db'}")
    with pytest.raises(RunError, match="is not a SQLite database"):
        ensure_supervisor(broken)


def test_a_run_queued_at_the_moment_the_supervisor_ends_is_not_left_behind(bench: Bench) -> None:
    script = (
        "import sys; from engine.supervisor import service; from engine.workspace import Workspace\n"
        "from supervisor_bench import Bench; from engine.store.database import Store\n"
        "workspace = Workspace.open(sys.argv[1]); work = service._work\n"
        "def idle_first(*arguments):\n"
        "    service._work = work\n"
        "    Bench(workspace, Store.open(workspace.store_url)).queue('late')\n"
        "service._work = idle_first\n"
        "service.serve(workspace, 0.2, command=Bench.command)\n"
    )
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    environment = os.environ | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", script, str(bench.workspace.root)], check=True, env=environment)
    assert bench.status(1) is Status.FINISHED


def test_of_two_supervisors_the_second_leaves(bench: Bench) -> None:
    first = bench.supervisor_process()
    second = bench.supervisor_process()
    assert second.wait(20) == 1
    assert second.stderr is not None
    assert b"a supervisor is at work already" in second.stderr.read()
    assert first.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_and_runs_go_on(bench: Bench, number: signal.Signals) -> None:
    run_id = bench.queue(config=SLOW)
    process = bench.supervisor_process()
    bench.until_training(None, run_id)
    process.send_signal(number)
    assert process.wait(20) == 0
    holder = identify(bench.pid(run_id))
    assert holder is not None
    assert holder.alive()
    supervisor = bench.supervisor()
    supervisor.tick()
    assert bench.status(run_id) is Status.RUNNING


def test_a_locked_store_is_waited_for_and_no_point_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = bench.queue(config={"steps": 100, "gate": 10})
    monkeypatch.setattr("engine.store.database.BUSY_SECONDS", 0.05)
    impatient = Store.open(bench.workspace.store_url)
    supervisor = Supervisor(bench.workspace, impatient, command=bench.command)
    bench.until_training(supervisor, run_id)
    intruder = sqlite3.connect(bench.workspace.root / "experiments.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    bench.go(run_id)
    holder = read_holder(bench.run_dir(run_id))
    assert holder is not None
    wait_until(lambda: not holder.alive(), step=supervisor.tick)
    assert caplog.text.count("another program has locked it") == 1
    assert bench.status(run_id) is Status.RUNNING
    intruder.execute("ROLLBACK")
    intruder.close()
    bench.until_ended(supervisor, run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert len(bench.points(run_id)) == 100
    impatient.close()


def test_when_its_store_is_deleted_it_ends_and_the_run_goes_on(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    process = bench.supervisor_process()
    bench.until_training(None, run_id)
    pid = bench.pid(run_id)
    started = identify(pid)
    for path in bench.workspace.root.glob("experiments.db*"):
        if path.is_file() and "supervisor" not in path.name:
            path.unlink()
    assert process.wait(20) == 1
    assert started is not None
    assert ProcessId(pid, started.started).alive()
    assert not (bench.workspace.root / "experiments.db").exists()
    assert process.stderr is not None
    assert b"make it again with `reeltop rebuild`" in process.stderr.read()


def test_a_record_that_the_store_cannot_hold_costs_only_itself(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 30})
    bench.until_ended(bench.supervisor(), run_id)
    writer = RecordWriter(bench.run_dir(run_id) / "records.bin")
    writer.record(Metrics(time=1e300, step=30, values={"train/loss": 1.0}))
    writer.record(Metrics(time=1.0, step=31, values={"train/loss": 31.0}))
    writer.close()
    with bench.store.write() as session:
        session.connection().exec_driver_sql("UPDATE run SET status = 'running' WHERE id = 1")
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.points(run_id)[-1] == (31, 31.0)


def test_an_error_that_passes_costs_no_record_and_holds_up_no_other_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = bench.queue("broken", config={"steps": 40, "gate": 5}), bench.queue("other")
    passed = False

    def flaky(store: Store, run_id: int, *arguments: Any, **options: Any) -> None:
        if run_id == broken and not passed:
            raise InternalError("INSERT", {}, sqlite3.InternalError("out of memory for a moment"))
        ingest(store, run_id, *arguments, **options)

    monkeypatch.setattr("engine.supervisor.intake.ingest", flaky)
    supervisor = bench.supervisor(cpu_slots=2)
    bench.until_ended(supervisor, other)
    bench.go(broken)
    bench.drive(supervisor, lambda: read_holder(bench.run_dir(broken)) is not None)
    holder = read_holder(bench.run_dir(broken))
    assert holder is not None
    bench.drive(supervisor, lambda: not holder.alive())
    supervisor.tick()
    assert bench.points(broken) == []
    passed = True
    bench.until_ended(supervisor, broken)
    assert len(bench.points(broken)) == 40


def test_after_a_record_that_cannot_be_stored_batches_are_large_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.queue()
    folder = bench.run_dir(run_id)
    folder.mkdir(parents=True)
    writer = RecordWriter(folder / "records.bin")
    for step in range(200):
        writer.record(Metrics(time=1.0, step=step, values={"train/loss": float(step)}))
    batches: list[int] = []

    def choosy(store: Store, run_id: int, records: Any, **offsets: int) -> None:
        if any(record.step == 3 for record in records):
            raise OverflowError("too large")
        batches.append(len(records))
        ingest(store, run_id, records, **offsets)

    monkeypatch.setattr("engine.supervisor.intake.ingest", choosy)
    intake = Intake(run_id, folder, 0)
    intake.take(bench.store)
    assert (intake.bad_records, len(bench.points(run_id))) == (1, 199)
    batches.clear()
    for step in range(200, 300):
        writer.record(Metrics(time=1.0, step=step, values={"train/loss": float(step)}))
    writer.close()
    intake.take(bench.store)
    assert batches == [100]


def test_what_the_supervisor_writes_stays_in_the_workspace(bench: Bench) -> None:
    run_id = bench.queue()
    outside = set(bench.workspace.root.parent.iterdir())
    process = bench.supervisor_process(idle=0.3)
    assert process.wait(20) == 0
    assert bench.status(run_id) is Status.FINISHED
    assert set(bench.workspace.root.parent.iterdir()) == outside
    assert {path.name for path in bench.workspace.root.iterdir()} <= {
        "experiments.db",
        "experiments.db-wal",
        "experiments.db-shm",
        "experiments.db.supervisor.lock",
        "runs",
    }
