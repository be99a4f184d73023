"""The framed record file of a run: what the engine reports, one self-contained frame a report."""

import os
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from engine.framing import FrameWriter, frames

RECORDS_FILE = "records.bin"
Level = Annotated[int, msgspec.Meta(ge=1, le=64)]


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One report of a run. `time` is seconds since the Unix epoch."""

    time: float


class Metrics(Record, frozen=True, kw_only=True, tag="metrics"):
    """Values of several series at one step. `system` series count seconds since the epoch as their step."""

    step: int
    values: dict[str, float]
    system: bool = False


class Progress(Record, frozen=True, kw_only=True, tag="progress"):
    """How far the run is: `done` of `total` `unit`s."""

    done: int
    total: int
    unit: str


class LevelScores(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of one taxonomy level; level 1 is the coarsest."""

    level: Level
    f1_micro: float
    f1_macro: float
    accuracy: float


class ClassScores(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of one class; `category` is its code, such as `20` at level 1 and `2003` at level 2."""

    level: Level
    category: str
    precision: float
    recall: float
    f1: float
    support: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class Evaluation(Record, frozen=True, kw_only=True, tag="evaluation"):
    """One pass over a labelled split."""

    step: int
    epoch: int | None = None
    split: str
    fold: int | None = None
    loss: float | None = None
    f1_mean: float
    levels: list[LevelScores]
    classes: list[ClassScores] = []


class Checkpoint(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """A complete checkpoint at `path`, relative to the run's directory; `sha256` is of `model.safetensors`."""

    step: int
    epoch: int | None = None
    kind: str
    path: str
    bytes: int
    sha256: str
    f1_mean: float | None = None


class CheckpointDeleted(Record, frozen=True, kw_only=True, tag="checkpoint_deleted"):
    """The checkpoint at `path` was removed by the retention rule."""

    path: str


class Artifact(Record, frozen=True, kw_only=True, tag="artifact"):
    """Another output of the run: features, predictions, submission, plot, patch."""

    kind: str
    path: str
    bytes: int
    sha256: str
    meta: dict[str, str | int | float | bool | None] = {}


class State(Record, frozen=True, kw_only=True, tag="state"):
    """The run's own word on its state: `running`, `finished`, `stopped` or `failed` (with `error`)."""

    status: str
    error: str | None = None


class Environment(Record, frozen=True, kw_only=True, tag="environment"):
    """What is needed to repeat the run: command, git commit, versions, host, devices."""

    values: dict[str, str | int | float | bool | None]


class Resumed(Record, frozen=True, kw_only=True, tag="resumed"):
    """The run goes on from the checkpoint of `step`: whatever was reported for later steps is void.

    `step` -1 means from the beginning. System series are kept.
    """

    step: int
    attempt: int


AnyRecord = (
    Metrics
    | Progress
    | Evaluation
    | Checkpoint
    | CheckpointDeleted
    | Artifact
    | State
    | Environment
    | Resumed
)

_READ_BYTES = 4 << 20
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[AnyRecord] = msgspec.msgpack.Decoder(AnyRecord)


def decode(payload: bytes | memoryview) -> AnyRecord | None:
    """The record of a frame's payload; None where it is none."""
    try:
        return _decoder.decode(payload)
    except _UNREADABLE:
        return None


class Batch(NamedTuple):
    """Records read in one go: `offset` is where to read on, `more` says that another read would find some now."""

    records: list[AnyRecord]
    offset: int
    bad_frames: int = 0
    more: bool = False


class RecordWriter(FrameWriter):
    """Appends records to a record file, one `write` each; see `FrameWriter` for what it survives."""

    def record(self, record: AnyRecord) -> None:
        """Append one record.

        Raises:
            ValueError: the record is larger than a frame may be, or the writer is closed.
        """
        self.write(encode(record), type(record) is Metrics or type(record) is Progress)


def read_records(path: Path, offset: int = 0, *, max_bytes: int = _READ_BYTES) -> Batch:
    """Read the records after `offset`: about `max_bytes` of them, or one that is larger.

    A torn last frame is left for a later read. Damage is skipped and counted once a good frame follows it, so that
    `offset` only ever rests on the end of a good frame. A missing file, or one shorter than `offset`, reads as empty.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Batch([], offset)
    try:
        records: list[AnyRecord] = []
        position = offset
        bad_frames = 0
        for frame in frames(fd, offset):
            if records and frame.end - offset > max_bytes:
                return Batch(records, position, bad_frames, more=True)
            bad_frames += frame.skipped
            position = frame.end
            record = decode(frame.payload)
            if record is None:
                bad_frames += 1
            else:
                records.append(record)
        return Batch(records, position, bad_frames)
    finally:
        os.close(fd)
