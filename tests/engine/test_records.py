"""The record file keeps what was written, whatever happens to the file, the writer or the disk."""

import errno
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import framing
from engine.framing import HEADER, MAGIC, MAX_PAYLOAD_BYTES
from engine.records import (
    AnyRecord,
    Evaluation,
    LevelScores,
    Metrics,
    RecordWriter,
    State,
    encode,
    read_records,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.bin"


def point(step: int, **values: float) -> Metrics:
    return Metrics(time=1000.0 + step, step=step, values=values or {"loss": float(step)})


def write(path: Path, *records: AnyRecord) -> list[int]:
    """Write the records; returns the offset after each."""
    writer = RecordWriter(path)
    ends = []
    for record in records:
        writer.record(record)
        ends.append(path.stat().st_size)
    writer.close()
    return ends


def packed(record: AnyRecord) -> bytes:
    return _pack(encode(record))


def _pack(payload: bytes) -> bytes:
    return HEADER.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def steps(records: list[AnyRecord]) -> list[int]:
    return [record.step for record in records if isinstance(record, Metrics)]


def test_what_is_written_is_read_back_equal(path: Path) -> None:
    evaluation = Evaluation(
        time=1.5,
        step=7,
        split="val",
        f1_mean=0.5,
        levels=[LevelScores(level=1, f1_micro=0.25, f1_macro=0.125, accuracy=1.0)],
    )
    state = State(time=2.0, status="failed", error="視頻 \x1b[31m\0")
    write(path, point(1), evaluation, state)
    assert read_records(path).records == [point(1), evaluation, state]


def test_values_that_are_not_finite_are_kept(path: Path) -> None:
    write(path, point(1, a=math.nan, b=math.inf, c=-math.inf))
    (record,) = read_records(path).records
    assert isinstance(record, Metrics)
    assert math.isnan(record.values["a"])
    assert record.values["b"] == math.inf
    assert record.values["c"] == -math.inf


def test_reading_goes_on_from_the_offset(path: Path) -> None:
    ends = write(path, point(1), point(2))
    first = read_records(path)
    assert first.offset == ends[-1]
    assert read_records(path, first.offset).records == []
    write(path, point(3))
    assert steps(read_records(path, first.offset).records) == [3]


def test_a_missing_file_and_an_offset_past_the_end_read_as_empty(path: Path) -> None:
    assert read_records(path, 12) == ([], 12, 0, False)
    write(path, point(1))
    assert read_records(path, 10_000) == ([], 10_000, 0, False)


def test_large_files_come_in_batches_that_lose_nothing(path: Path) -> None:
    write(path, *(point(step) for step in range(2000)))
    found: list[int] = []
    offset = batches = 0
    more = True
    while more:
        records, offset, bad, more = read_records(path, offset, max_bytes=10_000)
        found += steps(records)
        batches += 1
        assert bad == 0
    assert found == list(range(2000))
    assert batches > 5


def test_a_record_larger_than_a_batch_is_read_alone(path: Path) -> None:
    large = State(time=1.0, status="failed", error="x" * 3_000_000)
    write(path, point(1), large, point(2))
    first = read_records(path, max_bytes=1000)
    second = read_records(path, first.offset, max_bytes=1000)
    assert steps(first.records) == [1]
    assert first.more
    assert second.records == [large]
    assert steps(read_records(path, second.offset).records) == [2]


@pytest.mark.parametrize("missing", [1, 5, 20])
def test_a_torn_last_frame_is_left_until_it_is_complete(path: Path, missing: int) -> None:
    ends = write(path, point(1), point(2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-missing])
    batch = read_records(path)
    assert (steps(batch.records), batch.offset, batch.bad_frames) == ([1], ends[0], 0)
    path.write_bytes(whole)
    assert steps(read_records(path, batch.offset).records) == [2]


def test_opening_for_writing_cuts_the_torn_frame_of_a_killed_writer(path: Path) -> None:
    write(path, point(1), point(2))
    path.write_bytes(path.read_bytes()[:-3])
    write(path, point(3))
    batch = read_records(path)
    assert steps(batch.records) == [1, 3]
    assert batch.bad_frames == 0


def test_a_bad_frame_in_the_middle_is_skipped_and_counted(path: Path) -> None:
    ends = write(path, point(1), point(2), point(3))
    data = bytearray(path.read_bytes())
    data[ends[0] + HEADER.size + 3] ^= 0xFF
    path.write_bytes(data)
    batch = read_records(path)
    assert steps(batch.records) == [1, 3]
    assert batch.bad_frames == 1
    assert batch.offset == ends[2]


def test_damage_at_the_end_is_not_consumed_before_a_good_frame_follows(path: Path) -> None:
    ends = write(path, point(1), point(2))
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)
    assert read_records(path).offset == ends[0]
    with path.open("ab") as file:
        file.write(_pack(b"\xc0"))
    batch = read_records(path)
    assert batch.bad_frames == 2  # the damaged one, and one that is no record
    assert batch.offset == path.stat().st_size


@pytest.mark.parametrize("length", [MAX_PAYLOAD_BYTES + 1, 2**32 - 1, MAX_PAYLOAD_BYTES])
def test_a_bogus_length_does_not_hide_what_follows(path: Path, length: int) -> None:
    write(path, point(1))
    with path.open("ab") as file:
        file.write(struct.pack("<4sII", MAGIC, length, 0) + b"rubbish" + packed(point(2)))
    batch = read_records(path)
    assert steps(batch.records) == [1, 2]
    assert batch.bad_frames == 1


def test_megabytes_of_rubbish_are_passed_over(path: Path) -> None:
    write(path, point(1))
    with path.open("ab") as file:
        file.write(os.urandom(5_000_000) + packed(point(2)))
    before = read_records(path)
    assert steps(before.records) == [1]
    assert before.more
    after = read_records(path, before.offset)
    assert (steps(after.records), after.bad_frames, after.offset) == ([2], 1, path.stat().st_size)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_single_damage_costs_at_most_the_frames_it_touches(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damage") / "records.bin"
    ends = write(path, *(point(step) for step in range(20)))
    raw = bytearray(path.read_bytes())
    first = data.draw(st.integers(0, len(raw) - 1))
    rubbish = data.draw(st.binary(min_size=1, max_size=40))
    raw[first : first + len(rubbish)] = rubbish[: len(raw) - first]
    path.write_bytes(raw)
    last = min(first + len(rubbish), len(raw)) - 1
    begins = [0, *ends[:-1]]
    untouched = [
        step
        for step, (begin, end) in enumerate(zip(begins, ends, strict=True))
        if end <= first or begin > last
    ]
    found = steps(read_records(path).records)
    assert [step for step in untouched if step not in found] == []


def test_a_reader_never_takes_a_frame_that_is_just_being_written_for_damage(path: Path) -> None:
    writer = RecordWriter(path)
    done = threading.Event()

    def work() -> None:
        step = 0
        while not done.is_set():
            writer.record(point(step, **{f"value-{number}": 1.0 for number in range(step % 40)}))
            step += 1

    thread = threading.Thread(target=work)
    thread.start()
    found: list[int] = []
    offset = bad = 0
    try:
        while len(found) < 30_000:
            batch = read_records(path, offset)
            found += steps(batch.records)
            offset = batch.offset
            bad += batch.bad_frames
    finally:
        done.set()
        thread.join()
        writer.close()
    assert bad == 0
    assert found == list(range(len(found)))


def test_all_that_was_written_is_there_after_kill_9(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from engine.records import *\n"
        "writer = RecordWriter(Path(sys.argv[1]))\n"
        "for step in range(10**9):\n"
        "    writer.record(Metrics(time=0.0, step=step, values={'loss': 1.0}))\n"
        "    if step % 500 == 499: print(step, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = steps(read_records(path).records)
    assert found == list(range(len(found)))
    assert len(found) > acknowledged


class FullDisk:
    """Stands in for `os.write` on the record file: takes `space` bytes, then refuses as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, space: int) -> None:
        self.space = space
        self._write = os.write
        monkeypatch.setattr(framing, "_write", self)

    def __call__(self, fd: int, data: bytes) -> int:
        if self.space <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(fd, bytes(data[: self.space]))
        self.space -= written
        return written


def test_a_full_disk_delays_records_and_loses_none(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = RecordWriter(path)
    disk = FullDisk(monkeypatch, 1000)  # the frame at the edge is written in part
    for step in range(100):
        writer.record(point(step))
    assert writer.waiting > 50
    assert read_records(path).bad_frames == 0
    disk.space = 10**9
    writer.record(point(100))
    assert writer.waiting == 0
    writer.close()
    batch = read_records(path)
    assert steps(batch.records) == list(range(101))
    assert batch.bad_frames == 0
    said = capsys.readouterr().err
    assert said.count("No space left on device") == 1
    assert said.count("can be written again") == 1


def test_the_kernels_own_refusal_is_outlived_too(path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from engine.records import *\n"
        "writer = RecordWriter(Path(sys.argv[1]))\n"
        "def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "limit(1000)\n"
        "for step in range(100): writer.record(Metrics(time=0.0, step=step, values={'loss': 1.0}))\n"
        "print(writer.waiting)\n"
        "limit(resource.RLIM_INFINITY)\n"
        "writer.record(Metrics(time=0.0, step=100, values={'loss': 1.0}))\n"
        "print(writer.waiting)\n"
        "writer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    waiting_before, waiting_after = map(int, done.stdout.split())
    assert waiting_before > 50
    assert waiting_after == 0
    batch = read_records(path)
    assert (steps(batch.records), batch.bad_frames) == (list(range(101)), 0)
    assert done.stderr.count("cannot write") == 1


def test_past_its_bound_the_backlog_gives_up_the_oldest_points_but_no_result(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = RecordWriter(path, backlog_bytes=2000)
    disk = FullDisk(monkeypatch, 20)
    writer.record(State(time=0.0, status="running"))
    for step in range(200):
        writer.record(point(step))
    disk.space = 10**9
    writer.close()
    batch = read_records(path)
    found = steps(batch.records)
    assert isinstance(batch.records[0], State)
    assert found == list(range(200 - len(found), 200))
    assert writer.dropped == 200 - len(found) > 0
    assert batch.bad_frames == 0
    assert f"{writer.dropped} points were dropped" in capsys.readouterr().err


def test_threads_do_not_tear_each_others_frames(path: Path) -> None:
    writer = RecordWriter(path)

    def work(number: int) -> None:
        for step in range(500):
            writer.record(point(step, **{f"thread{number}": 1.0}))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    batch = read_records(path)
    assert batch.bad_frames == 0
    for number in range(4):
        mine = [r.step for r in batch.records if isinstance(r, Metrics) and f"thread{number}" in r.values]
        assert mine == list(range(500))


def test_writing_after_closing_is_refused(path: Path) -> None:
    writer = RecordWriter(path)
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.record(point(1))


def test_a_record_beyond_the_bound_on_frames_is_refused_before_it_is_written(path: Path) -> None:
    writer = RecordWriter(path)
    with pytest.raises(ValueError, match="over the limit"):
        writer.record(State(time=0.0, status="failed", error="x" * (MAX_PAYLOAD_BYTES + 1)))
    writer.close()
    assert path.stat().st_size == 0
