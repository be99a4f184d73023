"""kill -9 of what is around a run: its supervisor, the interface, and all three at once."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.interface import open_interface
from benchmarks.faults.kills import CRASH_SECONDS, Kills, launched
from benchmarks.faults.stage import command
from benchmarks.faults.world import LOG, TRAIN, World, held, wait
from engine.store.views import Status
from engine.supervisor.supervisor import Supervisor


def kill_supervisor(kills: Kills) -> None:
    """The supervisor, from its first moment on, while runs start, log and end."""
    while not kills.over():
        with World(slots=2) as world:
            for _ in range(6):
                world.queue(LOG)
            while not kills.over() and any(not world.row(run_id).status.ended for run_id in world.queued):
                supervisor = world.start_supervisor()
                time.sleep(
                    kills.dice.uniform(0.0, 2.0)
                )  # the moment is the experiment: no condition to wait for
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
            time.sleep(kills.dice.uniform(0.0, 2.5))  # from its start-up to whole screens
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


def kill_all(kills: Kills) -> None:
    """Supervisor, run and interface in the same moment."""

    def life(world: World, run_id: int) -> bool:
        supervisor = world.supervisor()
        interface, screen = open_interface(world)
        until = time.monotonic() + kills.dice.uniform(0.0, 6.0)
        while time.monotonic() < until and not world.row(run_id).status.ended:
            time.sleep(0.02)  # until a random moment, or the run's end
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
        pid = launched(world, run_id, supervisor)
        os.kill(pid, signal.SIGKILL)
        wait(lambda: world.row(run_id).status.ended, "the crash found out", CRASH_SECONDS, supervisor.tick)
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
        CRASH_SECONDS,
        look,
    )


def _never(_run_dir: Path) -> list[str]:
    raise OSError(0, "not in this test")
