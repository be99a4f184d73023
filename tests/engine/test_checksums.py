"""The weights of a checkpoint are compared with what its run recorded of them, whoever loads them."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.checksums import recorded_sha256
from engine.errors import DataError
from engine.framing import HEADER
from engine.models.checkpoint import read_weights
from engine.recorder import Recorder
from engine.records import RECORDS_FILE

WEIGHTS = "model.safetensors"


def save(recorder: Recorder, step: int, value: float, kind: str = "epoch") -> Path:
    folder = recorder.run_dir / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.full(64, value, np.float32)}, folder / WEIGHTS)
    recorder.checkpoint(folder, step=step, kind=kind)
    return folder


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    (tmp_path / "run").mkdir()
    return Recorder(tmp_path / "run")


def test_weights_that_were_changed_after_they_were_recorded_are_refused(recorder: Recorder) -> None:
    whole, changed = save(recorder, 1, 1.0), save(recorder, 2, 2.0)
    data = bytearray((changed / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (changed / WEIGHTS).write_bytes(data)
    with pytest.raises(DataError, match=r"step-00000002: model\.safetensors is not what its run recorded"):
        read_weights(changed)
    assert read_weights(whole)["w"][0] == 1


def test_copied_out_of_its_run_a_checkpoint_is_used_as_it_is(recorder: Recorder, tmp_path: Path) -> None:
    folder = save(recorder, 1, 1.0)
    copy = tmp_path / "copy"
    save_file({"w": np.zeros(1, np.float32)}, folder / WEIGHTS)
    folder.rename(copy)
    assert len(read_weights(copy)["w"]) == 1
    assert recorded_sha256(copy) is None


def test_the_last_report_counts_and_those_that_a_resumption_or_removal_made_void_do_not(
    recorder: Recorder,
) -> None:
    first, second = save(recorder, 1, 1.0), save(recorder, 2, 1.0)
    earlier = recorded_sha256(second)
    save(recorder, 2, 2.0, kind="best")
    assert recorded_sha256(second) not in (None, earlier)
    recorder.resumed(1)
    assert recorded_sha256(second) is None
    assert recorded_sha256(first) == earlier
    recorder.checkpoint_deleted(first)
    assert recorded_sha256(first) is None


def test_only_frames_count_and_a_damaged_file_hides_none_behind_the_damage(recorder: Recorder) -> None:
    one = save(recorder, 1, 1.0)
    recorded = recorded_sha256(one)
    report = (recorder.run_dir / RECORDS_FILE).read_bytes()
    other = report[HEADER.size :].replace(b"step-00000001", b"step-00000002")
    recorder.state("running", f"{report.decode('latin-1')}")
    recorder.log(1, {"\xa4type\xaacheckpoint": 1.0})
    with (recorder.run_dir / RECORDS_FILE).open("ab") as file:
        file.write(HEADER.pack(b"\xa7RT2", len(other), zlib.crc32(other)) + other)  # of another format
        file.write(b"\x8a\xa4type\xaacheckpoint" + report.replace(b"step-00000001", b"step-00000002"))
    two = save(recorder, 3, 3.0)
    assert recorded_sha256(one) == recorded
    assert recorded_sha256(recorder.run_dir / "checkpoints" / "step-00000002") is None
    assert recorded_sha256(two) not in (None, recorded)


def test_a_run_directory_without_usable_records_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "step-00000001"
    for data in (None, b"", b"\xa4type\xaacheckpoint"):
        if data is not None:
            (tmp_path / RECORDS_FILE).write_bytes(data)
        assert recorded_sha256(folder) is None
