"""Two of everything, and what lasts: many runs and readers at once, a store locked for a minute, a migration in use."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.faults.interface import open_interface
from benchmarks.faults.older import older_schema
from benchmarks.faults.world import World, held, wait
from engine.store.database import HEAD_REVISION
from engine.store.views import Status

RUNS, RATE, VALUES = 8, 40, 5  # 200 points a second each
LOCKED_SECONDS = 60.0
STORES, ROWS = 20, 1000
_READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
reads, revisions = 0, set()
while sys.argv[2] not in revisions or reads < 50:
    connection.execute("BEGIN")
    assert connection.execute("SELECT count(*) FROM run").fetchone()[0] == int(sys.argv[3])
    revisions.add(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    connection.execute("COMMIT")
    reads += 1
    if reads == 1:
        print("reading", flush=True)
print(reads)
"""
_OPENER = "import sys; from engine.store.database import Store; Store.open(sys.argv[1]).close()"


def crowd(minutes: float) -> str:
    """Two supervisors, three interfaces and eight runs: each point stored once, one supervisor at work."""
    steps = round(minutes * 60 * RATE)
    with World(slots=RUNS) as world:
        supervisors = [world.start_supervisor() for _ in range(2)]
        wait(lambda: sum(process.poll() is None for process in supervisors) == 1, "one supervisor of two")
        for _ in range(3):
            open_interface(world)
        for _ in range(RUNS):
            world.queue({"kind": "log", "steps": steps, "pause": 0.0, "rate": RATE})
        begin = time.monotonic()
        wait(
            lambda: all(world.row(run_id).status.ended for run_id in world.queued),
            "the end of every run",
            minutes * 60 * 3 + 120,
        )
        took = time.monotonic() - begin
        missing = 0
        for run_id in world.queued:
            row = world.row(run_id)
            held(row.status is Status.FINISHED, f"run {run_id} is {row.status}: {row.error}")
            world.check_run(run_id)
            for name in ("loss", "lr", "norm", "speed", "wait"):
                missing += steps - len(world.points(run_id, f"train/{name}"))
        world.check_store()
        held(missing == 0, f"{missing} points are missing")
        held(
            sum(process.poll() is None for process in world.processes) == 4, "somebody ended before its time"
        )
    return f"{RUNS * steps * VALUES} points of {RUNS} runs in {took:.0f} s, none missing; 2 supervisors, 3 interfaces"


def locked(_minutes: float) -> str:
    """Another program holds the store's write lock for a minute while a run logs."""
    with World() as world:
        supervisor = world.supervisor()
        run_id = world.queue({"kind": "log", "steps": 100 * round(LOCKED_SECONDS), "pause": 0.0, "rate": 80})
        wait(lambda: world.points(run_id), "a run that logs")
        intruder = sqlite3.connect(world.workspace.root / "experiments.db", isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED_SECONDS)
        held(supervisor.poll() is None, "the supervisor gave up")
        told = (world.workspace.root / "supervisor.txt").read_text()
        held(told.count("another program has locked it") == 1, "it was not told once")
        intruder.execute("ROLLBACK")
        intruder.close()
        wait(lambda: world.row(run_id).status.ended, "the end of the run", 120)
        held(world.row(run_id).status is Status.FINISHED, f"the run is {world.row(run_id).status}")
        stored = len(world.points(run_id))
        held(stored == 100 * round(LOCKED_SECONDS), f"{stored} points are stored")
        world.check_run(run_id)
    return f"locked for {LOCKED_SECONDS:g} s, told once; {stored} of {stored} steps stored"


def migration(_minutes: float) -> str:
    """Two programs open a store of the first schema at once while three processes read it."""
    reads = 0
    for _ in range(STORES):
        with tempfile.TemporaryDirectory(prefix="reeltop-faults-") as folder:
            path = Path(folder) / "experiments.db"
            _first_schema(path)
            readers = [
                subprocess.Popen(
                    [sys.executable, "-c", _READER, str(path), HEAD_REVISION, str(ROWS)],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(3)
            ]
            for reader in readers:
                assert reader.stdout is not None
                held(reader.stdout.readline() == "reading\n", "a reader could not read")
            openers = [
                subprocess.Popen([sys.executable, "-c", _OPENER, f"sqlite:///{path}"]) for _ in range(2)
            ]
            held([opener.wait(60) for opener in openers] == [0, 0], "the store could not be opened")
            for reader in readers:
                said = reader.communicate(timeout=60)[0]
                held(reader.returncode == 0, "a reader failed")
                reads += int(said)
    return f"{STORES} stores of {ROWS} runs migrated by 2 programs at once, {reads} reads by 3 others, none failed"


def _first_schema(path: Path) -> None:
    with older_schema(path, "0001") as connection:
        connection.execute(
            text(
                "INSERT INTO run (id, stage, name, status, intent, attempt, priority, gpus, seed, created, pinned,"
                " directory, config_hash, records_offset, notes) VALUES (:id, 'finetune', 'old', 'finished',"
                " 'run', 1, 0, 0, 802, '2026-01-01 00:00:00', 0, 'runs/7-old', 'abc', 0, '')"
            ),
            [{"id": number} for number in range(1, ROWS + 1)],
        )
