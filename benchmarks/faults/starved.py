"""A training process from which the machine takes descriptors, processes or memory; then it is resumed."""

from typing import Any

from benchmarks.faults import starving
from benchmarks.faults.kills import run_on
from benchmarks.faults.world import TRAIN, World, held
from engine.store.queries import run_detail
from engine.store.runs import resume_run
from engine.store.views import Status

SHORT = TRAIN | {"epochs": 2, "pause": 0.0}
STEP = 7  # after the checkpoint of step 5, before that of step 10


def starved(what: str, *, workers: int, status: Status, cause: str, advice: str) -> str:
    """Train, take `what` away after step 7, resume, and compare with a run that nothing was taken from.

    Raises:
        BrokenPromiseError: the run ended otherwise, did not name the cause, or gave another result.
    """
    config: dict[str, Any] = SHORT | {"workers": workers}
    with World() as world:
        untouched = world.queue(config)
        run_on(world, untouched)
        expected = world.result(untouched)
        run_id = world.queue(config | {"starve": {"what": what, "step": STEP}})
        run_on(world, run_id)
        holder = world.holder(run_id)
        if holder is not None:
            starving.remove_groups(holder.pid)
        row = world.row(run_id)
        said = (row.error or "").splitlines()[0]
        if "cgroup" in said:
            return f"not tried: this user may not make control groups ({said})"
        held(row.status is status, f"it is {row.status}: {row.error}")
        held(cause in said and advice in said, f"it says {said!r}")
        world.check_run(run_id)
        kept = [one.step for one in run_detail(world.store, run_id).checkpoints]
        held(bool(kept), "no checkpoint is listed")
        resume_run(world.store, run_id)
        run_on(world, run_id)
        world.check_run(run_id)
        found = world.result(run_id)
        different = [name for name in expected if found[name] != expected[name]]
        held(not different, f"resumed, another {', '.join(different)}")
    return (
        f"{status} with the checkpoint of step {max(kept)}, saying {said!r}; resumed, equal to the last bit"
    )


def descriptors(_minutes: float = 0) -> str:
    """No descriptor is left: the next checkpoint cannot be opened."""
    advice = "raise the limit of open files (ulimit -n)"
    alone = starved(
        "descriptors", workers=0, status=Status.FAILED, cause="Too many open files", advice=advice
    )
    helped = starved("descriptors", workers=2, status=Status.FAILED, cause="open files", advice=advice)
    return f"{alone}; with 2 data workers: {helped}"


def forks(_minutes: float = 0) -> str:
    """No process is left: the next epoch's data workers cannot be started."""
    return starved(
        "processes",
        workers=2,
        status=Status.FAILED,
        cause="no process could be started",
        advice="raise the limit (ulimit -u)",
    )


def memory(_minutes: float = 0) -> str:
    """No memory is left in the run's control group: the kernel's killer ends it."""
    return starved("memory", workers=0, status=Status.CRASHED, cause="SIGKILL", advice="out of memory?")
