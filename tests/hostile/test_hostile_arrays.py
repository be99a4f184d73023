"""Feature zips, feature stores and predictions that lie about what they hold, or would run code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trying import named, try_inputs

from benchmarks.hostile import archives, damage
from benchmarks.hostile.file_kinds import FILE_KINDS
from engine.data.feature_zips import FeatureZip
from engine.data.features import FeatureStore, FeatureWriter
from engine.data.predictions import Predictions, write_predictions
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError


@pytest.mark.parametrize("kind", ["zips of features", "feature stores", "predictions"])
def test_any_file_is_opened_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(FILE_KINDS, kind), tmp_path, 120)


@pytest.mark.parametrize("part", ["(" * 50, "'''", "1L, 3", "()", "(yield)", "__import__('os')"])
def test_a_header_that_is_no_description_is_refused(tmp_path: Path, part: str) -> None:
    broken = archives.npy_header(f"{{'descr': '<f2', 'fortran_order': False, 'shape': {part}}}")
    path = tmp_path / "test.zip"
    path.write_bytes(
        archives.zipped([("ok.npy", archives.npy(np.ones((1, 2), np.float16))), ("bad.npy", broken)])
    )
    with FeatureZip(path) as features, pytest.raises(DataError, match=r"bad\.npy"):
        features.read("bad")


def store(folder: Path) -> Path:
    writer = FeatureWriter(folder, 4)
    writer.add_shard(0, ["a", "b"], [2, 1], np.ones((3, 4), np.float32))
    writer.finish()
    return folder


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("offsets.npy", [0, 2**62]),
        ("offsets.npy", [-9, 1]),
        ("offsets.npy", [0.0, 2.0]),
        ("counts.npy", [2**62, 1]),
        ("counts.npy", [2, 2]),
        ("counts.npy", [-1, 1]),
        ("counts.npy", [[2], [1]]),
        ("ids.npy", 3),
        ("ids.npy", [1, 2]),
    ],
)
def test_a_feature_store_whose_index_leads_out_of_it_is_refused(
    tmp_path: Path, name: str, array: Any
) -> None:
    store(tmp_path)
    np.save(tmp_path / name, np.array(array))
    with pytest.raises(DataError, match="extract"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.npy", archives.npy(np.array([0, 99]))),
        ("labels.npy", archives.npy(np.array([-5, 0]))),
        ("labels.npy", archives.npy(np.array(["a", "b"]))),
        (
            "labels.npy",
            archives.npy_header("{'descr': '<i8', 'fortran_order': False, 'shape': (90000000000,)}"),
        ),
        ("probabilities.npy", archives.npy(np.array([["a", "b"], ["c", "d"]]))),
        ("probabilities.npy", archives.npy(np.array([damage.Harm()], dtype=object), pickled=True)),
        ("ids.json", b'{"a": 1, "b": 2}'),
        ("ids.json", b"[1, 2]"),
        ("ids.json", b"[" * 100_000),
        ("taxonomy.json", b'{"codes": ["0101", 2]}'),
        ("meta.json", b"3"),
    ],
)
def test_predictions_with_a_part_of_another_kind_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    folder = tmp_path / "predictions"
    taxonomy = Taxonomy.from_codes(["0101", "0102"])
    write_predictions(folder, ["a", "b"], np.full((2, 2), 0.5), taxonomy, labels=np.array([0, 1]))
    Predictions.open(folder)
    (folder / name).write_bytes(data)
    with pytest.raises(DataError, match="run predict again"):
        Predictions.open(folder)


def test_features_that_are_not_numbers_are_refused_when_they_are_read(tmp_path: Path) -> None:
    folder = store(tmp_path)
    for bad in (np.nan, np.inf, -np.inf):
        np.array([[1] * 4, [1, 1, bad, 1], [1] * 4], np.float16).tofile(folder / "frames.f16")
        opened = FeatureStore.open(folder)
        with pytest.raises(DataError, match="id a: holds NaN or infinity; extract"):
            opened.read("a")
        np.testing.assert_array_equal(opened.read("a", [0]), np.ones((1, 4)))
        np.testing.assert_array_equal(opened.read("b"), np.ones((1, 4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_predictions_that_are_not_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    folder = tmp_path / "predictions"
    probabilities_NC = np.full((20_000, 2), 0.5)
    probabilities_NC[-1, 1] = bad
    write_predictions(
        folder, list(map(str, range(20_000))), probabilities_NC, Taxonomy.from_codes(["0101", "0102"])
    )
    with pytest.raises(DataError, match="NaN or infinity; run predict again"):
        Predictions.open(folder)
