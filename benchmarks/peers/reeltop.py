"""reeltop as `benchmarks.peers` runs it: real runs under a real, detached supervisor, read from the store by others."""

import argparse
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.logs import Steps
from benchmarks.peers.work import flood
from benchmarks.recorder import VALUES
from engine.run import run_stage
from engine.stages.context import RunContext
from engine.store.database import Store
from engine.store.runs import create_runs
from engine.store.views import NewRun
from engine.workspace import Workspace

COMMAND = (sys.executable, "-m", "benchmarks.peers.reeltop")
_FLOOD = "REELTOP_PEERS_FLOOD"


def start(folder: Path, names: list[str], steps: int, pause: float) -> "subprocess.Popen[bytes]":
    """A supervisor with one run a name, each of which logs as `flood` says."""
    workspace = Workspace.open(folder)
    store = Store.open(workspace.store_url)
    create_runs(store, [NewRun("peers", name, {"stage": "peers"}, "0", {}, 1) for name in names])
    store.close()
    environment = os.environ | {
        _FLOOD: f"{folder} {steps} {pause}",
        "REELTOP_CPU_SLOTS": str(len(names)),
    }
    return subprocess.Popen(
        [*COMMAND, "--serve", str(folder)], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )


def read_store(folder: Path) -> Callable[[], Steps]:
    """The points of each run that the store has, all five of a step."""
    keys = ", ".join(f"'{key}'" for key in VALUES)
    query = f"""
        SELECT run.name, step, count(*) FROM metric_point
        JOIN metric ON metric.id = metric_id JOIN run ON run.id = run_id
        WHERE key IN ({keys}) GROUP BY 1, 2"""
    connection = sqlite3.connect(folder / "experiments.db", timeout=30)

    def read() -> Steps:
        found: Steps = {}
        for name, step, number in connection.execute(query):
            if number == len(VALUES):
                found.setdefault(name, set()).add(step)
        return found

    return read


def pids(folder: Path) -> dict[str, int]:
    """Processes of the runs that have one."""
    connection = sqlite3.connect(folder / "experiments.db", timeout=30)
    return dict(connection.execute("SELECT name, pid FROM run WHERE pid IS NOT NULL"))


def all_ended(folder: Path) -> bool:
    """Whether the supervisor has seen every run's end."""
    connection = sqlite3.connect(folder / "experiments.db", timeout=30)
    return connection.execute("SELECT count(*) FROM run WHERE ended IS NULL").fetchone() == (0,)


def _stage(context: RunContext) -> None:
    folder, steps, pause = os.environ[_FLOOD].split()
    name = context.run_dir.name.partition("-")[2]
    flood(lambda step: context.recorder.log(step, VALUES), Path(folder), name, int(steps), float(pause))


def _serve(root: str) -> None:
    from engine.supervisor.service import serve

    def command(run_dir: Path) -> list[str]:
        return [*COMMAND, "--run", str(run_dir)]

    serve(Workspace.open(root), 2.0, command=command)


def main() -> None:
    """Be the supervisor or one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--serve")
    arguments = parser.parse_args()
    if arguments.run:
        sys.exit(run_stage(arguments.run, _stage))
    if arguments.serve:
        _serve(arguments.serve)


if __name__ == "__main__":
    main()
