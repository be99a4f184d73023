"""Whether a checkpoint's weights are still those that its run recorded when it wrote them."""

import hashlib
import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from engine.errors import DataError
from engine.framing import HEADER, MAGIC
from engine.records import RECORDS_FILE, AnyRecord, Checkpoint, CheckpointDeleted, Resumed, decode

# How the payloads of these records begin, after the byte that counts their fields: the other million need no reading.
_WANTED = re.compile(rb"\xa4type(?:\xaacheckpoint|\xb2checkpoint_deleted|\xa7resumed)")
_MOST_BYTES = 1 << 16  # of such a record


def require_as_recorded(checkpoint: Path, weights: str) -> None:
    """Compare the SHA-256 of a checkpoint's file of weights with what its run recorded.

    A checkpoint that lies in no run's directory, or was not reported yet, has nothing to be compared with.

    Raises:
        DataError: they differ: the file was changed, or the disk has damaged it.
    """
    recorded = recorded_sha256(checkpoint)
    if recorded is None:
        return
    try:
        with (checkpoint / weights).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return  # whoever reads the weights says best what is wrong with the file
    if found != recorded:
        raise DataError(
            f"checkpoint {checkpoint}: {weights} is not what its run recorded (SHA-256 {found[:12]}, recorded "
            f"{recorded[:12]}), so it was changed or damaged; use another checkpoint (to resume, remove this folder: "
            "the one before is taken), or copy it out of the run's directory to use it as it is"
        )


def recorded_sha256(checkpoint: Path) -> str | None:
    """The digest in the last valid report of the folder `RUN_DIR/checkpoints/NAME`; None where there is none."""
    path = f"{checkpoint.parent.name}/{checkpoint.name}"
    reported: dict[str, Checkpoint] = {}
    for record in _reports(checkpoint.parent.parent / RECORDS_FILE):
        if isinstance(record, Checkpoint):
            reported[record.path] = record
        elif isinstance(record, CheckpointDeleted):
            reported.pop(record.path, None)
        elif isinstance(record, Resumed):
            reported = {name: one for name, one in reported.items() if one.step <= record.step}
    found = reported.get(path)
    return None if found is None else found.sha256


def _reports(path: Path) -> Iterator[AnyRecord]:
    """The records of checkpoints and resumptions in a record file, in order; none where there is no file."""
    if not path.is_file():
        return
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for match in _WANTED.finditer(data):
                begin = match.start() - 1 - HEADER.size
                if begin < 0:
                    continue
                magic, length, crc = HEADER.unpack_from(data, begin)
                payload = data[begin + HEADER.size : begin + HEADER.size + min(length, _MOST_BYTES)]
                # What only looks like a record, within a text of another one, has no such header before it.
                if magic == MAGIC and len(payload) == length and zlib.crc32(payload) == crc:
                    record = decode(payload)
                    if record is not None:
                        yield record
    except (OSError, ValueError):  # an empty file cannot be mapped
        return
