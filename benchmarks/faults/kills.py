"""A series of kills: what is counted, and runs killed and resumed until their results can be compared."""

import random
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.faults.stage import command
from benchmarks.faults.world import World, held, wait
from engine.store.runs import resume_run
from engine.store.views import Status
from engine.supervisor.supervisor import Supervisor

Result = dict[str, Any]
CRASH_SECONDS = 5.0


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
                run_on(world, run_id)
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
                    run_on(world, run_id)
                    world.check_run(run_id)
                found = world.result(run_id)
                different = [name for name in expected if found[name] != expected[name]]
                held(
                    not different,
                    f"after {world.row(run_id).attempt} attempts, "
                    + "; ".join(f"{name} is {found[name]}, not {expected[name]}" for name in different),
                )
                self.note("results equal to the last bit")


def run_on(world: World, run_id: int) -> None:
    """Carry a queued run to its end."""
    supervisor = Supervisor(world.workspace, world.store, command=command)
    wait(lambda: world.row(run_id).status.ended, "the end of the run", 120.0, supervisor.tick)


def crash_seen(world: World, run_id: int, supervisor: Supervisor) -> bool:
    """Whether a killed run is found to have crashed, in time; False where it had finished before."""
    wait(lambda: world.row(run_id).status.ended, "the crash found out", CRASH_SECONDS, supervisor.tick)
    if world.row(run_id).status is Status.FINISHED:
        return False
    held(world.row(run_id).status is Status.CRASHED, f"killed, it is {world.row(run_id).status}")
    return True


def launched(world: World, run_id: int, supervisor: Supervisor) -> int:
    """Tick until the run has a process; its pid."""
    before = world.row(run_id).pid
    wait(lambda: world.row(run_id).pid not in (None, before), "a process of the run", step=supervisor.tick)
    pid = world.row(run_id).pid
    assert pid is not None
    return pid
