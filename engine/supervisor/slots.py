"""Slots: which device a run gets, or why it waits. Each GPU is a slot; the CPU is one, or as many as configured."""

import os
import re
from dataclasses import dataclass

from engine.errors import ReeltopError
from engine.format import printable, size
from engine.telemetry import GpuSample, Telemetry

CPU_SLOTS_VARIABLE = "REELTOP_CPU_SLOTS"
_FREE_SHARE = 0.5  # of a GPU's memory: on a shared machine, a GPU that others fill is left alone
_GPU_NAME = re.compile(r"gpu(\d+)")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a run goes: GPU indices in PCI bus order, or a CPU slot; `warning` says where that is not what it asked."""

    gpus: tuple[int, ...]
    warning: str | None = None

    @property
    def devices(self) -> str:
        """`gpu0, gpu1` or `cpu`, as kept on the run's row."""
        return ", ".join(f"gpu{index}" for index in self.gpus) or "cpu"

    @classmethod
    def of(cls, devices: str | None) -> "Placement":
        """The placement that a row's `devices` names, in the supervisor's words or the run's own."""
        return cls(tuple(int(index) for index in _GPU_NAME.findall(devices or "")))


class Slots:
    """Who holds which device. A round of placing starts with `begin_round`, in the queue's order.

    Raises:
        ReeltopError: the number of CPU slots in the environment is not one.
    """

    def __init__(self, telemetry: Telemetry, cpu_slots: int | None = None) -> None:
        self._telemetry = telemetry
        self._cpu_slots = cpu_slots if cpu_slots is not None else _configured_cpu_slots()
        self._holders: dict[int, tuple[str, Placement]] = {}
        self._gpus: tuple[GpuSample, ...] = ()
        self._gpus_seen = False
        self._first_in_line: str | None = None

    def hold(self, run_id: int, name: str, placement: Placement) -> None:
        """Note that a run has its devices."""
        self._holders[run_id] = (name, placement)

    def release(self, run_id: int) -> None:
        """Note that a run has ended."""
        self._holders.pop(run_id, None)

    def begin_round(self) -> None:
        """Look at the GPUs anew."""
        self._gpus = self._telemetry.visible_gpus()
        self._gpus_seen = self._gpus_seen or bool(self._gpus)
        self._first_in_line = None

    def place(self, run_id: int, name: str, gpus: int) -> Placement | str:
        """A placement for a run that asks for `gpus` (not held yet), or the reason why it has to wait."""
        if gpus == 0:
            return self._place_on_cpu(None)
        if not self._gpus:
            if (
                self._gpus_seen
            ):  # they are there: hours on the CPU would be the wrong answer to a passing error
                return f"needs {_gpu_count(gpus)}, NVML does not answer"
            problem = self._telemetry.gpu_problem or "no GPU was found"
            return self._place_on_cpu(f"asked for {_gpu_count(gpus)}, runs on the CPU: {problem}")
        if gpus > len(self._gpus):
            return f"needs {_gpu_count(gpus)}, this machine has {len(self._gpus)}: stop it and ask for fewer"
        ours = {index: run_id for run_id, (_, held) in self._holders.items() for index in held.gpus}
        idle = [gpu for gpu in self._gpus if gpu.index not in ours]
        free = [gpu for gpu in idle if _has_room(gpu)]
        if self._first_in_line is not None:
            return f"waits behind {self._first_in_line}"
        if len(free) >= gpus:
            return Placement(tuple(gpu.index for gpu in free[:gpus]))
        if len(idle) < gpus:
            # Its turn comes when runs of ours end: smaller ones behind it must not take every GPU that gets free.
            self._first_in_line = f"run {run_id} ({printable(name)}), which needs {_gpu_count(gpus)}"
        why = [f"gpu{index} is busy with {self._named(holder)}" for index, holder in sorted(ours.items())]
        why += [
            f"gpu{gpu.index} has only {size(gpu.memory_free)} of {size(gpu.memory_total)} free"
            for gpu in idle
            if gpu not in free
        ]
        return f"needs {_gpu_count(gpus)}, {len(free)} free: {'; '.join(why)}"

    def _place_on_cpu(self, warning: str | None) -> Placement | str:
        holders = [run_id for run_id, (_, held) in sorted(self._holders.items()) if not held.gpus]
        if len(holders) < self._cpu_slots:
            return Placement((), warning)
        if len(holders) == 1:
            return f"the CPU slot is busy with {self._named(holders[0])}"
        listed = ", ".join(str(run_id) for run_id in holders)
        return f"all {self._cpu_slots} CPU slots are busy with runs {listed}"

    def _named(self, run_id: int) -> str:
        return f"run {run_id} ({printable(self._holders[run_id][0])})"


def _has_room(gpu: GpuSample) -> bool:
    if gpu.memory_free is None or not gpu.memory_total:
        return True  # nothing is known against it
    return gpu.memory_free >= _FREE_SHARE * gpu.memory_total


def _gpu_count(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _configured_cpu_slots() -> int:
    value = os.environ.get(CPU_SLOTS_VARIABLE, "1")
    if not value.isdecimal() or int(value) < 1:
        raise ReeltopError(
            f"{CPU_SLOTS_VARIABLE}={value!r}: give the number of runs on the CPU at a time, 1 or more"
        )
    return int(value)
