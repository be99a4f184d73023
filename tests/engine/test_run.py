"""A run's process: how its stage's end becomes state, exit code and log; signals; lock; environment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.environment import describe_environment, write_patch
from engine.records import AnyRecord, Checkpoint, Environment, Metrics, State, read_records
from engine.run import FAILED, FINISHED, NOT_RUN, STOPPED, main
from engine.runlock import is_locked, read_holder
from engine.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
STAGE = """
import os, signal, sys, threading
from pathlib import Path
from engine.errors import DataError
from engine.recorder import StopRequested
from engine.run import run_stage
pause = threading.Event()
def until_told(context):
    step = 0
    while not context.recorder.should_stop():
        context.recorder.log(step, {"loss": 1.0})
        step += 1
        pause.wait(0.005)
def stage(context):
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "1-run"
    folder.mkdir(parents=True)
    return folder


def start(run_dir: Path, body: str) -> "subprocess.Popen[str]":
    script = run_dir.parents[1] / "script.py"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    script.write_text(f"{STAGE}{lines}\nsys.exit(run_stage(Path(sys.argv[1]), stage))\n")
    return subprocess.Popen(
        [sys.executable, str(script), str(run_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "REELTOP_SYSTEM_INTERVAL": "0.1"},
    )


def carry_out(run_dir: Path, body: str) -> tuple[int, str]:
    """Run a stage with this body to its end; its exit code and output."""
    process = start(run_dir, body)
    output, _ = process.communicate(timeout=30)
    return process.returncode, output


def records(run_dir: Path) -> list[AnyRecord]:
    batch = read_records(run_dir / "records.bin")
    assert batch.bad_frames == 0
    return batch.records


def states(run_dir: Path) -> list[tuple[str, str | None]]:
    return [(record.status, record.error) for record in records(run_dir) if isinstance(record, State)]


def wait_for_points(run_dir: Path, count: int = 5) -> None:
    deadline = time.monotonic() + 20
    pause = threading.Event()
    while (
        sum(isinstance(record, Metrics) for record in read_records(run_dir / "records.bin").records) < count
    ):
        assert time.monotonic() < deadline
        pause.wait(0.02)


def test_a_stage_that_returns_is_finished(run_dir: Path) -> None:
    code, _ = carry_out(run_dir, "context.recorder.log(1, {'loss': 1.0})")
    assert code == FINISHED
    assert states(run_dir) == [("running", None), ("finished", None)]
    assert isinstance(records(run_dir)[-1], State)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_stage_to_stop_and_a_second_is_not_more_violent(
    run_dir: Path, number: signal.Signals
) -> None:
    process = start(run_dir, "until_told(context)\npause.wait(0.3)\nprint('saved')\nraise StopRequested")
    wait_for_points(run_dir)
    process.send_signal(number)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == STOPPED
    assert "saved" in output
    assert states(run_dir)[-1] == ("stopped", None)


def test_a_closed_terminal_does_not_end_a_run(run_dir: Path) -> None:
    process = start(run_dir, "until_told(context)")
    wait_for_points(run_dir)
    process.send_signal(signal.SIGHUP)
    seen = len(records(run_dir))
    wait_for_points(run_dir, seen + 5)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == FINISHED


def test_an_error_of_a_person_is_one_line_without_a_traceback(run_dir: Path) -> None:
    code, output = carry_out(run_dir, "raise DataError('data/x: no annotations: name a data set')")
    assert code == FAILED
    assert states(run_dir)[-1] == ("failed", "data/x: no annotations: name a data set")
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise MemoryError('no 8 GiB')", "MemoryError: no 8 GiB: lower the batch size or use"),
        (
            "raise OSError(28, 'No space left on device', 'x')",
            "No space left on device: 'x': free some space",
        ),
        ("sys.exit(4)", "SystemExit: 4"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_any_other_error_is_recorded_with_its_type_and_a_traceback_in_the_log(
    run_dir: Path, body: str, message: str
) -> None:
    code, output = carry_out(run_dir, body)
    assert code == FAILED
    status, error = states(run_dir)[-1]
    assert status == "failed"
    assert error is not None
    assert message in error
    assert "Traceback (most recent call last)" in output


def test_log_lines_have_a_time_and_survive_text_that_the_terminal_cannot_write(run_dir: Path) -> None:
    _, output = carry_out(run_dir, "import logging\nlogging.info('epoch %d \\udcff', 3)")
    line = next(line for line in output.splitlines() if "epoch 3" in line)
    assert line.endswith("INFO epoch 3 \\udcff")
    assert line[:4].isdigit()


def test_the_machine_is_sampled_while_the_stage_works(run_dir: Path) -> None:
    carry_out(run_dir, "pause.wait(0.8)")
    samples = [record for record in records(run_dir) if isinstance(record, Metrics) and record.system]
    assert len(samples) >= 2
    rates = {f"system/{what}_mb_s" for what in ("net_received", "net_sent", "disk_read", "disk_written")}
    known = {"process/rss_gib", "process/cpu", "system/ram_gib", "system/disk_free_gib"}
    assert known | rates <= set(samples[-1].values)
    assert samples[-1].values["process/rss_gib"] > 0
    assert abs(samples[-1].step - time.time()) < 60


def test_the_run_works_in_the_workspace_and_holds_its_lock(run_dir: Path) -> None:
    process = start(run_dir, "Path('here').touch()\nuntil_told(context)")
    wait_for_points(run_dir)
    assert (run_dir.parents[1] / "here").exists()
    assert is_locked(run_dir)
    holder = read_holder(run_dir)
    assert holder is not None
    assert holder.pid == process.pid
    assert holder.alive()
    process.kill()
    process.communicate()
    assert not is_locked(run_dir)
    assert not holder.alive()


def test_a_forked_worker_neither_keeps_the_lock_nor_swallows_a_signal(run_dir: Path) -> None:
    body = (
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.pause()\n"
        "(context.run_dir / 'child').write_text(str(child))\n"
        "until_told(context)"
    )
    process = start(run_dir, body)
    wait_for_points(run_dir)
    child = int((run_dir / "child").read_text())
    process.kill()
    process.wait()
    assert not is_locked(run_dir)
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
    process.communicate()


def test_a_directory_in_use_and_a_missing_one_are_refused_in_one_line(run_dir: Path) -> None:
    process = start(run_dir, "until_told(context)")
    wait_for_points(run_dir)
    command = [sys.executable, "-m", "engine.run"]
    second = subprocess.run([*command, str(run_dir)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert second.returncode == NOT_RUN
    assert second.stderr.splitlines()[-1].endswith(f"is being run by process {process.pid}: stop it first")
    process.terminate()
    process.communicate()
    missing = subprocess.run([*command, "nowhere"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert missing.returncode == NOT_RUN
    assert missing.stderr.startswith("usage: ")


def test_a_folder_that_is_no_runs_is_refused_and_nothing_is_written_into_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    assert main([str(folder)]) == NOT_RUN
    assert f"{folder}: holds no config.yaml" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_the_attempt_comes_from_the_manifest(run_dir: Path) -> None:
    (run_dir / "run.json").write_text(json.dumps({"attempt": 3}))
    _, output = carry_out(run_dir, "print(context.resumed, context.recorder.attempt)")
    assert "True 3" in output


def test_a_config_that_is_wrong_fails_the_run_with_its_line(run_dir: Path) -> None:
    (run_dir / "config.yaml").write_text("stage: finetunee\n")
    command = [sys.executable, "-m", "engine.run", str(run_dir)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == FAILED
    status, error = states(run_dir)[-1]
    assert status == "failed"
    assert error is not None
    assert "config.yaml" in error
    assert "finetunee" in error
    environment = next(record for record in records(run_dir) if isinstance(record, Environment))
    assert environment.values["python"] == sys.version.split()[0]
    assert "torch==" in str(environment.values["packages"])


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_code_that_is_not_committed_is_kept_as_a_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init")
    code = tmp_path / "model.py"
    code.write_text("rate = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    monkeypatch.setattr("engine.environment._code_folder", lambda workspace: workspace)
    clean = describe_environment(tmp_path, Telemetry())
    assert clean["git_dirty"] is False
    assert len(str(clean["git_sha"])) == 40
    assert write_patch(tmp_path, tmp_path / "out" / "git.patch") is None
    code.write_text("rate = 2\n")
    assert describe_environment(tmp_path, Telemetry())["git_dirty"] is True
    patch = write_patch(tmp_path, tmp_path / "out" / "git.patch")
    assert patch is not None
    assert "+rate = 2" in patch.read_text()


def test_without_git_a_run_is_described_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    values = describe_environment(tmp_path, Telemetry())
    assert (values["git_sha"], values["git_dirty"]) == (None, None)
    assert write_patch(tmp_path, tmp_path / "git.patch") is None


def test_only_listed_environment_variables_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "swordfish")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    values = describe_environment(tmp_path, Telemetry())
    assert values["env.OMP_NUM_THREADS"] == "2"
    assert "swordfish" not in str(values)


def test_a_linked_runs_folder_leaves_the_workspace_where_it_is(tmp_path: Path) -> None:
    disk, workspace = tmp_path / "disk" / "store", tmp_path / "workspace"
    disk.mkdir(parents=True)
    workspace.mkdir()
    (workspace / "runs").symlink_to(disk)
    folder = workspace / "runs" / "1-run"
    folder.mkdir()
    body = (
        "print('root', context.workspace.root, os.getcwd())\n"
        "(context.run_dir / 'model.bin').touch()\n"
        "context.recorder.checkpoint(Path('model.bin'), step=1, kind='last')"
    )
    code, output = carry_out(folder, body)
    assert code == FINISHED, output
    assert f"root {workspace} {workspace}" in output
    assert [record.path for record in records(folder) if isinstance(record, Checkpoint)] == ["model.bin"]
