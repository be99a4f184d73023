"""Samples of the GPUs (NVML), the host and a run's process tree (psutil); what is absent says why, never fails."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import psutil

from engine.errors import ReeltopError
from engine.format import printable

T = TypeVar("T")
_VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that uses a GPU; what another user's process hides is None.

    `session` is the process that leads its session: a run's own, for every process of the run.
    """

    pid: int
    user: str | None
    command: str | None
    memory: int | None
    session: int | None = None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU now. Memory in bytes; a field that the device or the permission does not give is None."""

    index: int
    name: str
    uuid: str | None = None
    util_percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    processes: tuple[GpuProcess, ...] | None = None
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None

    @property
    def memory_free(self) -> int | None:
        """Bytes nobody uses."""
        if self.memory_used is None or self.memory_total is None:
            return None
        return self.memory_total - self.memory_used


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine now: bytes, and bytes per second since the sample before (None at the first)."""

    cpu_percent: float | None
    cpu_count: int
    ram_used: int
    ram_total: int
    disk_free: int | None
    disk_total: int | None
    net_received_per_s: float | None = None
    net_sent_per_s: float | None = None
    disk_read_per_s: float | None = None
    disk_written_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """A process and all its descendants: percent of one core since the sample before, bytes of resident memory."""

    pid: int
    processes: int
    cpu_percent: float | None
    rss: int


class Telemetry:
    """Takes samples; one instance per watcher, as rates are measured between its own calls.

    `replay` is a JSON-lines file of `{"gpus": [...], "host": {...}}` with the fields of the samples; it stands in
    for the devices in tests and demonstrations, and then `simulated` is true.

    Raises:
        ReeltopError: the replay file cannot be used.
    """

    def __init__(self, replay: Path | None = None, *, disk: Path | None = None) -> None:
        self.simulated = replay is not None
        self.gpu_problem: str | None = None
        self._disk = disk or Path.cwd()
        self._replay = _Replay(replay) if replay is not None else None
        self._nvml = None if self.simulated else _open_nvml(self._set_problem)
        self._cpu = _cpu_seconds()
        self._counters: tuple[float, tuple[float, ...]] | None = None
        self._process_cpu: dict[int, tuple[float, float]] = {}

    def gpus(self) -> tuple[GpuSample, ...]:
        """Every GPU of the machine, in NVML's (PCI bus) order; empty where there is none: see `gpu_problem`."""
        if self._replay is not None:
            return self._replay.next_gpus()
        if self._nvml is None:
            return ()
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError as error:
            self._set_problem(f"NVML does not answer: {error}")
            return ()
        samples = [self._gpu(index) for index in range(count)]
        return tuple(sample for sample in samples if sample is not None)

    def visible_gpus(self) -> tuple[GpuSample, ...]:
        """The GPUs that `CUDA_VISIBLE_DEVICES` leaves to this process, by index or UUID; all where it is unset.

        Parts of a GPU (MIG) that it names are not among them: see `gpu_problem`.
        """
        gpus = self.gpus()
        setting = os.environ.get(_VISIBLE_VARIABLE)
        if setting is None:
            return gpus
        names = [name.strip() for name in setting.split(",") if name.strip()]
        visible = tuple(
            gpu
            for gpu in gpus
            if any(name == str(gpu.index) or (gpu.uuid and gpu.uuid.startswith(name)) for name in names)
        )
        if gpus and not visible:
            self._set_problem(
                f"{_VISIBLE_VARIABLE}={printable(setting)} names none of the GPUs here; name them by number or GPU-..."
            )
        return visible

    def driver(self) -> str | None:
        """Version of the NVIDIA driver."""
        return None if self._nvml is None else _optional(self._nvml, self._nvml.nvmlSystemGetDriverVersion)

    def host(self) -> HostSample:
        """CPU, memory, disk and network of the machine."""
        if self._replay is not None and (replayed := self._replay.host()) is not None:
            return replayed
        memory = psutil.virtual_memory()
        try:
            disk = psutil.disk_usage(str(self._disk))
        except OSError:
            disk = None
        busy, total = _cpu_seconds()
        busy_before, total_before = self._cpu
        if total - total_before > 0.01:
            self._cpu = (busy, total)
        rates = self._rates()
        return HostSample(
            cpu_percent=_percent(busy - busy_before, total - total_before),
            cpu_count=psutil.cpu_count() or 1,
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            disk_free=disk.free if disk else None,
            disk_total=disk.total if disk else None,
            net_received_per_s=rates[0],
            net_sent_per_s=rates[1],
            disk_read_per_s=rates[2],
            disk_written_per_s=rates[3],
        )

    def process_tree(self, pid: int) -> ProcessSample | None:
        """The process and its descendants, None when it is gone."""
        try:
            root = psutil.Process(pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            return None
        now = time.monotonic()
        cpu = 0.0
        rss = 0
        alive = 0
        for process in tree:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss += process.memory_info().rss
            except psutil.Error:
                continue
            cpu += times.user + times.system
            alive += 1
        before = self._process_cpu.get(pid)
        self._process_cpu[pid] = (now, cpu)
        # A descendant that ended takes its seconds with it: never below zero.
        percent = None if before is None else _percent(max(0.0, cpu - before[1]), now - before[0])
        return ProcessSample(pid, alive, percent, rss) if alive else None

    def _set_problem(self, problem: str) -> None:
        self.gpu_problem = problem

    def _gpu(self, index: int) -> GpuSample | None:
        nvml = self._nvml
        assert nvml is not None
        handle = _optional(nvml, nvml.nvmlDeviceGetHandleByIndex, index)
        if handle is None:
            return None
        memory = _optional(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
        util = _optional(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
        power = _optional(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
        limit = _optional(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        processes = _optional(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        return GpuSample(
            index=index,
            name=_optional(nvml, nvml.nvmlDeviceGetName, handle) or f"GPU {index}",
            uuid=_optional(nvml, nvml.nvmlDeviceGetUUID, handle),
            util_percent=None if util is None else float(util.gpu),
            memory_used=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature_c=_optional(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=None if power is None else power / 1000,
            power_limit_w=None if limit is None else limit / 1000,
            processes=None if processes is None else tuple(_gpu_process(entry) for entry in processes),
            clock_mhz=_optional(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            memory_clock_mhz=_optional(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
        )

    def _rates(self) -> tuple[float | None, ...]:
        net = psutil.net_io_counters()
        disk = psutil.disk_io_counters()
        counters = (
            float(net.bytes_recv) if net else 0.0,
            float(net.bytes_sent) if net else 0.0,
            float(disk.read_bytes) if disk else 0.0,
            float(disk.write_bytes) if disk else 0.0,
        )
        now = time.monotonic()
        before = self._counters
        self._counters = (now, counters)
        if before is None or now <= before[0]:
            return (None, None, None, None)
        seconds = now - before[0]
        return tuple(max(0.0, new - old) / seconds for new, old in zip(counters, before[1], strict=True))


def memory_limits(replay: Path | None = None) -> tuple[int | None, int | None]:
    """Bytes of the smallest GPU that this process may use, and of the machine's memory; None where there is none.

    Raises:
        ReeltopError: the replay file cannot be used.
    """
    gpus = [gpu.memory_total for gpu in Telemetry(replay).visible_gpus() if gpu.memory_total is not None]
    return min(gpus, default=None), int(psutil.virtual_memory().total)


class _Replay:
    """A recorded or made-up trace: every call for GPUs goes one sample on, the last is followed by the first."""

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ReeltopError(f"replay file {path} cannot be read: {error}") from error
        self._samples = [
            _replayed(path, number, line) for number, line in enumerate(lines, 1) if line.strip()
        ]
        if not self._samples:
            raise ReeltopError(f"replay file {path} holds no samples: one JSON object a line is needed")
        self._position = -1

    def next_gpus(self) -> tuple[GpuSample, ...]:
        self._position = (self._position + 1) % len(self._samples)
        return self._samples[self._position][0]

    def host(self) -> HostSample | None:
        return self._samples[max(0, self._position)][1]


def _replayed(path: Path, number: int, line: str) -> tuple[tuple[GpuSample, ...], HostSample | None]:
    try:
        sample = json.loads(line)
        gpus = tuple(_gpu_of(index, gpu) for index, gpu in enumerate(sample.get("gpus", [])))
        host = sample.get("host")
        return gpus, None if host is None else HostSample(**host)
    except (ValueError, TypeError, AttributeError) as error:
        known = ", ".join(field.name for field in fields(GpuSample))
        raise ReeltopError(
            f"replay file {path}, line {number}: {error}; a sample has `gpus` ({known}) and `host`"
        ) from error


def _gpu_of(index: int, values: dict[str, Any]) -> GpuSample:
    processes = values.get("processes")
    made = None if processes is None else tuple(GpuProcess(**entry) for entry in processes)
    known: dict[str, Any] = {"index": index, "name": f"GPU {index}"} | values | {"processes": made}
    return GpuSample(**known)


def _open_nvml(problem: Callable[[str], None]) -> Any:
    """The NVML module, initialised, or None with the reason told."""
    try:
        import pynvml
    except ImportError:
        problem("nvidia-ml-py is not installed")
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        problem("no NVIDIA driver here (its NVML library was not found)")
        return None
    except pynvml.NVMLError as error:
        problem(f"NVML cannot be used: {error}")
        return None
    return pynvml


def _optional(nvml: Any, query: Callable[..., T], *arguments: Any) -> T | None:
    try:
        return query(*arguments)
    except nvml.NVMLError:
        return None


def _gpu_process(entry: Any) -> GpuProcess:
    memory = getattr(entry, "usedGpuMemory", None)
    user = command = session = None
    try:
        process = psutil.Process(entry.pid)
        user = process.username()
        command = " ".join(process.cmdline()) or process.name()
        session = os.getsid(entry.pid)
    except (psutil.Error, KeyError, OSError):
        pass
    return GpuProcess(entry.pid, user, command, None if memory is None else int(memory), session)


def _cpu_seconds() -> tuple[float, float]:
    times = psutil.cpu_times()
    # Guest time is counted in user time already.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _percent(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole > 0.01 else None
