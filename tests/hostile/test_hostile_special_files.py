"""Pipes and devices where a data set, features, predictions or a model keep a file: refused, not waited for."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from engine.data.annotations import load_annotations
from engine.data.categories import load_categories
from engine.data.check import UNREADABLE, check_dataset
from engine.data.feature_zips import FeatureZip
from engine.data.features import FeatureStore, FeatureWriter
from engine.data.frames import FrameFolder
from engine.data.predictions import Predictions, write_predictions
from engine.data.quick_count import quick_count
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.models.checkpoint import load_spec, read_weights
from engine.models.pretrained import load_text_encoder

NO_FILE = "is a (named pipe|device), not a file"
Put = Callable[[Path], None]


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """What waits for a pipe is interrupted, so that it fails instead of hanging."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it was waited for")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.fixture(params=[pipe, endless])
def put(request: pytest.FixtureRequest) -> Put:
    made: Put = request.param
    return made


def labeled(root: Path) -> Path:
    return root / "annotations" / "labeled.json"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("annotations/labeled.json", lambda root: load_annotations(labeled(root), root / "cache")),
        ("categories.json", lambda root: load_categories(root / "categories.json")),
        ("zip_frames/labeled/abc/abc.zip", lambda root: FrameFolder(root, "labeled").names("abc")),
        ("zip_feats/labeled.zip", lambda root: FeatureZip(root / "zip_feats" / "labeled.zip")),
        ("model.safetensors", read_weights),
        ("config.json", load_spec),
        ("tokenizer.json", lambda root: load_text_encoder(str(root))),
    ],
)
def test_what_is_no_file_is_refused(
    tmp_path: Path, put: Put, name: str, read: Callable[[Path], object]
) -> None:
    put(tmp_path / name)
    with pytest.raises(DataError, match=NO_FILE):
        read(tmp_path)


@pytest.mark.parametrize("name", ["frames.f16", "ids.npy", "index.json"])
def test_a_feature_store_with_a_part_that_is_no_file_is_refused(tmp_path: Path, put: Put, name: str) -> None:
    writer = FeatureWriter(tmp_path, 2)
    writer.add_shard(0, ["a"], [1], np.ones((1, 2), np.float32))
    writer.finish()
    put(tmp_path / name)
    with pytest.raises(DataError, match=NO_FILE):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize("name", ["labels.npy", "ids.json"])
def test_predictions_with_a_part_that_is_no_file_are_refused(tmp_path: Path, put: Put, name: str) -> None:
    folder = tmp_path / "predictions"
    write_predictions(folder, ["a"], np.ones((1, 1)), Taxonomy.from_codes(["0101"]), labels=np.array([0]))
    put(folder / name)
    with pytest.raises(DataError, match=NO_FILE):
        Predictions.open(folder)


def test_the_check_of_a_data_set_names_it_and_an_estimate_does_without_it(tmp_path: Path, put: Put) -> None:
    put(labeled(tmp_path))
    report = check_dataset(tmp_path)
    assert "not a file" in report.splits[0].examples[UNREADABLE][0]
    assert quick_count(labeled(tmp_path)) is None
