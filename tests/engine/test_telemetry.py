"""Samples say what is there; what is absent, unsupported or forbidden says so and never fails."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import ReeltopError
from engine.telemetry import GpuProcess, Telemetry


class NVMLError(Exception):
    pass


class LibraryNotFoundError(NVMLError):
    pass


class FakeNvml(types.ModuleType):
    """The NVML module of a machine with two GPUs, of which the second supports nothing but its name."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = LibraryNotFoundError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    def __init__(self, *, missing: bool = False, broken: bool = False) -> None:
        super().__init__("pynvml")
        self._missing, self._broken = missing, broken

    def nvmlInit(self) -> None:  # noqa: N802
        if self._missing:
            raise LibraryNotFoundError
        if self._broken:
            raise NVMLError("Driver/library version mismatch")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return f"H100 {handle}"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        first_gpu = {
            "nvmlDeviceGetMemoryInfo": types.SimpleNamespace(used=10, total=80),
            "nvmlDeviceGetUtilizationRates": types.SimpleNamespace(gpu=97),
            "nvmlDeviceGetPowerUsage": 430_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTemperature": 67,
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetUUID": "GPU-aaaa",
            "nvmlDeviceGetComputeRunningProcesses": [
                types.SimpleNamespace(pid=os.getpid(), usedGpuMemory=5),
                types.SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
            ],
        }

        def query(handle: int, *_: Any) -> Any:
            if handle == 0 and name in first_gpu:
                return first_gpu[name]
            raise NVMLError("Not Supported")

        return query


def install(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)


def test_every_field_of_a_gpu_is_optional_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml())
    telemetry = Telemetry()
    first, second = telemetry.gpus()
    assert (first.util_percent, first.memory_used, first.memory_free) == (97.0, 10, 70)
    assert (first.power_w, first.power_limit_w, first.temperature_c) == (430.0, 700.0, 67)
    assert (first.clock_mhz, second.clock_mhz) == (1980, None)
    assert first.processes is not None
    mine, gone = first.processes
    assert (mine.pid, mine.user, mine.memory) == (os.getpid(), psutil.Process().username(), 5)
    assert mine.session == os.getsid(0)
    assert gone == GpuProcess(2**22 + 1, None, None, None)
    assert (second.name, second.util_percent, second.memory_free, second.processes) == (
        "H100 1",
        None,
        None,
        None,
    )
    assert telemetry.gpu_problem is None
    assert not telemetry.simulated


@pytest.mark.parametrize(
    ("nvml", "problem"),
    [
        (FakeNvml(missing=True), "no NVIDIA driver here"),
        (FakeNvml(broken=True), "NVML cannot be used: Driver/library version mismatch"),
    ],
)
def test_a_machine_without_gpus_says_why(
    monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml, problem: str
) -> None:
    install(monkeypatch, nvml)
    telemetry = Telemetry()
    assert telemetry.gpus() == ()
    assert telemetry.gpu_problem is not None
    assert problem in telemetry.gpu_problem


@pytest.mark.parametrize(
    ("setting", "indices"), [(None, [0, 1]), ("1", [1]), ("GPU-aa", [0]), ("", []), ("-1", [])]
)
def test_only_visible_gpus_count(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, indices: list[int]
) -> None:
    install(monkeypatch, FakeNvml())
    if setting is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    assert [gpu.index for gpu in Telemetry().visible_gpus()] == indices


def test_that_the_environment_names_none_of_the_gpus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1c2f")
    telemetry = Telemetry()
    assert telemetry.visible_gpus() == ()
    assert telemetry.gpu_problem is not None
    assert "CUDA_VISIBLE_DEVICES=MIG-1c2f names none of the GPUs here" in telemetry.gpu_problem


def test_the_host_is_sampled_with_rates_from_the_second_sample_on() -> None:
    telemetry = Telemetry()
    first = telemetry.host()
    assert first.ram_total == psutil.virtual_memory().total
    assert 0 < first.ram_used < first.ram_total
    assert first.disk_free is not None
    assert first.net_received_per_s is None
    second = telemetry.host()
    assert second.net_received_per_s is not None
    assert second.net_received_per_s >= 0


def test_a_disk_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert Telemetry(disk=tmp_path / "gone").host().disk_free is None


def test_a_process_is_sampled_with_its_children() -> None:
    telemetry = Telemetry()
    alone = telemetry.process_tree(os.getpid())
    assert alone is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        together = telemetry.process_tree(os.getpid())
        assert together is not None
        assert together.processes == alone.processes + 1
        assert together.rss > 0
    finally:
        child.communicate(b"\n")
    assert telemetry.process_tree(child.pid) is None


def test_a_replayed_trace_is_marked_and_goes_round(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    host = dict.fromkeys(("cpu_percent", "cpu_count", "ram_used", "ram_total", "disk_free", "disk_total"), 1)
    samples = [
        {
            "gpus": [
                {
                    "name": "H100",
                    "util_percent": 61,
                    "processes": [{"pid": 1, "user": "a", "command": "b", "memory": 2}],
                }
            ]
        },
        {"gpus": [{"util_percent": 97}], "host": host},
    ]
    trace.write_text("\n".join(json.dumps(sample) for sample in samples) + "\n\n")
    telemetry = Telemetry(trace)
    assert telemetry.simulated
    utils = [telemetry.gpus()[0].util_percent for _ in range(3)]
    assert utils == [61, 97, 61]
    telemetry.gpus()
    assert telemetry.host().cpu_percent == 1


@pytest.mark.parametrize(
    "text", ["", "[]\n", "{\n", '{"gpus": [{"colour": 1}]}\n', '{"host": {"ram": 1}}\n', '{"gpus": 3}\n']
)
def test_a_trace_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(text)
    with pytest.raises(ReeltopError, match="replay file"):
        Telemetry(trace)


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReeltopError, match="cannot be read"):
        Telemetry(tmp_path / "none.jsonl")
