"""The sample data set: the real one's layout and difficulties, from a seed to the byte."""

import csv
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from engine.data.annotations import load_annotations
from engine.data.frames import FrameFolder, Preprocess, uniform_indices
from engine.data.sample import make_sample
from engine.data.submission import score_files, write_submission
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.metrics import hierarchical_scores


def records(root: Path, split: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((root / "annotations" / f"{split}.json").read_text())
    return found


def truth(root: Path) -> dict[str, str]:
    with (root / "truth" / "test.csv").open() as file:
        return dict(list(csv.reader(file))[1:])


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def text(record: dict[str, Any]) -> str:
    return " ".join([record["title"], *(line["text"] for line in record["ocr"]), record["asr"]])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(sample: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "again", videos=90, classes=8, seed=5)
    assert files(tmp_path / "again") == files(sample)
    make_sample(tmp_path / "other", videos=90, classes=8, seed=6)
    assert files(tmp_path / "other").keys() != files(sample).keys()


def test_it_has_the_challenges_layout(sample: Path) -> None:
    splits = {split: records(sample, split) for split in ("labeled", "unlabeled", "test")}
    assert [len(found) for found in splits.values()] == [90, 180, 30]
    ids = [record["id"] for found in splits.values() for record in found]
    assert len(set(ids)) == len(ids)
    assert all("category_id" in record for record in splits["labeled"])
    assert not any("category_id" in record for split in ("unlabeled", "test") for record in splits[split])
    for split, found in splits.items():
        table = load_annotations(
            sample / "annotations" / f"{split}.json", sample.parent / "cache", on_error="fail"
        )
        assert list(table.ids) == [record["id"] for record in found]
        folder = FrameFolder(sample, split)
        counts = [len(folder.names(record["id"])) for record in found]
        assert set(counts) <= set(range(9))
        assert len(set(counts)) > 4


def test_frames_are_small_jpegs_that_differ_over_time(sample: Path) -> None:
    folder = FrameFolder(sample, "labeled")
    video = next(record["id"] for record in records(sample, "labeled") if len(folder.names(record["id"])) > 3)
    with ZipFile(folder.path(video)) as archive:
        assert archive.namelist()[0] == "1.jpg"
        assert archive.read("1.jpg")[:2] == b"\xff\xd8"
    pixels = folder.read(video, lambda count: uniform_indices(count, 4), Preprocess(64, 64))
    assert len({frame.tobytes() for frame in pixels}) == 4


def test_classes_are_long_tailed_on_two_levels_and_all_there(sample: Path) -> None:
    codes = [record["category_id"] for record in records(sample, "labeled")]
    taxonomy = Taxonomy.from_codes(codes)
    assert (taxonomy.levels, len(taxonomy.codes), len(taxonomy.level_codes(1))) == (2, 8, 2)
    counts = sorted(codes.count(code) for code in taxonomy.codes)
    assert counts[0] >= 1
    assert counts[-1] >= 5 * counts[0]
    listed = json.loads((sample / "categories.json").read_text())
    assert {entry["category_id"] for entry in listed} == set(taxonomy.codes)
    assert len({entry["level2_name"] for entry in listed}) == 8


def test_each_modality_is_missing_at_times(sample: Path) -> None:
    found = records(sample, "unlabeled")
    folder = FrameFolder(sample, "unlabeled")
    for missing in (
        [not record["title"] for record in found],
        [not record["ocr"] for record in found],
        [not record["asr"] for record in found],
        [not folder.names(record["id"]) for record in found],
    ):
        assert 0 < sum(missing) < len(found) / 2


def test_lengths_of_texts_vary_widely(sample: Path) -> None:
    lengths = [len(text(record)) for record in records(sample, "unlabeled")]
    low, high = np.percentile(lengths, [5, 95])
    assert high > 4 * low


def test_the_truth_of_the_test_videos_can_be_scored(sample: Path, tmp_path: Path) -> None:
    true = truth(sample)
    assert list(true) == [record["id"] for record in records(sample, "test")]
    assert score_files(sample / "truth" / "test.csv", sample / "truth" / "test.csv").f1_mean == 1
    write_submission(tmp_path / "r.csv", list(true), [next(iter(true.values()))] * len(true))
    assert score_files(tmp_path / "r.csv", sample / "truth" / "test.csv").f1_mean < 0.6


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("larger") / "sample"
    make_sample(folder, videos=450, classes=16, seed=802)
    return folder


def score(root: Path, classifier: Any, train: Any, test: Any) -> float:
    true = truth(root)
    codes = [record["category_id"] for record in records(root, "labeled")]
    taxonomy = Taxonomy.from_codes(codes)
    y_true = [taxonomy.index(code) for code in true.values()]
    predicted = classifier.fit(train, [taxonomy.index(code) for code in codes]).predict(test)
    return hierarchical_scores(taxonomy, y_true, predicted).f1_mean


def test_text_alone_tells_much_and_not_all(larger: Path) -> None:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    train = vectorizer.fit_transform([text(record) for record in records(larger, "labeled")])
    test = vectorizer.transform([text(record) for record in records(larger, "test")])
    assert 0.5 < score(larger, LinearSVC(class_weight="balanced"), train, test) < 0.9


def test_nothing_but_the_content_tells_the_label(larger: Path) -> None:
    def traces(split: str) -> list[list[int]]:
        folder = FrameFolder(larger, split)
        rows = []
        for position, record in enumerate(records(larger, split)):
            path = folder.path(record["id"])
            size = path.stat().st_size if path.exists() else 0
            frames = len(folder.names(record["id"]))
            lengths = [len(record["title"]), len(record["asr"]), len(record["ocr"])]
            rows.append([position, int(record["id"][:3]), int(record["id"][-3:]), size, frames, *lengths])
        return rows

    forest = RandomForestClassifier(100, random_state=0)
    majority = score(larger, RandomForestClassifier(1, max_depth=1, random_state=0), [[0]] * 450, [[0]] * 150)
    assert score(larger, forest, traces("labeled"), traces("test")) < majority + 0.08


@pytest.mark.parametrize("classes", [4, 5, 50, 200])
def test_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    make_sample(tmp_path / "s", videos=classes, classes=classes, seed=1)
    codes = [record["category_id"] for record in records(tmp_path / "s", "labeled")]
    assert len(set(codes)) == classes


def test_numbers_out_of_range_and_folders_in_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="classes: 3"):
        make_sample(tmp_path / "s", classes=3)
    with pytest.raises(DataError, match="too few for 20 classes"):
        make_sample(tmp_path / "s", videos=10)
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        make_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_an_interrupted_sample_leaves_no_half_of_one(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "s", videos=20, classes=4, progress=interrupt)
    assert not list(tmp_path.iterdir())
