"""Kinds of hostile files, and what the product does with each: open, decode, load, take in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from msgspec.structs import asdict

from app.tui.widgets.classes_view import class_text, mistake_text
from app.tui.widgets.ensemble_view import report_content
from benchmarks.hostile import archives, checkpoints, images, outputs, reports, run_folders
from benchmarks.hostile.holding import Kind, held
from engine.class_report import ORDERS, class_lines, ordered, parent_of, worst_mistakes
from engine.confusions import Confusions, read_confusions
from engine.data.check import check_dataset
from engine.data.feature_zips import FeatureZip, scan_feature_zip
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess, decode
from engine.data.predictions import Predictions
from engine.ensemble.result import read_report
from engine.ensemble.text import report_lines, report_table
from engine.errors import DataError
from engine.records import ClassScores
from engine.store.database import Store
from engine.store.queries import list_runs, run_detail
from engine.store.views import ClassScore
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


def _baseline(parts: dict[str, bytes], folder: Path) -> None:
    from engine.linear_baseline import VideoFeatures
    from engine.linear_saving import load_text_classifier

    _write(folder, parts)
    with nothing_else(folder), held():
        classifier = load_text_classifier(folder)
        mean = classifier.encoder.frame_mean
        frames_NV = None if mean is None else np.ones((2, len(mean)), np.float32)
        if int(classifier.linear.classes.max(initial=-1)) < 10:
            found = classifier.probabilities(VideoFeatures(["ab b", ""], frames_NV), 10)
            assert np.isfinite(found).all()


def _ensemble_report(data: bytes, folder: Path) -> None:
    (folder / "ensemble.json").write_bytes(data)
    with nothing_else(folder), held():
        report = read_report(folder / "ensemble.json")
        report_table(report)
        report_lines(report)
        report_content(report, 80)


def _confusions(parts: dict[str, bytes], folder: Path) -> None:
    _write(folder, parts)
    with nothing_else(folder), held():
        found = read_confusions(folder)
        _tree([ClassScores(level=1, category="01", precision=0.5, recall=0.5, f1=0.5, support=3)], found)


def _class_tree(scores: list[ClassScores], _folder: Path) -> None:
    with held():
        _tree(scores, Confusions({"01": "x"}, {"0101": (("0201", 2),)}))


def _tree(scores: list[ClassScores], confusions: Confusions) -> None:
    lines = class_lines([ClassScore(**asdict(one)) for one in scores], confusions)
    for order in ORDERS:
        for line in ordered(lines, order):
            parent_of(line, lines)
            assert "\n" not in class_text(line, line.level - 1).plain
            for wrong in line.mistakes:
                mistake_text(line, wrong)
    for line in lines:
        worst_mistakes(lines, line.level, 3)


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
    Kind("ensemble reports", reports.ensemble_reports, _ensemble_report),
    Kind("confusions", reports.confusion_parts, _confusions),
    Kind("class trees", reports.class_scores, _class_tree),
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
    Kind("baseline models", reports.baseline_parts, _baseline),
    Kind("trainer states", checkpoints.trainer_files, _trainer),
)
