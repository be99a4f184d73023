"""A clock that is set back under a run and its supervisor: no point is lost, nothing waits for the lost hour."""

import sys
from datetime import timedelta

import pytest
from supervisor_bench import Bench

from engine.format import duration
from engine.store import runs
from engine.store.queries import series
from engine.store.views import Status

PROGRAM = """
import sys, time
from pathlib import Path
from engine import recorder
from engine.run import run_stage

def stage(context):
    for step in range(40):
        if step == 20:
            recorder._now = lambda: time.time() - 3600
        context.recorder.log(step, {"train/loss": float(step)})
        context.recorder.system({"system/cpu": float(step)})

sys.exit(run_stage(Path(sys.argv[1]), stage))
"""


def test_a_clock_set_back_by_an_hour_costs_no_point_and_no_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.queue()
    supervisor = bench.supervisor(command=lambda run_dir: [sys.executable, "-c", PROGRAM, str(run_dir)])
    bench.drive(supervisor, lambda: bench.status(run_id) is not Status.QUEUED)
    now = runs.now
    monkeypatch.setattr(runs, "now", lambda: now() - timedelta(hours=1))
    bench.until_ended(supervisor, run_id)
    row = bench.row(run_id)
    assert row.status is Status.FINISHED
    assert bench.points(run_id) == [(step, float(step)) for step in range(40)]
    times = [point.time for point in series(bench.store, run_id, "train/loss", max_points=100).points]
    assert times[19] - times[20] > 3000
    assert row.started is not None
    assert row.ended is not None
    assert row.ended < row.started
    assert duration((row.ended - row.started).total_seconds()) == "0:00"
