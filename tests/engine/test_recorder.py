"""What a stage reports arrives, in order, whatever the values are made of and however the process ends."""

import hashlib
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import recorder as recorder_module
from engine.recorder import Recorder
from engine.records import (
    AnyRecord,
    Artifact,
    Checkpoint,
    CheckpointDeleted,
    Environment,
    Evaluation,
    Metrics,
    Progress,
    Resumed,
    State,
    read_records,
)


def recorded(run_dir: Path) -> list[AnyRecord]:
    return read_records(run_dir / "records.bin").records


def points(run_dir: Path) -> list[tuple[int, dict[str, float]]]:
    return [(record.step, record.values) for record in recorded(run_dir) if isinstance(record, Metrics)]


def test_floats_tensors_and_numpy_scalars_are_logged_as_floats(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.log(
            3,
            {
                "float": 0.5,
                "int": 2,
                "numpy": np.float32(0.25),
                "tensor": torch.tensor(1.5),
                "half": torch.tensor(0.5, dtype=torch.bfloat16),
                "trained": torch.tensor(2.5, requires_grad=True),
            },
        )
    expected = {"float": 0.5, "int": 2.0, "numpy": 0.25, "tensor": 1.5, "half": 0.5, "trained": 2.5}
    assert points(tmp_path) == [(3, expected)]


def test_steps_of_numpy_are_readable_again(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.log(np.int64(4), {"loss": 1.0})
        recorder.progress(np.int64(4), 10)
    batch = read_records(tmp_path / "records.bin")
    assert batch.bad_frames == 0
    assert [type(record) for record in batch.records] == [Metrics, Progress]


def test_values_that_are_not_finite_are_legal(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.log(1, {"loss": math.nan, "norm": torch.tensor(math.inf)})
    ((_, values),) = points(tmp_path)
    assert math.isnan(values["loss"])
    assert values["norm"] == math.inf


def test_a_point_is_in_the_file_when_log_returns(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.log(1, {"loss": 1.0})
    assert points(tmp_path) == [(1, {"loss": 1.0})]
    recorder.close()


class FakeScalar:
    """A 0-d tensor on a device that is `behind`: reading its value any other way than by the copy fails."""

    is_cuda = True

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        raise AssertionError("item() waits for the device")

    __float__ = item


class FakeDevice:
    """Stands in for the copy to pinned memory, which needs a GPU: copies arrive when the test says so."""

    def __init__(self) -> None:
        self.arrived = False
        self.waited = 0

    def copy(self, tensors: dict[str, FakeScalar]) -> "FakeCopy":
        return FakeCopy(self, tensors)


class FakeCopy:
    def __init__(self, device: FakeDevice, tensors: dict[str, FakeScalar]) -> None:
        self._device = device
        self._values = {key: tensor.value for key, tensor in tensors.items()}

    def arrived(self) -> bool:
        return self._device.arrived

    def values(self) -> dict[str, float]:
        if not self._device.arrived:
            self._device.waited += 1
        return self._values


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    fake = FakeDevice()
    monkeypatch.setattr(recorder_module, "_DeviceCopy", fake.copy)
    return fake


def log_from_device(recorder: Recorder, step: int) -> None:
    values: dict[str, Any] = {"lr": 0.1, "loss": FakeScalar(float(step)), "norm": FakeScalar(2.0)}
    recorder.log(step, values)


def test_values_on_a_device_are_not_waited_for(tmp_path: Path, device: FakeDevice) -> None:
    recorder = Recorder(tmp_path)
    log_from_device(recorder, 1)
    recorder.progress(1, 10)
    assert not recorder.should_stop()
    assert device.waited == 0
    assert points(tmp_path) == []
    device.arrived = True
    recorder.progress(1, 10)
    assert points(tmp_path) == [(1, {"lr": 0.1, "loss": 1.0, "norm": 2.0})]
    recorder.close()


def test_values_on_a_device_are_written_in_order_with_the_next_call_at_the_latest(
    tmp_path: Path, device: FakeDevice
) -> None:
    recorder = Recorder(tmp_path)
    log_from_device(recorder, 1)
    log_from_device(recorder, 2)
    assert [step for step, _ in points(tmp_path)] == [1]
    recorder.log(3, {"loss": 3.0})
    assert [step for step, _ in points(tmp_path)] == [1, 2, 3]
    assert list(points(tmp_path)[0][1]) == ["lr", "loss", "norm"]
    recorder.close()


@pytest.mark.parametrize("ending", ["close", "state", "stop", "exception"])
def test_values_on_a_device_are_written_however_the_run_ends(
    tmp_path: Path, device: FakeDevice, ending: str
) -> None:
    recorder = Recorder(tmp_path)
    log_from_device(recorder, 1)
    match ending:
        case "close":
            recorder.close()
        case "state":
            recorder.state("finished")
        case "stop":
            recorder.request_stop()
            assert recorder.should_stop()
        case "exception":
            with pytest.raises(ZeroDivisionError), recorder:
                raise ZeroDivisionError
    assert [step for step, _ in points(tmp_path)] == [1]
    recorder.close()


def test_a_script_that_forgets_to_close_loses_nothing_at_exit(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import engine.recorder as module\n"
        "class Copy:\n"
        "    def __init__(self, tensors): pass\n"
        "    def values(self): return {'loss': 7.0}\n"
        "class Tensor: is_cuda = True\n"
        "module._DeviceCopy = Copy\n"
        "module.Recorder(Path(sys.argv[1])).log(1, {'loss': Tensor()})\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert points(tmp_path) == [(1, {"loss": 7.0})]


def test_points_outlive_kill_9(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from engine.recorder import Recorder\n"
        "recorder = Recorder(Path(sys.argv[1]))\n"
        "for step in range(1000): recorder.log(step, {'loss': 1.0})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [step for step, _ in points(tmp_path)] == list(range(1000))


def test_a_forked_child_that_ends_writes_nothing_of_its_parents(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; import engine.recorder as module\n"
        "class Copy:\n"
        "    def __init__(self, tensors): pass\n"
        "    def values(self): return {'loss': 7.0}\n"
        "class Tensor: is_cuda = True\n"
        "module._DeviceCopy = Copy\n"
        "module.Recorder(Path(sys.argv[1])).log(1, {'loss': Tensor()})\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert points(tmp_path) == [(1, {"loss": 7.0})]


def test_checkpoints_and_artifacts_carry_size_and_digest(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "epoch-1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_bytes(b"{}")
    table = tmp_path / "artifacts" / "result.csv"
    table.parent.mkdir()
    table.write_bytes(b"id,category_id\n")
    with Recorder(tmp_path) as recorder:
        recorder.checkpoint(folder, step=10, epoch=1, kind="best", f1_mean=0.5)
        recorder.artifact("submission", table, rows=0)
        recorder.checkpoint_deleted(folder)
    checkpoint, artifact, deleted = recorded(tmp_path)
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.path == "checkpoints/epoch-1"
    assert checkpoint.bytes == 9
    assert checkpoint.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert isinstance(artifact, Artifact)
    assert artifact.sha256 == hashlib.sha256(b"id,category_id\n").hexdigest()
    assert artifact.meta == {"rows": 0}
    assert isinstance(deleted, CheckpointDeleted)
    assert deleted.path == checkpoint.path


def test_an_output_outside_the_run_directory_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.csv"
    outside.write_bytes(b"")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with Recorder(run_dir) as recorder, pytest.raises(ValueError, match="elsewhere"):
        recorder.artifact("submission", outside)


def test_an_evaluation_is_scored_recorded_and_returned(tmp_path: Path) -> None:
    from engine.data.taxonomy import Taxonomy

    taxonomy = Taxonomy.from_codes(["0101", "0102", "0201"], {})
    with Recorder(tmp_path) as recorder:
        scores = recorder.evaluation(
            split="val",
            y_true=np.array([0, 1, 2, 2]),
            y_pred=np.array([0, 0, 2, 2]),
            taxonomy=taxonomy,
            step=5,
            epoch=1,
            fold=0,
            loss=torch.tensor(0.5),
        )
    (record,) = recorded(tmp_path)
    assert isinstance(record, Evaluation)
    assert record.f1_mean == scores.f1_mean
    assert [(level.level, level.accuracy) for level in record.levels] == [(1, 1.0), (2, 0.75)]
    assert record.loss == 0.5


def test_text_that_utf8_cannot_write_is_recorded_all_the_same(tmp_path: Path) -> None:
    with Recorder(tmp_path, attempt=2) as recorder:
        recorder.state("failed", "no such file: \udcff")
        recorder.environment({"command": "\udcff", "cores": 2})
        recorder.resumed(-1)
    batch = read_records(tmp_path / "records.bin")
    assert batch.bad_frames == 0
    state, environment, resumed = batch.records
    assert isinstance(state, State)
    assert state.error == "no such file: \\udcff"
    assert isinstance(environment, Environment)
    assert environment.values == {"command": "\\udcff", "cores": 2}
    assert isinstance(resumed, Resumed)
    assert (resumed.step, resumed.attempt) == (-1, 2)
