"""How a stage reports: metrics, progress, evaluations, checkpoints and artifacts, one appended frame each."""

import atexit
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, SupportsFloat

from engine.records import (
    RECORDS_FILE,
    AnyRecord,
    Artifact,
    Checkpoint,
    CheckpointDeleted,
    Environment,
    Evaluation,
    Metrics,
    Progress,
    RecordWriter,
    Resumed,
    State,
    encode,
)

if TYPE_CHECKING:
    from engine.data.taxonomy import Taxonomy
    from engine.metrics import HierarchicalScores

_now = time.time
Scalar = str | int | float | bool | None


class StopRequested(Exception):  # noqa: N818 - it is a request, and the end of a run that went well
    """A stage raises it when it was asked to stop and its checkpoint is written."""


class Recorder:
    """The reporting end of one run. Safe to use from several threads; never waits for the store or a full disk.

    Values on a CUDA device are copied to pinned memory without blocking and written, in order, when the copy has
    arrived: with the next call that reports anything about training, at the latest with the next `log`.
    """

    def __init__(self, run_dir: Path, *, attempt: int = 1) -> None:
        self.run_dir = run_dir
        self.attempt = attempt
        self._writer = RecordWriter(run_dir / RECORDS_FILE)
        self._write = self._writer.write
        self._in_flight: deque[_InFlight] = deque()
        self._in_flight_lock = threading.Lock()
        self._stop = False
        self._owner = os.getpid()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def log(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        """Record `values` of several series at `step`: floats, 0-d tensors, numpy scalars; NaN and inf are legal."""
        for value in values.values():
            if type(value) is not float:
                self._log_converted(step, values)
                return
        if self._in_flight:
            self.flush()
        # Plain floats take the short way: every call saved here shows, as no cache remembers this code.
        metrics = Metrics(time=_now(), step=int(step), values=values)  # type: ignore[arg-type]
        self._write(encode(metrics), True)

    def progress(self, done: int, total: int, unit: str = "step") -> None:
        """Record that `done` of `total` units are done."""
        self._write_arrived()
        self._writer.record(Progress(time=_now(), done=int(done), total=int(total), unit=unit))

    def evaluation(
        self,
        *,
        split: str,
        y_true: Any,
        y_pred: Any,
        taxonomy: "Taxonomy",
        step: int,
        epoch: int | None = None,
        fold: int | None = None,
        loss: float | None = None,
    ) -> "HierarchicalScores":
        """Score predictions (leaf indices, int arrays [videos]) at every level, record and return the scores."""
        from engine.metrics import hierarchical_scores

        scores = hierarchical_scores(taxonomy, y_true, y_pred)
        self._report(
            Evaluation(
                time=_now(),
                step=int(step),
                epoch=epoch,
                split=split,
                fold=fold,
                loss=None if loss is None else float(loss),
                f1_mean=scores.f1_mean,
                levels=list(scores.levels),
                classes=list(scores.classes),
            )
        )
        return scores

    def checkpoint(
        self,
        path: Path,
        *,
        step: int,
        epoch: int | None = None,
        kind: str,
        f1_mean: float | None = None,
    ) -> None:
        """Record a complete checkpoint, a directory with `model.safetensors` or a file, inside the run's directory."""
        absolute = self.run_dir / path
        weights = absolute / "model.safetensors" if absolute.is_dir() else absolute
        self._report(
            Checkpoint(
                time=_now(),
                step=int(step),
                epoch=epoch,
                kind=kind,
                path=self._relative(absolute),
                bytes=_size(absolute),
                sha256=_sha256([weights]),
                f1_mean=f1_mean,
            )
        )

    def checkpoint_deleted(self, path: Path) -> None:
        """Record that the checkpoint at `path` was removed."""
        self._report(CheckpointDeleted(time=_now(), path=self._relative(self.run_dir / path)))

    def artifact(self, kind: str, path: Path, **meta: Scalar) -> None:
        """Record another output, a file or a directory, inside the run's directory."""
        absolute = self.run_dir / path
        self._report(
            Artifact(
                time=_now(),
                kind=kind,
                path=self._relative(absolute),
                bytes=_size(absolute),
                sha256=_sha256(_files(absolute)),
                meta=meta,
            )
        )

    def system(self, values: Mapping[str, float]) -> None:
        """Record values of the machine and the process; their step is the time in seconds."""
        now = _now()
        self._writer.record(Metrics(time=now, step=int(now), values=dict(values), system=True))

    def environment(self, values: Mapping[str, Scalar]) -> None:
        """Record what is needed to repeat the run."""
        self._report(Environment(time=_now(), values={key: _plain(value) for key, value in values.items()}))

    def state(self, status: str, error: str | None = None) -> None:
        """Record the run's own word on its state."""
        self._report(State(time=_now(), status=status, error=None if error is None else _encodable(error)))

    def resumed(self, step: int) -> None:
        """Record that the run goes on from the checkpoint of `step` (-1: from the beginning)."""
        self._report(Resumed(time=_now(), step=int(step), attempt=self.attempt))

    def request_stop(self) -> None:
        """Make `should_stop` true. Safe in a signal handler."""
        self._stop = True

    def should_stop(self) -> bool:
        """Whether somebody asked the run to stop: write a checkpoint, then raise `StopRequested`."""
        if self._stop:
            self.flush()
        else:
            self._write_arrived()
        return self._stop

    def flush(self) -> None:
        """Write what still is on its way from a device, waiting for it, and what the disk refused before."""
        self._write_in_flight(wait=True)
        if self._writer.waiting:
            self._writer.flush()

    def close(self) -> None:
        """Write everything and close the file; in a forked child this is the parent's to do."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        self.flush()
        self._writer.close()

    def _report(self, record: AnyRecord) -> None:
        """Write a record behind everything that was logged before it."""
        if self._in_flight:
            self.flush()
        self._writer.record(record)

    def _log_converted(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        now = _now()
        self.flush()
        here = {key: value for key, value in values.items() if not getattr(value, "is_cuda", False)}
        floats = {key: _number(value) for key, value in here.items()}
        if len(here) == len(values):
            self._writer.record(Metrics(time=now, step=int(step), values=floats))
            return
        on_device = {key: value for key, value in values.items() if key not in here}
        self._in_flight.append(_InFlight(now, int(step), floats, tuple(values), _DeviceCopy(on_device)))

    def _write_arrived(self) -> None:
        if self._in_flight:
            self._write_in_flight(wait=False)

    def _write_in_flight(self, *, wait: bool) -> None:
        with self._in_flight_lock:
            while self._in_flight and (wait or self._in_flight[0].copy.arrived()):
                report = self._in_flight.popleft()
                values = report.floats | report.copy.values()
                ordered = {key: values[key] for key in report.keys}
                self._writer.record(Metrics(time=report.time, step=report.step, values=ordered))

    def _relative(self, path: Path) -> str:
        return path.resolve().relative_to(self.run_dir.resolve()).as_posix()


class _DeviceCopy:
    """0-d tensors on their way from a CUDA device to pinned host memory."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        import torch

        self._keys = tuple(tensors)
        self._host = torch.empty(len(tensors), dtype=torch.float64, pin_memory=True)
        self._events: list[Any] = []
        cuda: Any = torch.cuda
        for device in {tensor.device for tensor in tensors.values()}:
            for index, tensor in enumerate(tensors.values()):
                if tensor.device == device:
                    # Widening happens on the device, so that the transfer itself is a plain asynchronous copy.
                    self._host[index].copy_(tensor.detach().to(torch.float64), non_blocking=True)
            event = cuda.Event()
            event.record(cuda.current_stream(device))
            self._events.append(event)

    def arrived(self) -> bool:
        return all(bool(event.query()) for event in self._events)

    def values(self) -> dict[str, float]:
        """The values, waiting for the device where it lags behind."""
        for event in self._events:
            event.synchronize()
        return dict(zip(self._keys, self._host.tolist(), strict=True))


class _InFlight:
    """A `log` call whose device values are not here yet; `keys` keeps the caller's order."""

    __slots__ = ("copy", "floats", "keys", "step", "time")

    def __init__(
        self, when: float, step: int, floats: dict[str, float], keys: tuple[str, ...], copy: _DeviceCopy
    ) -> None:
        self.time = when
        self.step = step
        self.floats = floats
        self.keys = keys
        self.copy = copy


def _number(value: Any) -> float:
    # item() of a tensor that requires a gradient is silent, float() of it warns.
    return float(value.item() if hasattr(value, "item") else value)


def _files(path: Path) -> list[Path]:
    return sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in _files(path))


def _sha256(files: Sequence[Path]) -> str:
    """Digest of one file, or of the digests of several in order."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Scalar) -> Scalar:
    return _encodable(value) if isinstance(value, str) else value
