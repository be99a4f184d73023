"""Pipelines from the command line: what a dry run shows, and what reuse says, without running anything."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from app.verbs.dry_run import graph, levels_of
from engine.planning.submit import plan_file
from engine.store.database import Store
from engine.store.queries import list_runs
from engine.store.runs import transition
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

CONFIGS = Path(__file__).parents[2] / "configs"
Reeltop = Callable[..., tuple[int, str, str]]


@pytest.fixture
def reeltop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reeltop:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTOP_STORE", raising=False)
    monkeypatch.delenv("REELTOP_WORKSPACE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-hub-here"))
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reeltop", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def run(name: str, *needs: int, reuses: int | None = None) -> NewRun:
    inputs = tuple(NewInput("members", source, in_batch=True) for source in needs)
    return NewRun("finetune", name, {"inputs": {}}, "0", {}, 1, inputs=inputs, reuses=reuses)


def test_the_graph_shows_what_can_run_at_once_and_what_each_needs() -> None:
    runs = [run("a"), run("b", reuses=7), run("c", 0, 1), run("d", 1), run("e", 2, 3)]
    assert levels_of(runs) == [1, 0, 2, 1, 3]
    assert graph(runs, levels_of(runs)) == [
        "finished ─ b  reuses run 7",
        "step 1   ┌ a",
        "         └ d <── b",
        "step 2   ─ c <── a, b",
        "step 3   ─ e <── c, d",
    ]


@pytest.mark.parametrize("name", ["pipeline", "folds"])
def test_a_dry_run_of_the_full_recipe_needs_neither_data_nor_models(
    reeltop: Reeltop, name: str, tmp_path: Path
) -> None:
    path = str(CONFIGS / "wbdc2022" / f"{name}.yaml")
    code, out, _ = reeltop("run", path, "--dry-run")
    assert code == 0
    assert out.startswith("step 1   ")
    assert "<── features" in out
    assert "? videos: unknown, assuming 100,000 labeled" in out
    assert "320 TFLOP/s assumed for an H100" in out
    assert "unknown model" not in out
    assert "vision: openai/clip-vit-base-patch32" in out
    assert list_runs(Store.open(Workspace.open(tmp_path).store_url)).total == 0


def test_a_dry_run_in_json_has_the_graph_the_estimates_and_the_configs(reeltop: Reeltop) -> None:
    code, out, _ = reeltop("run", str(CONFIGS / "wbdc2022" / "pipeline.yaml"), "--dry-run", "--json")
    assert code == 0
    runs = {one["name"]: one for one in json.loads(out)}
    assert runs["model-2"]["needs"] == ["pretrain@epoch-15", "contrast@epoch-15"]
    assert [runs[name]["step"] for name in ("features", "pretrain", "model-1", "ensemble")] == [1, 2, 3, 4]
    assert runs["model-1"]["config"]["training"]["adversarial"]["kind"] == "fgm"
    assert runs["ensemble"]["config"]["weights"] == {"kind": "given", "values": [1.0, 1.0, 0.7, 1.0]}
    for name, one in runs.items():
        assert one["reused"] is False
        if name != "baseline":
            assert min(one["estimate"][key] for key in ("parameters", "memory", "seconds", "videos")) > 0


@pytest.mark.parametrize("folder", ["sample", "wbdc2022"])
def test_every_shipped_config_is_valid(folder: str, tmp_path: Path) -> None:
    from engine.config.base import StageConfig
    from engine.config.load import load_file

    workspace = Workspace.open(tmp_path)
    for path in sorted((CONFIGS / folder).glob("*.yaml")):
        if isinstance(load_file(path), StageConfig):
            continue
        runs = plan_file(workspace, Store.open(workspace.store_url), path)
        assert runs[-1].stage == "ensemble"
        assert {"extract", "pretrain", "finetune", "baseline"} <= {one.stage for one in runs}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """Two runs of one stage, the data set there."""
    (tmp_path / "data" / "sample" / "annotations").mkdir(parents=True)
    (tmp_path / "baseline.yaml").write_text("stage: baseline\n")
    path = tmp_path / "two.yaml"
    path.write_text(
        "name: two\nruns:\n  one: {config: baseline.yaml}\n  two: {config: baseline.yaml, set: {seed: 5}}\n"
    )
    return path


def test_a_pipeline_takes_an_input_away_that_the_file_names(reeltop: Reeltop, tmp_path: Path) -> None:
    (tmp_path / "baseline.yaml").write_text("stage: baseline\ninputs: {features: features}\n")
    (tmp_path / "text.yaml").write_text(
        "name: text\nruns:\n  a: {config: baseline.yaml, inputs: {features: null}}\n"
    )
    code, out, err = reeltop("run", "text.yaml", "--dry-run", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["config"]["inputs"] == {"features": None}


def test_an_unknown_key_of_a_pipelines_run_names_those_there_are(reeltop: Reeltop, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("name: odd\nruns:\n  a: {config: baseline.yaml, matrx: {}}\n")
    code, _, err = reeltop("run", "odd.yaml")
    assert code == 2
    assert "odd.yaml:3: runs.a.matrx: unknown key, did you mean runs.a.matrix?" in err


def finish_all(root: Path) -> None:
    store = Store.open(Workspace.open(root).store_url)
    for row in list_runs(store, "status=queued").runs:
        transition(store, row.id, from_={Status.QUEUED}, to=Status.STARTING)
        transition(store, row.id, from_={Status.STARTING}, to=Status.FINISHED)


def test_what_is_reused_is_told_wherever_a_pipeline_is_queued(
    reeltop: Reeltop, pipeline: Path, tmp_path: Path
) -> None:
    assert reeltop("run", str(pipeline))[1].startswith("queued run 1  one\nqueued run 2  two\n")
    finish_all(tmp_path)
    code, out, _ = reeltop("run", str(pipeline))
    assert code == 0
    assert out.splitlines() == [
        "reuses run 1  one",
        "reuses run 2  two",
        "nothing to run: all of it is finished and unchanged; --fresh runs it again",
    ]
    code, out, err = reeltop("run", str(pipeline), "--wait")
    assert code == 0
    assert out.count("reused") == 2
    assert "nothing to run" in err
    assert "run 1 one: reused, finished" in err
    code, out, _ = reeltop("run", str(pipeline), "--wait", "--json")
    assert (code, [(one["id"], one["reused"]) for one in json.loads(out)]) == (0, [(1, True), (2, True)])
    code, out, _ = reeltop("run", str(pipeline), "--dry-run")
    assert (code, "two  reuses run 2" in out, "nothing to run" in out) == (0, True, True)
    pipeline.write_text(pipeline.read_text().replace("seed: 5", "seed: 6"))
    code, out, _ = reeltop("run", str(pipeline), "--json")
    assert [(one["id"], one["reused"]) for one in json.loads(out)] == [(1, True), (3, False)]
    code, out, _ = reeltop("run", str(pipeline), "--fresh")
    assert "queued run 4  one" in out
