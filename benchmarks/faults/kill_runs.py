"""kill -9 of a training process: at a random moment, and within a checkpoint."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from benchmarks.faults.kills import Kills, crash_seen, launched
from benchmarks.faults.stage import ACKED, command
from benchmarks.faults.world import TRAIN, World
from engine.supervisor.supervisor import Supervisor

HEAVY = TRAIN | {"width": 384, "every_steps": 1, "epochs": 3, "pause": 0.0}


def kill_run(kills: Kills) -> None:
    """The training process: every third time from its start on, else after its first new step."""

    def life(world: World, run_id: int) -> bool:
        supervisor = Supervisor(world.workspace, world.store, command=command)
        pid = launched(world, run_id, supervisor)
        folder = world.run_dir(run_id)
        acked = _content(folder / ACKED)
        if kills.made % 3:
            while _content(folder / ACKED) == acked and not world.row(run_id).status.ended:
                supervisor.tick()
                time.sleep(0.01)  # between looks at the file that the stage acknowledges in
        until = time.monotonic() + kills.dice.uniform(0.0, 0.8 if kills.made % 3 else 2.0)
        while time.monotonic() < until and not world.row(run_id).status.ended:
            supervisor.tick()
            time.sleep(0.01)  # until a random moment, or the run's end
        if world.row(run_id).status.ended:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        crashed = crash_seen(world, run_id, supervisor)
        if crashed:
            began = _content(folder / ACKED) != acked
            kills.note("killed after a step" if began else "killed before its first step")
        return crashed

    kills.lives(TRAIN, life)


def kill_checkpoint(kills: Kills) -> None:
    """The training process while a checkpoint is being written, replaced or removed."""

    def life(world: World, run_id: int) -> bool:
        supervisor = Supervisor(world.workspace, world.store, command=command)
        pid = launched(world, run_id, supervisor)
        process = psutil.Process(pid)
        folder = world.run_dir(run_id) / "checkpoints"
        skip = kills.dice.randrange(1, 8)
        seen: set[str] = set()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and len(seen) < skip:
            if folder.is_dir():
                seen |= {name for name in _names(folder) if name.startswith(".partial")}
            if not seen:
                supervisor.tick()
            time.sleep(0.001)  # a half-written checkpoint is there for milliseconds
        until = time.monotonic() + kills.dice.uniform(0.0, 0.03)
        while time.monotonic() < until:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        crashed = crash_seen(world, run_id, supervisor)
        if crashed and any(name.startswith(".partial") for name in _names(folder)):
            kills.note("left a checkpoint by halves")
        return crashed

    kills.lives(HEAVY, life)


def _names(folder: Path) -> list[str]:
    """What is in a folder now."""
    return [path.name for path in folder.iterdir()]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
