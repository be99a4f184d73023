"""The real data set in the challenge's layout, where its archive is at hand."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from engine.data.annotations import load_annotations
from engine.data.check import check_dataset
from engine.data.frames import FrameFolder, Preprocess, uniform_indices
from engine.data.splits import stratified_folds

ARCHIVE = Path(__file__).parents[3].parent / "shared" / "data" / "emoji.tar"


@pytest.fixture(scope="module")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not ARCHIVE.exists():
        pytest.skip("the real data set is not here: ../shared/data/emoji.tar")
    folder = tmp_path_factory.mktemp("real")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "emoji"


def test_the_real_data_set_is_sound(emoji: Path) -> None:
    report = check_dataset(emoji, sample_videos=100)
    assert report.problems == {}
    assert [split.videos for split in report.splits] == [1758, 1641, 544]
    assert [level.classes for level in report.levels] == [10, 91]
    leaves = report.levels[1]
    assert leaves.rarest is not None
    assert leaves.rarest.videos == 2


def test_rare_real_classes_are_in_exactly_one_validation_fold_each(emoji: Path, tmp_path: Path) -> None:
    table = load_annotations(emoji / "annotations" / "labeled.json", tmp_path)
    folds = stratified_folds(table.labels, 5, 802)
    assert np.ptp(np.bincount(folds)) <= 1
    counts = np.bincount(table.labels)
    rare = int(np.argmin(counts))
    assert len(set(folds[table.labels == rare])) == counts[rare]


def test_real_frames_decode(emoji: Path, tmp_path: Path) -> None:
    table = load_annotations(emoji / "annotations" / "test.json", tmp_path)
    folder = FrameFolder(emoji, "test")
    preprocess = Preprocess(64, 64)
    for video in table.ids[:50]:
        pixels = folder.read(str(video), lambda count: uniform_indices(count, 4), preprocess)
        assert len(pixels) == len(folder.names(str(video)))
        assert pixels.std() > 1
