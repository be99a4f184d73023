"""Four runs logging 50 points/s each while the monitor is open: how old is the newest value on the screen?

    python -m benchmarks.screen [--seconds 60] [--runs 4] [--rate 50]

Every point's value is the time at which it was logged, so the value that the chart of train/loss shows tells its own
age. Printed too: what the interface itself costs, as a share of one core.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import subprocess
import tempfile
import time

import psutil

from app.tui.app import ReeltopApp
from app.tui.widgets.metric_chart import MetricChart
from benchmarks import load
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs
from engine.store.views import MetricSummary, NewRun
from engine.workspace import Workspace

SIZE = (160, 45)


async def measure(seconds: float, runs: int, rate: float) -> dict[str, float]:
    """Watch the runs on the monitor until they end."""
    shown: list[tuple[float, float]] = []
    show_summary = MetricChart.show_summary

    def noting(chart: MetricChart, summary: MetricSummary | None) -> None:
        show_summary(chart, summary)
        if chart.key == load.KEYS[0] and summary is not None and summary.last is not None:
            shown.append((time.time(), summary.last))

    MetricChart.show_summary = noting
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        store = Store.open(workspace.store_url)
        ids = create_runs(
            store, [NewRun("load", f"load-{n}", {"stage": "load"}, "0", {}, 1) for n in range(runs)]
        )
        environment = os.environ | {"REELTOP_LOAD": f"{seconds} {rate}", "REELTOP_CPU_SLOTS": str(runs)}
        command = [*load.COMMAND, "--serve", folder]
        supervisor = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        app = ReeltopApp(workspace, supervise=False)
        async with app.run_test(size=SIZE) as pilot:
            while not any(run_row(store, run_id).status == "running" for run_id in ids):
                await pilot.pause(0.1)
            began, cpu = time.time(), _cpu_seconds()
            await asyncio.sleep(seconds - 2)
            ended, used = time.time(), _cpu_seconds() - cpu
        supervisor.wait()
        store.close()
    fresh = [(at, value) for at, value in shown if began + 3 < at < ended]
    # Just before the next value appears, the one on the screen is at its oldest.
    oldest = sorted(after - value for (_, value), (after, _) in itertools.pairwise(fresh))
    return {
        "age when shown, median s": statistics.median(at - value for at, value in fresh),
        "age when replaced, median s": statistics.median(oldest),
        "age when replaced, 99% s": oldest[int(0.99 * (len(oldest) - 1))],
        "age when replaced, max s": oldest[-1],
        "interface CPU %": 100 * used / (ended - began),
    }


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=50)
    arguments = parser.parse_args()
    for name, value in asyncio.run(measure(arguments.seconds, arguments.runs, arguments.rate)).items():
        print(f"{name:28} {value:8.3f}")


if __name__ == "__main__":
    main()
