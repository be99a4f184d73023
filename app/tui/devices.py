"""Whose a GPU is: the live runs that hold it, and the processes on it that are nobody's run here."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.store.views import RunRow

if TYPE_CHECKING:
    from engine.telemetry import GpuProcess, GpuSample

_GPU = re.compile(r"\bgpu(\d+)")


def gpus_of(run: RunRow) -> list[int]:
    """Indices of the GPUs that the run was given."""
    return [int(index) for index in _GPU.findall(run.devices or "")]


def holders(gpu: "GpuSample", runs: Sequence[RunRow]) -> list[RunRow]:
    """Live runs that were given the GPU, or have a process on it."""
    pids = {pid for process in gpu.processes or () for pid in (process.pid, process.session)}
    return [run for run in runs if gpu.index in gpus_of(run) or (run.pid is not None and run.pid in pids)]


def strangers(gpu: "GpuSample", runs: Sequence[RunRow]) -> "list[GpuProcess]":
    """Processes on the GPU that belong to no live run.

    One of which nothing can be seen is taken for the holder's own: a container hides the numbers of processes.
    """
    ours = {run.pid for run in runs if run.pid is not None}
    held = bool(holders(gpu, runs))
    return [
        process
        for process in gpu.processes or ()
        if process.pid not in ours
        and process.session not in ours
        and not (held and process.user is None and process.command is None)
    ]
