"""Four runs logging 50 points/s each: is any point missing in the store, and how far is the store behind?

    python -m benchmarks.load [--seconds 60] [--runs 4] [--rate 50]

The runs are real processes under a real, detached supervisor. Every point's value is the time at which it was logged;
the store is polled ten times a second, as a screen would, and its newest point's age is the lag that a person sees.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from engine.recorder import StopRequested
from engine.run import run_stage
from engine.stages.context import RunContext
from engine.store.database import Store
from engine.store.queries import metric_summaries, run_row, series
from engine.store.runs import create_runs
from engine.store.views import NewRun
from engine.supervisor.client import supervisor_alive
from engine.workspace import Workspace

COMMAND = (sys.executable, "-m", "benchmarks.load")
KEYS = ("train/loss", *(f"train/value-{number}" for number in range(4)))


def stage(context: RunContext) -> None:
    """Log on time, whatever a call costs: step n is due n / rate seconds after the first."""
    seconds, rate = (float(value) for value in os.environ["REELTOP_LOAD"].split())
    begin = time.time()
    for step in range(round(seconds * rate)):
        time.sleep(max(0.0, begin + step / rate - time.time()))
        if context.recorder.should_stop():
            raise StopRequested
        context.recorder.log(step, dict.fromkeys(KEYS, time.time()))


def serve(root: str) -> None:
    """A supervisor whose runs are the stage above."""
    from engine.supervisor.service import serve as serve_workspace

    def command(run_dir: Path) -> list[str]:
        return [*COMMAND, "--run", str(run_dir)]

    serve_workspace(Workspace.open(root), 2.0, command=command)


def measure(seconds: float, runs: int, rate: float) -> dict[str, float]:
    """Queue the runs, watch the store, count."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        store = Store.open(workspace.store_url)
        new = [NewRun("load", f"load-{n}", {"stage": "load"}, "0", {}, 1) for n in range(runs)]
        ids = create_runs(store, new)
        environment = os.environ | {
            "REELTOP_LOAD": f"{seconds} {rate}",
            "REELTOP_CPU_SLOTS": str(runs),
        }
        command = [*COMMAND, "--serve", folder]
        supervisor = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        expected = round(seconds * rate)
        lags: list[float] = []
        cpu = 0.0
        begin = time.monotonic()
        while not all(run_row(store, run_id).status.ended for run_id in ids):
            now = time.time()
            for run_id in ids:
                row = run_row(store, run_id)
                newest = {summary.key: summary.last for summary in metric_summaries(store, run_id)}.get(
                    KEYS[0]
                )
                if newest is not None and not row.status.ended:
                    lags.append(now - newest)
            cpu = _cpu_seconds(supervisor.pid, cpu)
            time.sleep(0.1)
        wall = time.monotonic() - begin
        stored = [series(store, run_id, key, max_points=10**7).count for run_id in ids for key in KEYS]
        failed = sum(run_row(store, run_id).status != "finished" for run_id in ids)
        supervisor.wait()
        store.close()
        assert not supervisor_alive(workspace)
    lags.sort()
    return {
        "points expected": float(expected * runs * len(KEYS)),
        "points missing": float(sum(expected - count for count in stored)),
        "runs not finished": float(failed),
        "lag median s": statistics.median(lags),
        "lag 99% s": lags[int(0.99 * (len(lags) - 1))],
        "lag max s": lags[-1],
        "supervisor CPU %": 100 * cpu / wall,
    }


def _cpu_seconds(pid: int, before: float) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return before
    return float(times.user + times.system)


def main() -> None:
    """Measure and print, or be one of the processes measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        sys.exit(run_stage(Path(arguments.run), stage))
    if arguments.serve:
        serve(arguments.serve)
        return
    figures = measure(arguments.seconds, arguments.runs, arguments.rate)
    if arguments.json:
        print(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:20} {value:10.3f}")


if __name__ == "__main__":
    main()
