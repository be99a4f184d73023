"""What a person would want to be told of: of live runs and of the machine, each with a way out. Arithmetic only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.format import duration, number, printable, size
from engine.store.views import RunRow, SeriesPoint, Status

if TYPE_CHECKING:
    from engine.telemetry import GpuSample, HostSample

QUIET_SECONDS = 300.0
_QUIET_STEPS = 30  # of a run's own pace: slow steps are no standstill
_FEWEST = 20  # points before a curve says anything
_LOST_GAIN, _WORSE = 0.5, 1.2
_WAITING = 0.3
_GPU_FULL, _RAM_FULL = 0.95, 0.92
_DISK_SHARE, _DISK_BYTES = 0.05, 20 << 30


@dataclass(frozen=True, slots=True)
class Alert:
    """`key` tells one trouble from another, so that each is told once; `way_out` is what helps."""

    key: str
    text: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.text}: {self.way_out}"


def run_alerts(
    run: RunRow, losses: Sequence[SeriesPoint], waits: Sequence[SeriesPoint], now: datetime
) -> list[Alert]:
    """What is wrong with a live run, from the course of its loss and of its share of time spent waiting for data.

    Args:
        now: UTC, naive.
    """
    if run.status is not Status.RUNNING:
        return []
    who = f"run {run.id} ({printable(run.name)})"
    found = [_lost_number(losses), _rising(losses), _quiet(losses, now), _starved(waits)]
    return [
        Alert(f"run {run.id} {kind}", f"{who} {text}", way_out)
        for kind, text, way_out in (one for one in found if one is not None)
    ]


def machine_alerts(
    gpus: Sequence["GpuSample"], host: "HostSample | None", ours: Sequence[int]
) -> list[Alert]:
    """What the machine runs out of; `ours` are the GPUs that live runs hold."""
    alerts = [
        Alert(
            f"gpu{gpu.index} memory",
            f"GPU {gpu.index} holds {size(gpu.memory_used)} of {size(gpu.memory_total)}",
            "should its run fail, lower training.batch_size or raise training.accumulate",
        )
        for gpu in gpus
        if gpu.index in ours
        and gpu.memory_used is not None
        and gpu.memory_total
        and gpu.memory_used >= _GPU_FULL * gpu.memory_total
    ]
    if host is None:
        return alerts
    if host.ram_total and host.ram_used >= _RAM_FULL * host.ram_total:
        alerts.append(
            Alert(
                "memory",
                f"memory is nearly full, {size(host.ram_used)} of {size(host.ram_total)}",
                "stop a run, or lower data.workers",
            )
        )
    if (
        host.disk_free is not None
        and host.disk_total
        and host.disk_free < min(_DISK_SHARE * host.disk_total, _DISK_BYTES)
    ):
        alerts.append(
            Alert(
                "disk",
                f"the disk is nearly full, {size(host.disk_free)} free",
                "delete checkpoints or runs that are not needed; a full disk keeps no checkpoint",
            )
        )
    return alerts


_Found = tuple[str, str, str] | None


def _lost_number(losses: Sequence[SeriesPoint]) -> _Found:
    if not losses or (losses[-1].value is not None and math.isfinite(losses[-1].value)):
        return None
    return (
        "nan",
        f"has no finite loss at step {losses[-1].step}",
        "stop it (x), then lower training.lr or set training.precision to fp32",
    )


def _rising(losses: Sequence[SeriesPoint]) -> _Found:
    """The loss has lost half of what it had gained; means over a tenth of the curve, so that noise says nothing."""
    values = [point.value for point in losses if point.value is not None and math.isfinite(point.value)]
    if len(values) < _FEWEST:
        return None
    stretch = max(3, len(values) // 10)
    means = [sum(values[end - stretch : end]) / stretch for end in range(stretch, len(values) + 1)]
    first, lowest, last = means[0], min(means), means[-1]
    if last <= lowest + _LOST_GAIN * (first - lowest) or last <= _WORSE * lowest + 1e-12:
        return None
    return (
        "rising",
        f"has a rising loss: {number(last, 3)} after {number(lowest, 3)}",
        "lower training.lr, lengthen training.warmup, or set training.clip_grad_norm",
    )


def _quiet(losses: Sequence[SeriesPoint], now: datetime) -> _Found:
    if len(losses) < 2:
        return None
    last, moment = losses[-1], now.replace(tzinfo=UTC).timestamp()
    steps = sum(point.count for point in losses[1:])
    pace = (last.time - losses[0].time) / max(1, steps)
    quiet = moment - last.time
    if quiet < max(QUIET_SECONDS, _QUIET_STEPS * pace):
        return None
    since = datetime.fromtimestamp(last.time).strftime("%H:%M:%S")
    return (
        "quiet",
        f"has made no step since {since} ({duration(quiet)})",
        "its log says whether it evaluates, waits for data or hangs; x stops it, r goes on from its checkpoint",
    )


def _starved(waits: Sequence[SeriesPoint]) -> _Found:
    values = [point.value for point in waits if point.value is not None]
    if len(values) < _FEWEST:
        return None
    recent = values[-max(3, len(values) // 4) :]
    share = sum(recent) / len(recent)
    if share < _WAITING:
        return None
    return (
        "data",
        f"waits for data {share:.0%} of its time",
        "raise data.workers, or extract the features first",
    )
