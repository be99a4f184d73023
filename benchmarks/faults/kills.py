"""kill -9 at random moments: a run, a writer within a checkpoint, the supervisor, the interface, all at once."""

import contextlib
import os
import pty
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faults.stage import ACKED, command
from benchmarks.faults.world import LOG, TRAIN, World, held, wait
from engine.process import environment_of_child
from engine.store.runs import resume_run
from engine.store.views import Status
from engine.supervisor.supervisor import Supervisor

Result = dict[str, Any]
HEAVY = TRAIN | {"width": 384, "every_steps": 1, "epochs": 3, "pause": 0.0}
_CRASH_SECONDS = 5.0


class Kills:
    """One kind of kill, round after round; a world is used until its run is done, then its result is compared."""

    def __init__(self, seed: int, rounds: int, seconds: float) -> None:
        self.dice = random.Random(seed)
        self.rounds = rounds
        self.made = 0
        self._over_at = time.monotonic() + seconds
        self.notes: dict[str, int] = {}
        self.reference: dict[str, Result] = {}

    def note(self, what: str) -> None:
        """Count something worth a word in the table."""
        self.notes[what] = self.notes.get(what, 0) + 1

    def over(self) -> bool:
        """Whether all kills are made, or the time is up."""
        return self.made >= self.rounds or time.monotonic() > self._over_at

    def count(self) -> None:
        """One kill more; a word on standard error now and then, as these take long."""
        self.made += 1
        if self.made % 10 == 0:
            print(f"  {self.made} of {self.rounds}", file=sys.stderr, flush=True)

    def uninterrupted(self, config: dict[str, Any]) -> Result:
        """What the run gives when nobody touches it, computed once."""
        key = repr(config)
        if key not in self.reference:
            with World() as world:
                run_id = world.queue(config)
                _run_on(world, run_id)
                held(world.row(run_id).status is Status.FINISHED, f"untouched, it ended {world.row(run_id)}")
                self.reference[key] = world.result(run_id)
        return self.reference[key]

    def lives(self, config: dict[str, Any], one_life: Callable[[World, int], bool]) -> None:
        """Kill and resume one run until it is finished and compare what it gives; then another, until it is over."""
        expected = self.uninterrupted(config)
        while not self.over():
            with World() as world:
                run_id = world.queue(config)
                while not self.over():
                    killed = one_life(world, run_id)
                    world.check_store()
                    world.check_run(run_id)
                    row = world.row(run_id)
                    if row.status is Status.FINISHED:
                        break
                    held(killed, f"it was not killed and ended {row.status}: {row.error}")
                    self.count()
                    resume_run(world.store, run_id)
                if world.row(run_id).status is Status.QUEUED:
                    _run_on(world, run_id)
                    world.check_run(run_id)
                found = world.result(run_id)
                different = [name for name in expected if found[name] != expected[name]]
                held(
                    not different,
                    f"after {world.row(run_id).attempt} attempts, another {', '.join(different)}",
                )
                self.note("results equal to the last bit")


def _run_on(world: World, run_id: int) -> None:
    supervisor = Supervisor(world.workspace, world.store, command=command)
    wait(lambda: world.row(run_id).status.ended, "the end of the run", 120.0, supervisor.tick)


def _crash_seen(world: World, run_id: int, supervisor: Supervisor) -> bool:
    wait(lambda: world.row(run_id).status.ended, "the crash found out", _CRASH_SECONDS, supervisor.tick)
    if world.row(run_id).status is Status.FINISHED:
        return False
    held(world.row(run_id).status is Status.CRASHED, f"killed, it is {world.row(run_id).status}")
    return True


def _launched(world: World, run_id: int, supervisor: Supervisor) -> int:
    """Tick until the run has a process; its pid."""
    before = world.row(run_id).pid
    wait(lambda: world.row(run_id).pid not in (None, before), "a process of the run", step=supervisor.tick)
    pid = world.row(run_id).pid
    assert pid is not None
    return pid


def kill_run(kills: Kills) -> None:
    """The training process: every third time from its start on, else after its first new step."""

    def life(world: World, run_id: int) -> bool:
        supervisor = Supervisor(world.workspace, world.store, command=command)
        pid = _launched(world, run_id, supervisor)
        folder = world.run_dir(run_id)
        acked = _content(folder / ACKED)
        if kills.made % 3:
            while _content(folder / ACKED) == acked and not world.row(run_id).status.ended:
                supervisor.tick()
                time.sleep(0.01)
        until = time.monotonic() + kills.dice.uniform(0.0, 0.8 if kills.made % 3 else 2.0)
        while time.monotonic() < until and not world.row(run_id).status.ended:
            supervisor.tick()
            time.sleep(0.01)
        if world.row(run_id).status.ended:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        crashed = _crash_seen(world, run_id, supervisor)
        if crashed:
            began = _content(folder / ACKED) != acked
            kills.note("killed after a step" if began else "killed before its first step")
        return crashed

    kills.lives(TRAIN, life)


def kill_checkpoint(kills: Kills) -> None:
    """The training process while a checkpoint is being written, replaced or removed."""

    def life(world: World, run_id: int) -> bool:
        supervisor = Supervisor(world.workspace, world.store, command=command)
        pid = _launched(world, run_id, supervisor)
        process = psutil.Process(pid)
        folder = world.run_dir(run_id) / "checkpoints"
        skip = kills.dice.randrange(1, 8)
        seen: set[str] = set()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and len(seen) < skip:
            if folder.is_dir():
                seen |= {name for name in names(folder) if name.startswith(".partial")}
            if not seen:
                supervisor.tick()
            time.sleep(0.001)
        until = time.monotonic() + kills.dice.uniform(0.0, 0.03)
        while time.monotonic() < until:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        crashed = _crash_seen(world, run_id, supervisor)
        if crashed and any(name.startswith(".partial") for name in names(folder)):
            kills.note("left a checkpoint by halves")
        return crashed

    kills.lives(HEAVY, life)


def kill_all(kills: Kills) -> None:
    """Supervisor, run and interface in the same moment."""

    def life(world: World, run_id: int) -> bool:
        supervisor = world.supervisor()
        interface, screen = open_interface(world)
        until = time.monotonic() + kills.dice.uniform(0.0, 6.0)
        while time.monotonic() < until and not world.row(run_id).status.ended:
            time.sleep(0.02)
        victims = [supervisor.pid, interface.pid]
        holder = world.holder(run_id)
        if holder is not None and holder.alive():
            victims.append(holder.pid)
        kills.dice.shuffle(victims)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        supervisor.wait()
        interface.wait()
        screen.join()
        if world.row(run_id).status is Status.FINISHED:
            return False
        kills.note(f"killed while {world.row(run_id).status}")
        if world.row(run_id).status is not Status.QUEUED:
            _settle(world, run_id)
        return True

    kills.lives(TRAIN, lambda world, run_id: _or_run_on(world, run_id, life))


def _or_run_on(world: World, run_id: int, life: Callable[[World, int], bool]) -> bool:
    killed = life(world, run_id)
    if killed and world.row(run_id).status is Status.QUEUED:
        # Not begun, or back in the queue: there is nothing to resume, a supervisor launches it.
        supervisor = Supervisor(world.workspace, world.store, command=command)
        pid = _launched(world, run_id, supervisor)
        os.kill(pid, signal.SIGKILL)
        wait(lambda: world.row(run_id).status.ended, "the crash found out", _CRASH_SECONDS, supervisor.tick)
    return killed


def _settle(world: World, run_id: int) -> None:
    """What a new supervisor finds: the run is crashed, finished or queued again; one that lives is killed first."""
    supervisor = Supervisor(world.workspace, world.store, command=_never)

    def look() -> None:
        holder = world.holder(run_id)
        if holder is not None and holder.alive():  # its launcher died before anybody could know its number
            holder.send(signal.SIGKILL)
        supervisor.tick()

    wait(
        lambda: world.row(run_id).status.ended or world.row(run_id).status is Status.QUEUED,
        "a new supervisor to find the run out",
        _CRASH_SECONDS,
        look,
    )


def _never(_run_dir: Path) -> list[str]:
    raise OSError(0, "not in this test")


def names(folder: Path) -> list[str]:
    """What is in a folder now."""
    return [path.name for path in folder.iterdir()]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def open_interface(world: World) -> "tuple[subprocess.Popen[bytes], threading.Thread]":
    """The interface in a terminal of its own; the thread reads away what it draws, until nobody draws any more."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli"],
        cwd=world.workspace.root,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env=environment_of_child() | {"TERM": "xterm-256color"},
    )
    world.processes.append(process)
    os.close(inside)

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(terminal, 1 << 16):
                pass
        os.close(terminal)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return process, thread


def kill_supervisor(kills: Kills) -> None:
    """The supervisor, from its first moment on, while runs start, log and end."""
    while not kills.over():
        with World(slots=2) as world:
            for _ in range(6):
                world.queue(LOG)
            while not kills.over() and any(not world.row(run_id).status.ended for run_id in world.queued):
                supervisor = world.start_supervisor()
                time.sleep(kills.dice.uniform(0.0, 2.0))
                supervisor.kill()
                supervisor.wait()
                world.check_store()
                kills.count()
            supervisor = world.supervisor()
            wait(
                lambda: all(world.row(run_id).status.ended for run_id in world.queued), "the end of every run"
            )
            for run_id in world.queued:
                row = world.row(run_id)
                held(row.status is Status.FINISHED, f"run {run_id} is {row.status}: {row.error}")
                held(row.attempt == 1, f"run {run_id} has {row.attempt} attempts")
                stored = world.points(run_id)
                held(
                    stored == [(step, float(step)) for step in range(LOG["steps"])],
                    f"run {run_id}: {len(stored)} points",
                )
                world.check_run(run_id)
                kills.note("runs finished, launched once, every point stored once")


def kill_interface(kills: Kills) -> None:
    """The interface with its terminal, from its first moment on, while a run logs."""
    with World() as world:
        supervisor = world.supervisor()
        run_id = world.queue(LOG | {"steps": 10**6})
        wait(lambda: world.row(run_id).status is Status.RUNNING and world.points(run_id), "a run that logs")
        holder = world.holder(run_id)
        assert holder is not None
        while not kills.over():
            before = len(world.points(run_id))
            interface, screen = open_interface(world)
            time.sleep(kills.dice.uniform(0.0, 2.5))
            os.killpg(interface.pid, signal.SIGKILL)
            interface.wait()
            screen.join()
            world.processes.remove(interface)
            world.check_store()
            world.check_run(run_id)
            held(holder.alive() and world.holder(run_id) == holder, "the run's process is gone")
            held(supervisor.poll() is None, "the supervisor is gone")
            wait(lambda before=before: len(world.points(run_id)) > before, "new points", 5.0)
            kills.count()
