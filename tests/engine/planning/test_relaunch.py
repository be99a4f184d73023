"""New runs out of old ones: the same config under a free name, a start from a checkpoint, the last similar run."""

from pathlib import Path
from typing import Any

import pytest

from engine.config.load import plain
from engine.config.stages import STAGES, FinetuneConfig
from engine.errors import ConfigError, RunError
from engine.planning.pipeline import Known, Member, plan_run
from engine.planning.relaunch import config_again, finetune_from, free_name, last_similar, reference_to
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs, delete_run, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store.open(workspace.store_url)


def queue(workspace: Workspace, store: Store, stage: str, name: str, **settings: Any) -> int:
    """A run of a stage, planned as it would be from a file."""
    config = STAGES[stage].model_validate({"stage": stage, "name": name, **settings})
    run: NewRun = plan_run(workspace, store, Member(config), Known())
    return create_runs(store, [run])[0]


def features(workspace: Workspace, store: Store, name: str = "features") -> int:
    return queue(workspace, store, "extract", name, model={"vision": "models/clip"})


def test_a_config_again_has_everything_but_its_name_and_names_the_very_runs(
    workspace: Workspace, store: Store
) -> None:
    source = features(workspace, store)
    run_id = queue(
        workspace,
        store,
        "finetune",
        "model-1",
        seed=5,
        inputs={"features": "features"},
        training={"epochs": 9},
    )
    features(workspace, store)  # by now the name means two runs
    config = config_again(store, run_id)
    assert isinstance(config, FinetuneConfig)
    assert (config.name, config.seed, config.training.epochs) == ("model-1-2", 5, 9)
    assert config.inputs.features == str(source)


def test_members_of_an_ensemble_keep_their_order_checkpoints_and_folders(
    workspace: Workspace, store: Store
) -> None:
    for name in ("a", "b"):
        queue(workspace, store, "finetune", name, model={"vision": "models/clip"})
    (workspace.root / "elsewhere").mkdir()
    run_id = queue(workspace, store, "ensemble", "all", inputs={"members": ["b@epoch-2", "elsewhere", "a"]})
    members = plain(config_again(store, run_id))["inputs"]["members"]
    assert members == ["b@epoch-2", str(workspace.root / "elsewhere"), "a"]


def test_an_input_that_was_deleted_is_named_by_its_id(workspace: Workspace, store: Store) -> None:
    source = features(workspace, store)
    run_id = queue(workspace, store, "finetune", "model-1", inputs={"features": "features"})
    for each in (run_id, source):
        transition(store, each, from_={Status.QUEUED}, to=Status.CANCELLED)
    delete_run(store, source)
    assert plain(config_again(store, run_id))["inputs"]["features"] == str(source)


def test_a_config_that_is_not_valid_any_more_says_which_field(store: Store) -> None:
    (run_id,) = create_runs(store, [NewRun("finetune", "old", {"stage": "finetune", "wrong": 1}, "x", {}, 1)])
    with pytest.raises(ConfigError, match=r"run 1: wrong: unknown key"):
        config_again(store, run_id)


def test_fine_tuning_starts_from_a_pretrain_run_with_its_model_and_features(
    workspace: Workspace, store: Store
) -> None:
    features(workspace, store)
    queue(workspace, store, "finetune", "before", inputs={"features": "features"}, training={"epochs": 3})
    pretrain = queue(
        workspace,
        store,
        "pretrain",
        "pretrain",
        model={"text": "models/other"},
        inputs={"features": "features"},
    )
    config = finetune_from(store, pretrain, "last")
    assert isinstance(config, FinetuneConfig)
    assert (config.inputs.init, config.inputs.features) == ("pretrain@last", "features")
    assert (config.model.text, config.training.epochs) == ("models/other", 3)
    assert config.name == "pretrain-finetuned"


def test_fine_tuning_starts_from_a_finetune_run_as_it_was(workspace: Workspace, store: Store) -> None:
    run_id = queue(workspace, store, "finetune", "model-1", model={"vision": "models/clip"}, seed=9)
    config = finetune_from(store, run_id, "epoch-3")
    assert isinstance(config, FinetuneConfig)
    assert (config.inputs.init, config.seed, config.name) == ("model-1@epoch-3", 9, "model-1-2")


def test_of_a_contrast_run_the_vision_tower_is_taken(workspace: Workspace, store: Store) -> None:
    run_id = queue(workspace, store, "contrast", "contrast", gpus=2)
    config = finetune_from(store, run_id, None)
    assert isinstance(config, FinetuneConfig)
    assert (config.inputs.vision, config.inputs.init, config.inputs.features) == ("contrast", None, None)
    assert config.gpus == 2


def test_nothing_starts_from_a_run_without_a_model(workspace: Workspace, store: Store) -> None:
    with pytest.raises(RunError, match="of stage extract: only pretrain, contrast and finetune"):
        finetune_from(store, features(workspace, store), "last")


def test_names_that_are_taken_or_not_simple(workspace: Workspace, store: Store) -> None:
    first = features(workspace, store, "a")
    assert (free_name(store, "a"), free_name(store, "b")) == ("a-2", "b")
    features(workspace, store, "a-2")
    assert free_name(store, "a") == "a-3"
    assert reference_to(store, run_row(store, first)) == "a"
    comma = features(workspace, store, "x, y")
    assert reference_to(store, run_row(store, comma)) == str(comma)
    twin = features(workspace, store, "a")
    assert reference_to(store, run_row(store, twin)) == str(twin)


def test_the_last_similar_run_has_most_settings_equal_and_the_differences_are_named(
    workspace: Workspace, store: Store
) -> None:
    features(workspace, store)
    inputs = {"features": "features"}
    near = queue(workspace, store, "finetune", "near", inputs=inputs, training={"epochs": 3}, tags=["old"])
    queue(workspace, store, "finetune", "far", inputs=inputs, model={"kind": "two_stream"}, seed=1, gpus=0)
    config = FinetuneConfig.model_validate(
        {"stage": "finetune", "name": "new", "inputs": inputs, "training": {"epochs": 4}, "notes": "n"}
    )
    planned = plan_run(workspace, store, Member(config), Known())
    similar = last_similar(store, planned)
    assert similar is not None
    assert similar.run.id == near
    assert similar.differences == (("training.epochs", 3, 4),)
    transition(store, near, from_={Status.QUEUED}, to=Status.CANCELLED)
    other = last_similar(store, planned)
    assert other is not None
    assert other.run.name == "far"
    assert ("model.kind", "two_stream", "single_stream") in other.differences


def test_without_a_run_of_the_stage_none_is_similar(workspace: Workspace, store: Store) -> None:
    features(workspace, store)
    config = FinetuneConfig.model_validate({"stage": "finetune", "inputs": {"features": "features"}})
    assert last_similar(store, plan_run(workspace, store, Member(config), Known())) is None
