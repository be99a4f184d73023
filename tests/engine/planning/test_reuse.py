"""Only what changed is run again: which finished runs stand in for planned ones."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from engine.planning.submit import plan_file, submit
from engine.store.database import Store
from engine.store.models import Artifact, Checkpoint, Run
from engine.store.queries import list_runs, run_detail, run_row
from engine.store.runs import delete_run, now, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

FILES = {
    "extract": "stage: extract\nmodel: {vision: models/clip}\n",
    "pretrain": "stage: pretrain\ninputs: {features: features}\ntraining: {epochs: 3}\n",
    "finetune": "stage: finetune\ninputs: {features: features, init: pretrain@last}\n",
    "ensemble": "stage: ensemble\ninputs: {members: [model]}\n",
    "pipeline": """\
name: all
runs:
  features: {config: extract.yaml}
  pretrain: {config: pretrain.yaml}
  model: {config: finetune.yaml}
  ensemble: {config: ensemble.yaml, inputs: {members: [model, stored]}}
""",
}
ALL = ["features", "pretrain", "model", "ensemble"]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


class Bench:
    """A workspace with a pipeline whose runs finish at a word."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            (root / f"{name}.yaml").write_text(text)
        for part in ("data/sample/annotations/labeled.json", "data/sample/annotations/unlabeled.json"):
            self.write(part)
        for folder in ("data/sample/zip_frames/labeled", "stored"):
            (root / folder).mkdir(parents=True)
        for path in root.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))
        self.workspace = Workspace.open(root)
        self.store = Store.open(self.workspace.store_url)

    def write(self, name: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")

    def plan(self, *overrides: str, fresh: bool = False) -> list[NewRun]:
        return plan_file(self.workspace, self.store, self.root / "pipeline.yaml", overrides, fresh=fresh)

    def made(self, *overrides: str) -> list[str]:
        """Names of the runs that would be made."""
        return [run.name for run in self.plan(*overrides) if run.reuses is None]

    def finish(self, *overrides: str) -> dict[str, int]:
        """Queue the pipeline and let what is queued finish; ids by name."""
        runs = self.plan(*overrides)
        ids = submit(self.workspace, self.store, runs)
        for run, run_id in zip(runs, ids, strict=True):
            if run.reuses is None:
                self.end(run, run_id)
        return dict(zip((run.name for run in runs), ids, strict=True))

    def end(self, run: NewRun, run_id: int) -> None:
        assert transition(self.store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
        assert transition(self.store, run_id, from_={Status.STARTING}, to=Status.FINISHED)
        folder = self.root / run_row(self.store, run_id).directory
        trained = "training" in run.config
        output = folder / ("checkpoints/step-1" if trained else "artifacts/output")
        output.mkdir(parents=True)
        common = {"run_id": run_id, "time": now(), "bytes": 1, "sha256": "0"}
        path = output.relative_to(folder).as_posix()
        with self.store.write() as session:
            if trained:
                session.add(Checkpoint(step=1, epoch=3, kind="epoch", path=path, **common))
            else:
                kind = "features" if run.stage == "extract" else "predictions"
                session.add(Artifact(kind=kind, path=path, meta={}, **common))

    def folder(self, run_id: int) -> Path:
        return self.root / run_row(self.store, run_id).directory


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    return Bench(tmp_path)


def test_a_pipeline_that_is_finished_and_unchanged_queues_nothing(bench: Bench) -> None:
    assert bench.made() == ALL
    ids = bench.finish()
    again = bench.plan()
    assert [run.reuses for run in again] == [ids[run.name] for run in again]
    assert submit(bench.workspace, bench.store, again) == list(ids.values())
    assert list_runs(bench.store).total == 4
    assert [run.reuses for run in bench.plan(fresh=True)] == [None] * 4


def test_a_changed_setting_runs_that_stage_and_what_builds_on_it_again(bench: Bench) -> None:
    ids = bench.finish()
    runs = bench.plan("training.epochs=4")
    assert [run.name for run in runs if run.reuses is None] == ["pretrain", "model", "ensemble"]
    new = submit(bench.workspace, bench.store, runs)
    assert new[0] == ids["features"]
    inputs = {given.role: given.source_run for given in run_detail(bench.store, new[2]).inputs}
    assert inputs == {"features": ids["features"], "init": new[1]}
    assert bench.made("weights.kind=equal") == ["ensemble"]


def test_names_notes_priority_and_places_make_no_difference(bench: Bench) -> None:
    bench.finish()
    assert bench.made("notes=again", "priority=3", "tags=[new]", "gpus=0", "data.workers=3") == []


def test_a_renamed_run_is_reused_and_its_dependant_gets_it(bench: Bench) -> None:
    ids = bench.finish()
    pipeline = bench.root / "pipeline.yaml"
    text = pipeline.read_text()
    pipeline.write_text(text.replace("  model:", "  other:").replace("[model,", "[other,"))
    assert bench.made() == []
    runs = bench.plan("weights.kind=equal")
    new = submit(bench.workspace, bench.store, runs)
    (given,) = run_detail(bench.store, new[-1]).inputs
    assert given.source_run == ids["model"]


def test_another_checkpoint_or_another_folder_is_another_input(bench: Bench) -> None:
    bench.finish()
    pipeline = bench.root / "pipeline.yaml"
    (bench.root / "elsewhere").mkdir()
    before = pipeline.read_text()
    pipeline.write_text(before.replace("stored", "elsewhere"))
    assert bench.made() == ["ensemble"]
    pipeline.write_text(before.replace("[model, stored]", "[stored, model]"))
    assert bench.made() == ["ensemble"]
    pipeline.write_text(before)
    finetune = bench.root / "finetune.yaml"
    finetune.write_text(finetune.read_text().replace("pretrain@last", "pretrain@epoch-3"))
    assert bench.made() == ["model", "ensemble"]


def touch(*names: str) -> Callable[[Bench, dict[str, int]], None]:
    def change(bench: Bench, ids: dict[str, int]) -> None:
        for name in names:
            bench.write(name)
            later = now().replace(tzinfo=UTC) + timedelta(seconds=5)
            os.utime(bench.root / name, (later.timestamp(),) * 2)
            os.utime((bench.root / name).parent, (later.timestamp(),) * 2)

    return change


def replace_a_zip_in_place(bench: Bench, ids: dict[str, int]) -> None:
    touch(name := "data/sample/zip_frames/labeled/abc/xabc.zip")(bench, ids)
    for folder in (bench.root / name).parents[:3]:
        os.utime(folder, (LONG_AGO, LONG_AGO))


def remove(run: str, what: str) -> Callable[[Bench, dict[str, int]], None]:
    return lambda bench, ids: shutil.rmtree(bench.folder(ids[run]) / what)


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (touch("data/sample/annotations/labeled.json"), ALL),
        (touch("data/sample/annotations/unlabeled.json"), ["features", "pretrain", "model", "ensemble"]),
        (touch("data/sample/annotations/test.json"), ["features", "pretrain", "model", "ensemble"]),
        (touch("data/sample/zip_frames/labeled/new.zip"), ALL),
        (replace_a_zip_in_place, ALL),
        (touch("models/clip/config.json"), ["features", "pretrain", "model", "ensemble"]),
        (touch("models/sample/bert/model.safetensors"), ["pretrain", "model", "ensemble"]),
        (touch("stored/probabilities.npy"), ["ensemble"]),
        (touch("somewhere/else.txt"), []),
        (remove("features", "artifacts"), ALL),
        (remove("model", "checkpoints"), ["model", "ensemble"]),
        (remove("ensemble", "artifacts"), ["ensemble"]),
    ],
)
def test_what_read_changed_data_or_lost_its_outputs_is_run_again(
    bench: Bench, change: Callable[[Bench, dict[str, int]], None], made: list[str]
) -> None:
    change(bench, bench.finish())
    assert bench.made() == made


def test_only_finished_runs_that_were_not_deleted_are_reused(bench: Bench) -> None:
    ids = bench.finish()
    delete_run(bench.store, ids["ensemble"])
    assert bench.made() == ["ensemble"]
    with bench.store.write() as session:
        session.execute(update(Run).where(Run.id == ids["pretrain"]).values(status=Status.FAILED.value))
    assert bench.made() == ["pretrain", "model", "ensemble"]


def test_a_single_stage_always_runs(bench: Bench) -> None:
    bench.finish()
    (run,) = plan_file(bench.workspace, bench.store, bench.root / "extract.yaml")
    assert run.reuses is None
