"""A slow disk: a small library, preloaded into supervisor and runs, delays their writes and syncs.

What the kernel does behind a page cache that is full is not simulated: reads, opens and removals are as fast as ever.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.world import TRAIN, World, held, wait
from engine.process import environment_of_child
from engine.store.queries import run_detail
from engine.store.runs import request_stop, resume_run
from engine.store.views import Status

WRITE_MS, SYNC_MS = 50, 2000
STEPS = 400
_SOURCE = Path(__file__).with_name("slow_disk.c")


def slow_disk(_minutes: float) -> str:
    """Two runs log and one trains and is stopped on a disk where a write takes 50 ms and a sync 2 s."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "not tried: there is no C compiler (cc)"
    with tempfile.TemporaryDirectory(prefix="reeltop-slow-") as folder:
        library = Path(folder) / "slow_disk.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
        slow = {
            "LD_PRELOAD": str(library),
            "SLOW_WRITE_MS": str(WRITE_MS),
            "SLOW_SYNC_MS": str(SYNC_MS),
        }
        with World(slots=3, environment=slow) as world:
            return _on_it(world)


def _on_it(world: World) -> str:
    supervisor = world.supervisor()
    logging = [world.queue({"kind": "log", "steps": STEPS, "pause": 0.0}) for _ in range(2)]
    training = world.queue(TRAIN | {"epochs": 2, "pause": 0.0})
    begin = time.monotonic()
    wait(lambda: world.points(training), "the first step", 120)
    request_stop(world.store, training)
    wait(lambda: world.row(training).status.ended, "the end of a run asked to stop", 60)
    stopped = time.monotonic() - begin
    held(world.row(training).status is Status.STOPPED, f"it is {world.row(training).status}")
    held(bool(run_detail(world.store, training).checkpoints), "it stopped without a checkpoint")
    world.check_run(training)
    listings = []
    while not all(world.row(run_id).status.ended for run_id in logging):
        held(time.monotonic() - begin < 300, "the runs do not end")
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "app.cli", "ls"],
            cwd=world.workspace.root,
            env=environment_of_child(),
            check=True,
            capture_output=True,
        )
        listings.append(time.monotonic() - started)
    took = time.monotonic() - begin
    for run_id in logging:
        row = world.row(run_id)
        held(row.status is Status.FINISHED, f"run {run_id} is {row.status}: {row.error}")
        held(len(world.points(run_id)) == STEPS, f"{len(world.points(run_id))} of {STEPS} points")
        world.check_run(run_id)
    resume_run(world.store, training)
    wait(lambda: world.row(training).status is Status.FINISHED, "the end of the resumed run", 300)
    world.check_run(training)
    world.check_store()
    held(supervisor.poll() is None, "the supervisor gave up")
    return (
        f"a write takes {WRITE_MS} ms, a sync {SYNC_MS} ms: {STEPS} steps each in {took:.0f} s, none missing; "
        f"a run stopped with its checkpoint {stopped:.0f} s after it was queued and was resumed; "
        f"`ls` took {statistics.median(listings):.1f} s"
    )
