"""From sample data to a submission through the command line, with real processes; and broken data on the way."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.data.sample import make_sample
from engine.data.tiny_models import make_tiny_models

Reeltop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.timeout(600)  # nine processes import torch before the first test begins


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("slice")
    make_sample(root / "data" / "sample", videos=60, classes=6, seed=3)
    make_tiny_models(root / "data" / "sample", root / "models" / "sample", hidden=32, layers=1, image_size=32)
    yield root
    for process in psutil.process_iter(["cmdline"]):
        if str(root) in " ".join(process.info["cmdline"] or ()):
            process.terminate()


@pytest.fixture(scope="module")
def reeltop(workspace: Path) -> Reeltop:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REELTOP_")}
    environment["REELTOP_CPU_SLOTS"] = "2"

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def loaded(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SETTINGS = ("training.epochs=3", "training.batch_size=16", "training.ema=0.5", "data.folds=3")
PIPELINE = ("run", "configs/sample/pipeline.yaml", *(part for text in SETTINGS for part in ("--set", text)))
MODELS = ["model-1", "model-2", "model-3", "model-4"]


@pytest.fixture(scope="module")
def pipeline(workspace: Path, reeltop: Reeltop) -> list[dict[str, Any]]:
    """The sample pipeline, run to its end."""
    assert reeltop("init").returncode == 0
    runs = loaded(reeltop(*PIPELINE, "--wait", "--json"))
    assert {run["name"] for run in runs} == {
        "features",
        "pretrain",
        "contrast",
        *MODELS,
        "baseline",
        "ensemble",
    }
    assert [run["name"] for run in runs if run["status"] != "finished" or run["reused"]] == []
    return list(runs)


def test_the_best_run_shows_scores_at_both_levels_and_what_it_was_made_from(
    pipeline: list[dict[str, Any]], reeltop: Reeltop
) -> None:
    best = loaded(reeltop("show", "@best", "--json"))
    assert best["f1_mean"] == max(run["f1_mean"] or 0.0 for run in pipeline)
    shown = loaded(reeltop("show", "model-1", "--json"))
    assert shown["f1_mean"] == max(evaluation["f1_mean"] for evaluation in shown["evaluations"])
    for evaluation in shown["evaluations"]:
        assert [set(level) for level in evaluation["levels"]] == [
            {"level", "f1_micro", "f1_macro", "accuracy"}
        ] * 2
        four = [level[kind] for level in evaluation["levels"] for kind in ("f1_micro", "f1_macro")]
        assert evaluation["f1_mean"] == pytest.approx(sum(four) / 4)
    assert [(given["role"], given["source_name"], given["which"]) for given in shown["inputs"]] == [
        ("init", "pretrain", "last")
    ]
    assert {"best", "epoch"} <= {saved["kind"] for saved in shown["checkpoints"]}
    assert {"train/loss", "val/f1_mean", "speed/videos"} <= {metric["key"] for metric in shown["metrics"]}
    assert shown["env"]["python"]
    assert shown["config"]["training"]["epochs"] == 3


def test_the_ensemble_weighs_its_members_and_writes_the_submission(
    pipeline: list[dict[str, Any]], workspace: Path, reeltop: Reeltop
) -> None:
    shown = loaded(reeltop("show", "ensemble", "--json"))
    assert [given["source_name"] for given in shown["inputs"]] == [*MODELS, "baseline"]
    submission = workspace / shown["directory"] / "artifacts" / "submission.csv"
    scores = loaded(reeltop("score", str(submission), "data/sample/truth/test.csv", "--json"))
    assert 0 < scores["f1_mean"] <= 1


def test_queued_again_only_what_changed_runs(
    pipeline: list[dict[str, Any]], workspace: Path, reeltop: Reeltop
) -> None:
    again = loaded(reeltop(*PIPELINE, "--wait", "--json"))
    assert [(run["id"], run["reused"]) for run in again] == [(run["id"], True) for run in pipeline]
    plan = loaded(reeltop(*PIPELINE, "--set", "training.adversarial.eps=0.2", "--dry-run", "--json"))
    assert sorted(run["name"] for run in plan if not run["reused"]) == ["ensemble", *MODELS]
    by_name = {run["name"]: run["id"] for run in pipeline}
    (first,) = [run for run in plan if run["name"] == "model-1"]
    assert (first["estimate"]["from_run"], first["estimate"]["rate"]) == (by_name["model-1"], None)
    assert [run["reuses"] for run in plan if run["name"] == "pretrain"] == [by_name["pretrain"]]


def test_filters_and_sorting_reach_the_runs_scores_and_settings(
    pipeline: list[dict[str, Any]], reeltop: Reeltop
) -> None:
    found = loaded(reeltop("ls", "stage=finetune", "f1_mean>0", "training.epochs=3", "--json"))
    assert sorted(run["name"] for run in found) == MODELS
    assert loaded(reeltop("ls", "epochs>3", "--json")) == []
    by_name = loaded(reeltop("ls", "--sort", "name", "--json"))
    assert [run["name"] for run in by_name] == sorted(run["name"] for run in by_name)


def test_predicting_a_file_writes_a_submission_that_can_be_scored(
    pipeline: list[dict[str, Any]], workspace: Path, reeltop: Reeltop
) -> None:
    made = reeltop(
        "predict", "model-1", "--annotations", "data/sample/annotations/test.json", "--out", "out.csv"
    )
    assert made.returncode == 0, made.stderr
    (run,) = loaded(reeltop("run", "configs/sample/predict.yaml", "--wait", "--json"))
    assert (workspace / "out.csv").read_text() == (
        workspace / run["directory"] / "artifacts" / "submission.csv"
    ).read_text()
    scores = loaded(reeltop("score", "out.csv", "data/sample/truth/test.csv", "--json"))
    assert 0 < scores["f1_mean"] < 1
    assert len(scores["levels"]) == 2


def test_the_log_of_a_run_is_printed_and_its_last_lines(
    pipeline: list[dict[str, Any]], reeltop: Reeltop
) -> None:
    whole = reeltop("logs", "model-1").stdout
    assert "val f1_mean" in whole
    assert reeltop("logs", "model-1", "-n", "1").stdout == whole.splitlines(keepends=True)[-1]


def test_a_rebuilt_store_equals_the_lost_one(
    pipeline: list[dict[str, Any]], workspace: Path, reeltop: Reeltop, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(workspace, copy, symlinks=True)
    before = {
        name: loaded(reeltop("--workspace", str(copy), "show", name, "--json")) for name in ("model-1", "1")
    }
    for path in copy.glob("experiments.db*"):
        path.unlink()
    assert reeltop("--workspace", str(copy), "rebuild").returncode == 0
    for name, shown in before.items():
        again = loaded(reeltop("--workspace", str(copy), "show", name, "--json"))
        for key in ("evaluations", "metrics", "checkpoints", "config", "status", "ended", "inputs", "env"):
            assert [strip(part) for part in listed(again[key])] == [
                strip(part) for part in listed(shown[key])
            ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def strip(part: Any) -> Any:
    """Without the row's own number in its table."""
    return {key: value for key, value in part.items() if key != "id"} if isinstance(part, dict) else part


@pytest.fixture
def data(workspace: Path, tmp_path: Path) -> Path:
    """A copy of the data set to break."""
    folder = tmp_path / "data"
    shutil.copytree(workspace / "data" / "sample", folder)
    return folder


def no_annotations(data: Path) -> str:
    shutil.rmtree(data / "annotations")
    return "annotations"


def broken_json(data: Path) -> str:
    path = data / "annotations" / "labeled.json"
    path.write_bytes(path.read_bytes()[:-200])
    return "labeled.json"


def truncated_jpeg(data: Path) -> str:
    path = next((data / "zip_frames" / "labeled").rglob("*.zip"))
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[0]
        image = archive.read(name)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, image[: len(image) // 2])
    return path.name


def empty_zip(data: Path) -> str:
    path = next((data / "zip_frames" / "labeled").rglob("*.zip"))
    path.write_bytes(b"")
    return path.name


def unknown_category(data: Path) -> str:
    return changed_record(data, category_id="9999")


def duplicate_id(data: Path) -> str:
    path = data / "annotations" / "labeled.json"
    return changed_record(data, id=json.loads(path.read_text())[0]["id"])


def changed_record(data: Path, **fields: str) -> str:
    path = data / "annotations" / "labeled.json"
    records = json.loads(path.read_text())
    records[5].update(fields)
    path.write_text(json.dumps(records))
    return str(records[5]["id"])


@pytest.mark.parametrize(
    "damage", [no_annotations, broken_json, truncated_jpeg, empty_zip, unknown_category, duplicate_id]
)
def test_check_names_what_is_broken_in_one_line_and_exits_with_2(
    data: Path, reeltop: Reeltop, damage: Callable[[Path], str]
) -> None:
    assert reeltop("check", str(data)).returncode == 0
    named = damage(data)
    done = reeltop("check", str(data))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert named in line


def test_a_run_on_broken_annotations_fails_with_one_line_and_takes_its_dependants_along(
    pipeline: list[dict[str, Any]], data: Path, reeltop: Reeltop
) -> None:
    broken_json(data)
    done = reeltop("run", "configs/sample/pipeline.yaml", "--set", f"data.root={data}", "--wait", "--json")
    assert done.returncode == 1
    runs = json.loads(done.stdout)
    ended = {run["name"]: run for run in runs}
    assert [run["name"] for run in runs if run["reused"]] == []
    assert ended["features"]["status"] == "failed"
    assert "labeled.json" in ended["features"]["error"]
    for name, needed in (("pretrain", "features"), ("baseline", "features"), ("model-1", "pretrain")):
        assert ended[name]["status"] == "skipped"
        assert f"({needed})" in ended[name]["error"]
    assert ended["ensemble"]["status"] == "skipped"


def test_a_run_killed_together_with_its_supervisor_is_found_out_and_resumed(
    pipeline: list[dict[str, Any]], workspace: Path, reeltop: Reeltop
) -> None:
    config = ("configs/sample/finetune.yaml", "--set", "inputs.features=1", "--set", "training.epochs=200")
    small = ("--set", "training.batch_size=4", "--set", "checkpoints.every_steps=20", "--name", "doomed")
    assert reeltop("run", *config, *small).returncode == 0
    shown: dict[str, Any] = {}
    while not shown.get("checkpoints"):
        shown = loaded(reeltop("show", "doomed", "--json"))
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if "engine.supervisor" in command and str(workspace) in command:
            process.kill()
            process.wait()
    psutil.Process(shown["pid"]).kill()
    assert reeltop("resume", "doomed").returncode == 0
    assert reeltop("stop", "doomed").returncode == 0
    while shown["status"] != "stopped":
        shown = loaded(reeltop("show", "doomed", "--json"))
        assert shown["status"] in ("queued", "starting", "running", "stopped")
    assert shown["attempt"] == 2
