"""From config files to queued runs: pipelines, inputs, overrides, matrices."""

from itertools import pairwise
from pathlib import Path

import pytest

from engine.errors import ConfigError, RunError
from engine.planning.submit import plan_file, submit
from engine.store.database import Store
from engine.store.models import Checkpoint
from engine.store.queries import list_runs
from engine.store.runs import create_runs, now, transition
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

EXTRACT = "stage: extract\nmodel: {vision: models/clip}\n"
FINETUNE = "stage: finetune\ninputs: {features: features}\n"
PREDICT = "stage: predict\ninputs: {model: model@best}\n"
PIPELINE = """\
name: all
runs:
  result: {config: predict.yaml, inputs: {model: model@best, features: features}}
  model: {config: finetune.yaml, inputs: {features: features}}
  features: {config: extract.yaml}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "data" / "sample" / "annotations").mkdir(parents=True)
    for name, text in {
        "extract": EXTRACT,
        "finetune": FINETUNE,
        "predict": PREDICT,
        "pipeline": PIPELINE,
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store.open(workspace.store_url)


def test_a_pipeline_becomes_runs_in_an_order_that_works_with_its_edges(
    workspace: Workspace, store: Store
) -> None:
    runs = plan_file(workspace, store, workspace.root / "pipeline.yaml")
    assert [run.name for run in runs] == ["features", "model", "result"]
    assert runs[1].inputs == (NewInput("features", 0, None, in_batch=True),)
    assert set(runs[2].inputs) == {
        NewInput("model", 1, "best", in_batch=True),
        NewInput("features", 0, None, in_batch=True),
    }
    assert {run.experiment for run in runs} == {"all"}
    ids = create_runs(store, runs)
    assert len(ids) == 3


def test_an_override_reaches_every_run_that_has_the_field(workspace: Workspace, store: Store) -> None:
    path = workspace.root / "pipeline.yaml"
    runs = plan_file(workspace, store, path, ["seed=7", "training.epochs=3"])
    assert [run.seed for run in runs] == [7, 7, 7]
    assert runs[1].config["training"]["epochs"] == 3
    with pytest.raises(
        ConfigError, match=r"no run of this pipeline has this key, did you mean training.epochs"
    ):
        plan_file(workspace, store, path, ["training.epoch=3"])


def test_a_matrix_makes_a_run_for_every_combination(workspace: Workspace, store: Store) -> None:
    path = workspace.root / "pipeline.yaml"
    path.write_text(
        "name: grid\nruns:\n  features: {config: extract.yaml}\n"
        "  model: {config: finetune.yaml, inputs: {features: features}, "
        "matrix: {data.fold: [0, 1], seed: [1, 2]}, set: {training.epochs: 2}}\n"
    )
    runs = plan_file(workspace, store, path)
    assert [run.name for run in runs[1:]] == [
        "model-fold0-seed1",
        "model-fold0-seed2",
        "model-fold1-seed1",
        "model-fold1-seed2",
    ]
    assert [(run.config["data"]["fold"], run.seed) for run in runs[1:]] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert all(run.config["training"]["epochs"] == 2 for run in runs[1:])


def test_a_reference_to_a_run_with_a_matrix_never_takes_another_run_of_that_name(
    workspace: Workspace, store: Store
) -> None:
    create_runs(store, plan_file(workspace, store, workspace.root / "extract.yaml", name="model"))
    path = workspace.root / "pipeline.yaml"
    matrix = "matrix: {data.fold: [0, 1]}"
    path.write_text(PIPELINE.replace("finetune.yaml, ", f"finetune.yaml, {matrix}, "))
    with pytest.raises(ConfigError, match=r"model has a matrix, .* such as model-fold0"):
        plan_file(workspace, store, path)
    path.write_text(PIPELINE.replace("finetune.yaml, ", "finetune.yaml, matrix: {data.fold: []}, "))
    with pytest.raises(ConfigError, match=r"pipeline.yaml:4: .*matrix"):
        plan_file(workspace, store, path)
    path.write_text(
        PIPELINE.replace("finetune.yaml, ", f"finetune.yaml, matrix: {{seed: {list(range(20000))}}}, ")
    )
    with pytest.raises(ConfigError, match="make the matrix smaller"):
        plan_file(workspace, store, path)


def test_runs_that_need_each_other_are_refused(workspace: Workspace, store: Store) -> None:
    path = workspace.root / "pipeline.yaml"
    path.write_text(
        PIPELINE.replace("{config: extract.yaml}", "{config: predict.yaml, inputs: {model: result}}")
    )
    with pytest.raises(ConfigError, match="in a circle"):
        plan_file(workspace, store, path)


def test_a_mistake_in_a_member_names_the_members_file_and_line(workspace: Workspace, store: Store) -> None:
    (workspace.root / "finetune.yaml").write_text(FINETUNE + "training: {epoch: 3}\n")
    with pytest.raises(ConfigError, match=r"finetune.yaml:3: training.epoch: unknown key"):
        plan_file(workspace, store, workspace.root / "pipeline.yaml")


def test_an_input_is_an_earlier_run_or_a_folder_and_anything_else_is_told(
    workspace: Workspace, store: Store
) -> None:
    path = workspace.root / "finetune.yaml"
    with pytest.raises(RunError, match=r"inputs.features: "):
        plan_file(workspace, store, path)
    (workspace.root / "stored").mkdir()
    (run,) = plan_file(workspace, store, path, ["inputs.features=stored"])
    assert run.inputs == ()
    (made,) = create_runs(
        store, plan_file(workspace, store, workspace.root / "extract.yaml", name="features")
    )
    (run,) = plan_file(workspace, store, path)
    assert run.inputs == (NewInput("features", made, None),)
    with pytest.raises(ConfigError, match="best, last or epoch-N"):
        plan_file(workspace, store, path, ["inputs.features=features@newest"])


def test_a_data_set_that_is_not_there_is_told_before_anything_is_queued(
    workspace: Workspace, store: Store
) -> None:
    runs = plan_file(workspace, store, workspace.root / "extract.yaml", ["data.root=nowhere"])
    with pytest.raises(ConfigError, match=r"data.root: nowhere has no annotations folder"):
        submit(workspace, store, runs)
    assert list_runs(store).total == 0


FOLDS = "matrix: {data.fold: [0, 1]}"
GRID = f"""\
name: folds
runs:
  ensemble: {{config: ensemble.yaml, inputs: {{members: [model, baseline-fold1, stored]}}}}
  model: {{config: finetune.yaml, inputs: {{features: features}}, {FOLDS}}}
  baseline: {{config: baseline.yaml, {FOLDS}}}
  second: {{config: finetune.yaml, inputs: {{features: features, init: model@last}}, {FOLDS}}}
  features: {{config: extract.yaml}}
"""


@pytest.fixture
def grid(workspace: Workspace) -> Path:
    (workspace.root / "stored").mkdir()
    (workspace.root / "baseline.yaml").write_text("stage: baseline\n")
    (workspace.root / "ensemble.yaml").write_text("stage: ensemble\ninputs: {members: [model]}\n")
    path = workspace.root / "grid.yaml"
    path.write_text(GRID)
    return path


def names_of_inputs(runs: list[NewRun], name: str) -> list[str]:
    (run,) = [run for run in runs if run.name == name]
    return [runs[given.source_run].name for given in run.inputs]


def test_a_list_of_members_takes_all_runs_of_a_matrix_or_one_by_its_name(
    workspace: Workspace, store: Store, grid: Path
) -> None:
    runs = plan_file(workspace, store, grid)
    assert names_of_inputs(runs, "ensemble") == ["model-fold0", "model-fold1", "baseline-fold1"]
    members = next(run for run in runs if run.name == "ensemble").config["inputs"]["members"]
    assert members == ["model-fold0", "model-fold1", "baseline-fold1", str(workspace.root / "stored")]
    order = [run.name for run in runs]
    assert order.index("baseline-fold1") < order.index("ensemble")


def test_runs_of_two_matrices_pair_up_by_equal_values(workspace: Workspace, store: Store, grid: Path) -> None:
    runs = plan_file(workspace, store, grid)
    assert names_of_inputs(runs, "second-fold0") == ["features", "model-fold0"]
    assert names_of_inputs(runs, "second-fold1") == ["features", "model-fold1"]
    grid.write_text(
        GRID.replace(f"init: model@last}}, {FOLDS}", "init: model@last}, matrix: {data.fold: [2]}")
    )
    with pytest.raises(ConfigError, match="no run of model has the matrix values of second-fold2"):
        plan_file(workspace, store, grid)


def test_two_runs_of_one_name_in_a_pipeline_are_refused(
    workspace: Workspace, store: Store, grid: Path
) -> None:
    grid.write_text(GRID + "  model-fold0: {config: finetune.yaml, inputs: {features: features}}\n")
    with pytest.raises(ConfigError, match="two runs would be named model-fold0"):
        plan_file(workspace, store, grid)


def test_an_input_of_the_wrong_kind_is_told_before_anything_is_queued(
    workspace: Workspace, store: Store
) -> None:
    path = workspace.root / "pipeline.yaml"
    path.write_text(PIPELINE.replace("model: model@best, features: features", "model: features"))
    with pytest.raises(
        ConfigError, match=r"inputs.model: features is of stage extract; name a run of finetune"
    ):
        plan_file(workspace, store, path)


@pytest.mark.parametrize(
    ("which", "settings", "told"),
    [
        ("best", "", "pretrain runs have no best checkpoint; name last or epoch-N"),
        ("epoch-9", "", "trains for 8 epochs"),
        ("epoch-5", "checkpoints: {every_epochs: 2}", "saves every 2 epochs"),
        ("epoch-5", "", "set its checkpoints.keep to 4 or more"),
        ("epoch-5", "checkpoints: {keep: 4}", None),
        ("epoch-8", "", None),
        ("last", "", None),
    ],
)
def test_a_checkpoint_that_the_source_will_not_leave_is_told_beforehand(
    workspace: Workspace, store: Store, which: str, settings: str, told: str | None
) -> None:
    (workspace.root / "pretrain.yaml").write_text(
        f"stage: pretrain\ninputs: {{features: features}}\ntraining: {{epochs: 8}}\n{settings}\n"
    )
    path = workspace.root / "pipeline.yaml"
    path.write_text(
        "name: all\nruns:\n  features: {config: extract.yaml}\n  before: {config: pretrain.yaml}\n"
        f"  model: {{config: finetune.yaml, inputs: {{features: features, init: before@{which}}}}}\n"
    )
    if told is None:
        assert plan_file(workspace, store, path)[-1].inputs[1].which == which
    else:
        with pytest.raises(ConfigError, match=told):
            plan_file(workspace, store, path)


def test_a_checkpoint_that_a_finished_run_has_not_left_is_told_before_it_is_queued(
    workspace: Workspace, store: Store
) -> None:
    (run_id,) = create_runs(store, [NewRun("pretrain", "before", {}, "hash", {}, 1)])
    for status, after in pairwise((Status.QUEUED, Status.STARTING, Status.FINISHED)):
        transition(store, run_id, from_={status}, to=after)
    with store.write() as session:
        session.add(
            Checkpoint(
                run_id=run_id,
                step=1,
                epoch=8,
                kind="epoch",
                path="checkpoints/8",
                time=now(),
                bytes=1,
                sha256="0",
            )
        )
    path = workspace.root / "finetune.yaml"

    def init(which: str) -> list[NewRun]:
        overrides = [f"inputs.init=before@{which}", "inputs.features=null"]
        return plan_file(workspace, store, path, overrides)

    assert init("epoch-8")[0].inputs[0].which == "epoch-8"
    with pytest.raises(RunError, match=r"inputs.init: run 1 \(before\) has no checkpoint epoch-9"):
        init("epoch-9")
