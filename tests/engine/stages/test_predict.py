"""predict: probabilities and the submission file, from features and from frames."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from stage_world import NewRun, Run

from engine.errors import ConfigError
from engine.records import Artifact

TRAINING = {"epochs": 1, "batch_size": 16}
MODEL = {"text": "models/sample/bert", "vision": "models/sample/clip"}
DATA = {"folds": 3, "max_frames": 3, "max_tokens": 48}


def trained(new_run: NewRun, world: Path, features: str | None) -> str:
    run = new_run("finetune", model=MODEL, data=DATA, training=TRAINING, inputs={"features": features}).go()
    return max((run.directory / "checkpoints").iterdir()).relative_to(world).as_posix()


def predicted(run: Run) -> tuple[np.ndarray, list[str]]:
    folder = run.directory / "artifacts" / "predictions"
    return np.load(folder / "probabilities.npy"), json.loads((folder / "ids.json").read_text())


@pytest.mark.parametrize("source", ["features", "frames"])
def test_every_test_video_gets_probabilities_and_a_line_in_the_files_order(
    new_run: NewRun, world: Path, features: str, source: str
) -> None:
    given = features if source == "features" else None
    model = trained(new_run, world, given)
    run = new_run("predict", inputs={"model": model, "features": given}, batch_size=7).go()
    annotations = json.loads((world / "data" / "sample" / "annotations" / "test.json").read_text())
    probabilities, ids = predicted(run)
    assert ids == [record["id"] for record in annotations]
    np.testing.assert_allclose(probabilities.astype(np.float64).sum(axis=1), 1, atol=5e-3)
    codes = json.loads((run.directory / "artifacts" / "predictions" / "taxonomy.json").read_text())["codes"]
    with (run.directory / "artifacts" / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ids
    assert [row["category_id"] for row in rows] == [codes[leaf] for leaf in probabilities.argmax(axis=1)]
    assert {record.kind for record in run.records if isinstance(record, Artifact)} == {
        "predictions",
        "submission",
    }


def test_a_videos_probabilities_do_not_depend_on_its_batch(
    new_run: NewRun, world: Path, features: str
) -> None:
    given = {"model": trained(new_run, world, features), "features": features}
    one, many = (predicted(new_run("predict", inputs=given, batch_size=size).go())[0] for size in (1, 64))
    np.testing.assert_allclose(one.astype(np.float32), many.astype(np.float32), atol=1e-3)


def test_a_model_of_stored_features_asks_for_them(new_run: NewRun, world: Path, features: str) -> None:
    with pytest.raises(ConfigError, match=r"inputs.features: missing"):
        new_run("predict", inputs={"model": trained(new_run, world, features)}).go()
