"""A small world for stages: a workspace with sample data and models small enough to train in a second."""

from pathlib import Path
from typing import Any

import pytest
from stage_world import NewRun, Run

from engine.config.document import dump_yaml
from engine.config.stages import STAGES
from engine.data.sample import make_sample
from engine.data.tiny_models import make_tiny_models

VIDEOS = 60


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that tests of stages share; each run has a directory of its own."""
    root = tmp_path_factory.mktemp("world")
    (root / "runs").mkdir()
    make_sample(root / "data" / "sample", videos=VIDEOS, classes=6, seed=1)
    make_tiny_models(
        root / "data" / "sample", root / "models" / "sample", hidden=32, layers=1, image_size=32, seed=1
    )
    return root


@pytest.fixture
def new_run(world: Path, request: pytest.FixtureRequest) -> NewRun:
    """Make a run of a stage from nested settings."""
    made = 0

    def make(stage: str, **settings: Any) -> Run:
        nonlocal made
        made += 1
        # The module too: stages are held to the same promises, by tests of the same names.
        name = f"{request.module.__name__}-{request.node.name}".replace("/", "-")
        directory = world / "runs" / f"{name[:100]}-{made}"
        directory.mkdir()
        config = STAGES[stage].model_validate({"stage": stage, "gpus": 0} | settings)
        (directory / "config.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
        return Run(world, directory, config)

    return make


@pytest.fixture(scope="session")
def features(world: Path) -> str:
    """A feature store of the whole sample set, as a path in the workspace."""
    directory = world / "runs" / "features"
    directory.mkdir()
    config = STAGES["extract"].model_validate(
        {"stage": "extract", "gpus": 0, "model": {"vision": "models/sample/clip"}, "data": {"max_frames": 4}}
    )
    Run(world, directory, config).go()
    return "runs/features/artifacts/features"
