"""Kinds of hostile files, and what the product does with each: open, decode, load, take in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.hostile import archives, checkpoints, images, outputs, run_folders
from benchmarks.hostile.holding import Kind, held
from engine.data.check import check_dataset
from engine.data.feature_zips import FeatureZip, scan_feature_zip
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess, decode
from engine.data.predictions import Predictions
from engine.errors import DataError
from engine.store.database import Store
from engine.store.queries import list_runs, run_detail
from engine.supervisor.rebuild import rebuild
from engine.workspace import Workspace

_SMALL = Preprocess(resize=8, crop=8)
_PLAIN = json.dumps([{"id": "abc", "title": "t", "asr": "", "ocr": []}])


@contextmanager
def nothing_else(folder: Path) -> Iterator[None]:
    """Nothing appears beside `folder`, in what it is run from, or executed anywhere there."""
    before = set(folder.parent.iterdir())
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
    assert not list(folder.rglob("executed")), "something was executed"
    assert not list(folder.rglob("escaped*")), "something was unpacked"
    assert set(folder.parent.iterdir()) == before, "something was written outside"


def _image(data: bytes, folder: Path) -> None:
    with nothing_else(folder), held():
        pixels = decode(data, "1.jpg", _SMALL)
        assert pixels.shape == (3, 8, 8)


def _frames_zip(data: bytes, folder: Path) -> None:
    path = folder / "zip_frames" / "labeled" / "abc" / "abc.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    (folder / "annotations").mkdir()
    (folder / "annotations" / "labeled.json").write_text(_PLAIN)
    with nothing_else(folder), held():
        check_dataset(folder)
        FrameFolder(folder, "labeled").read("abc", lambda count: np.arange(count), _SMALL)


def _features_zip(data: bytes, folder: Path) -> None:
    path = folder / "labeled.zip"
    path.write_bytes(data)
    with nothing_else(folder):
        with held():
            for _ in scan_feature_zip(path):
                pass
        with held(), FeatureZip(path) as features:
            for name in list(features._names):
                try:
                    values = features.read(name)
                except DataError:
                    continue
                assert np.isfinite(values).all()


def _feature_store(parts: dict[str, bytes], folder: Path) -> None:
    _write(folder, parts)
    with nothing_else(folder), held():
        store = FeatureStore.open(folder)
        store.counts(["a", "b", "\ud800"])
        for video in ("a", "b", "c"):
            count = store.count(video)
            assert len(store.read(video)) == count
            store.read(video, np.arange(count))


def _predictions(parts: dict[str, bytes | None], folder: Path) -> None:
    from engine.metrics import confusion

    _write(folder, parts)
    with nothing_else(folder), held():
        opened = Predictions.open(folder)
        mean = np.asarray(opened.probabilities, np.float32)
        assert all(isinstance(video, str) for video in opened.ids)
        assert mean.shape == (len(opened.ids), len(opened.taxonomy.codes))
        if opened.labels is not None and len(opened.taxonomy.codes):
            known = opened.labels >= 0
            confusion(opened.taxonomy, opened.labels[known], mean.argmax(axis=1)[known])
        opened.meta.get("fold")


def _checkpoint(parts: dict[str, bytes], folder: Path) -> None:
    from engine.models.checkpoint import load_classifier, load_vision_tower, read_weights

    _write(folder, parts)
    (folder / "evil.py").write_text(
        "open('executed', 'w')\nclass Config: ...\nclass Model: ...\nclass Tokenizer: ...\n"
    )
    with nothing_else(folder):
        with held():
            read_weights(folder)
        with held():
            load_classifier(folder)
        with held():
            load_vision_tower(folder)


def _trainer(data: bytes, folder: Path) -> None:
    from engine.training.checkpoints import Saved

    (folder / "trainer.pt").write_bytes(data)
    with nothing_else(folder), held():
        Saved(1, folder).trainer_state()


def _run_folder(parts: dict[str, bytes], folder: Path) -> None:
    run = folder / "runs" / "3-m"
    run.mkdir(parents=True)
    _write(run, parts)
    with nothing_else(folder), held():
        workspace = Workspace.open(str(folder))
        report = rebuild(workspace)
        assert all("\n" not in line for line in report.problems)
        store = Store.open(workspace.store_url)
        try:
            for row in list_runs(store, "").runs:
                run_detail(store, row.id)
        finally:
            store.close()


def _write(folder: Path, parts: dict[str, Any]) -> None:
    for name, data in parts.items():
        if data is not None:
            (folder / name).write_bytes(data)


FILE_KINDS = (
    Kind("images", images.images(), _image),
    Kind(
        "zips of frames",
        archives.zips(st.sampled_from(images.IMAGES) | images.images(), "1.jpg"),
        _frames_zip,
    ),
    Kind("zips of features", archives.zips(archives.arrays(), "1.npy"), _features_zip),
    Kind("feature stores", outputs.feature_parts, _feature_store),
    Kind("predictions", outputs.prediction_parts, _predictions),
    Kind(
        "run folders",
        st.fixed_dictionaries(
            {
                "run.json": run_folders.manifests | st.just(json.dumps(run_folders.PLAIN_MANIFEST).encode()),
                "records.bin": run_folders.record_files,
            }
        ),
        _run_folder,
    ),
)
LEARNED_KINDS = (
    Kind(
        "checkpoints",
        st.fixed_dictionaries(
            {"config.json": checkpoints.specs, "model.safetensors": checkpoints.weights_files}
        ),
        _checkpoint,
    ),
    Kind("trainer states", checkpoints.trainer_files, _trainer),
)
