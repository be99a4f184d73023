"""Frames in an append-only file: length, CRC-32 and payload, readable after any kill and past any damage.

Layout, little-endian: magic (4 bytes), payload length (u32), CRC-32 of the payload (u32), payload.
"""

import os
import struct
import sys
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

MAGIC = b"\xa7RT1"
MAX_PAYLOAD_BYTES = 16 << 20
HEADER = struct.Struct("<4sII")
BACKLOG_BYTES = 64 << 20
_DRAIN_BYTES = 1 << 20
_pack_header, _crc32, _write = HEADER.pack, zlib.crc32, os.write


class Frame(NamedTuple):
    """A good frame found in a file; `skipped` counts the bad ones between it and the one before."""

    payload: memoryview
    end: int
    skipped: int


def frames(fd: int, offset: int) -> Iterator[Frame]:
    """Every good frame at or after `offset`, of the file as long as it is now.

    Ends at a torn tail, and at damage that no good frame follows.
    """
    # A frame that a writer is just appending is not there or torn: were more read later, what it appends next would
    # make that frame look like damage in the middle.
    window = _Window(fd, os.fstat(fd).st_size)
    position = offset
    while True:
        skipped = 0
        payload = _payload_at(window, position)
        while payload is None:
            skipped += 1
            found = window.find(MAGIC, position + 1)
            if found is None:
                return
            position = found
            payload = _payload_at(window, position)
        position += HEADER.size + len(payload)
        yield Frame(payload, position, skipped)


def _payload_at(window: "_Window", start: int) -> memoryview | None:
    header = window.read(start, HEADER.size)
    if len(header) < HEADER.size:
        return None
    magic, length, crc = HEADER.unpack(header)
    if magic != MAGIC or length > MAX_PAYLOAD_BYTES:
        return None
    payload = window.read(start + HEADER.size, length)
    return payload if len(payload) == length and _crc32(payload) == crc else None


class _Window:
    """A moving view of an open file up to `end`, so that looking at any part of it takes bounded memory."""

    _STEP = 1 << 20

    def __init__(self, fd: int, end: int) -> None:
        self._fd = fd
        self._end = end
        self._start = 0
        self._data = b""

    def read(self, start: int, length: int) -> memoryview:
        """The bytes from `start`, fewer than `length` where the view ends."""
        if start < self._start or start + length > self._start + len(self._data):
            self._load(start, length)
        first = start - self._start
        return memoryview(self._data)[first : first + length]

    def find(self, needle: bytes, start: int) -> int | None:
        """Position of the first `needle` at or after `start`."""
        if not self._start <= start <= self._start + len(self._data):
            self._load(start, len(needle))
        while True:
            index = self._data.find(needle, start - self._start)
            if index >= 0:
                return self._start + index
            start = max(start, self._start + len(self._data) - len(needle) + 1)
            self._load(start, len(needle))
            if len(self._data) < len(needle):
                return None

    def _load(self, start: int, length: int) -> None:
        length = min(max(length, self._STEP), self._end - start)
        parts = []
        position = start
        while length > 0 and (part := os.pread(self._fd, length, position)):
            parts.append(part)
            position += len(part)
            length -= len(part)
        self._start = start
        self._data = parts[0] if len(parts) == 1 else b"".join(parts)


class FrameWriter:
    """Appends frames to a file: one `write` each, from any thread, outliving kill -9 and a full disk.

    Opening cuts off the torn frame that a killed writer may have left. When the disk refuses a write, frames wait in
    memory and go out, in order, with a later call; past `backlog_bytes` the oldest droppable ones are given up and
    counted. The first trouble and its end are said on standard error; nothing is raised.
    """

    def __init__(self, path: Path, *, backlog_bytes: int = BACKLOG_BYTES) -> None:
        self.path = path
        self.dropped = 0
        self._backlog: deque[tuple[bytes, bool]] = deque()
        self._backlog_size = 0
        self._backlog_limit = backlog_bytes
        self._head_written = 0
        self._troubled = False
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        end = 0
        for found in frames(self._fd, 0):
            end = found.end
        if end < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, end)

    @property
    def waiting(self) -> int:
        """Frames that the disk has refused so far."""
        return len(self._backlog)

    def write(self, payload: bytes, droppable: bool = False) -> None:
        """Append one frame. Returns when the kernel has it, or when it waits because the disk refuses it.

        Raises:
            ValueError: the payload is larger than `MAX_PAYLOAD_BYTES`, or the writer is closed.
        """
        # Called between the steps of a training loop, when no cache remembers it: every call saved here shows.
        length = len(payload)
        if length > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a record of {length} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
        frame = _pack_header(MAGIC, length, _crc32(payload)) + payload
        with self._lock:
            if self._backlog:
                self._enqueue(frame, droppable)
                self._drain()
                return
            try:
                written = _write(self._fd, frame)
            except OSError as error:
                if self._fd < 0:
                    raise ValueError(f"{self.path} is closed for writing") from None
                self._report(error)
                written = 0
            if written != len(frame):
                self._head_written = written
                self._enqueue(frame, droppable)

    def flush(self) -> bool:
        """Try again to write what waits; whether everything is written now."""
        with self._lock:
            if self._fd >= 0:
                self._drain()
            return not self._backlog

    def close(self) -> None:
        """Write what waits if the disk lets it, and sync the file."""
        with self._lock:
            if self._fd < 0:
                return
            self._drain()
            if self._backlog:
                complain(f"{len(self._backlog)} records of {self.path} are lost: the disk still refuses them")
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _report(self, error: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            complain(f"cannot write {self.path} ({error.strerror}): the run goes on, its records wait")

    def _enqueue(self, frame: bytes, droppable: bool) -> None:
        self._backlog.append((frame, droppable))
        self._backlog_size += len(frame)
        while self._backlog_size > self._backlog_limit and self._drop_oldest():
            pass

    def _drop_oldest(self) -> bool:
        # A frame that is partly in the file already must be completed, or it would spoil what follows.
        for index in range(1 if self._head_written else 0, len(self._backlog)):
            frame, droppable = self._backlog[index]
            if droppable:
                del self._backlog[index]
                self._backlog_size -= len(frame)
                if self.dropped == 0:
                    complain(f"{self.path}: too much waits for the disk, the oldest points are dropped")
                self.dropped += 1
                return True
        return False

    def _drain(self) -> None:
        budget = 0  # one frame first: while the disk still refuses, a call must stay cheap
        while self._backlog:
            chunk = bytearray(memoryview(self._backlog[0][0])[self._head_written :])
            for frame, _ in islice(self._backlog, 1, None):
                if len(chunk) + len(frame) > budget:
                    break
                chunk += frame
            try:
                written = _write(self._fd, chunk)
            except OSError as error:
                self._report(error)
                return
            done = self._head_written + written
            while self._backlog and done >= len(self._backlog[0][0]):
                size = len(self._backlog.popleft()[0])
                done -= size
                self._backlog_size -= size
            self._head_written = done
            if written < len(chunk):
                return
            budget = _DRAIN_BYTES
        if self._troubled:
            self._troubled = False
            lost = f"; {self.dropped} points were dropped" if self.dropped else ""
            complain(f"{self.path} can be written again{lost}")


def complain(message: str) -> None:
    """One line on standard error, which may be on the same full disk."""
    with suppress(OSError, ValueError):
        print(f"reeltop: {message}", file=sys.stderr, flush=True)
