"""Predictions on disk: what was written comes back, half of it is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.data.predictions import Predictions, write_predictions
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError

TAXONOMY = Taxonomy.from_codes(["0000", "0001", "0100"])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0, 0.75, 0.25], [0.125, 0.125, 0.75]], np.float32)


def test_what_was_written_comes_back_and_its_confusions_are_counted_at_every_level(tmp_path: Path) -> None:
    folder = tmp_path / "predictions-val"
    labels = np.array([1, 1, 0])
    write_predictions(folder, ["a", "b", "c"], PROBABILITIES, TAXONOMY, labels=labels, fold=2)
    found = Predictions.open(folder)
    assert found.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(found.probabilities, PROBABILITIES)
    assert found.probabilities.dtype == np.float16
    np.testing.assert_array_equal(found.labels, labels)
    assert found.meta == {"fold": 2}
    confusion = json.loads((folder / "confusion.json").read_text())
    assert sorted(confusion["2"]) == [["0000", "0100", 1], ["0001", "0000", 1], ["0001", "0001", 1]]
    assert sorted(confusion["1"]) == [["00", "00", 2], ["00", "01", 1]]


def test_new_predictions_take_the_place_of_old_ones(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    write_predictions(folder, ["a", "b", "c"], PROBABILITIES, TAXONOMY, labels=np.array([0, 0, 0]))
    write_predictions(folder, ["d"], PROBABILITIES[:1], TAXONOMY)
    assert (Predictions.open(folder).ids, Predictions.open(folder).labels) == (["d"], None)


@pytest.mark.parametrize("file", ["probabilities.npy", "ids.json", "taxonomy.json", "meta.json"])
def test_predictions_that_are_not_whole_are_refused_by_name(tmp_path: Path, file: str) -> None:
    write_predictions(tmp_path / "p", ["a", "b", "c"], PROBABILITIES, TAXONOMY)
    (tmp_path / "p" / file).unlink()
    with pytest.raises(DataError, match=rf"{file} is missing"):
        Predictions.open(tmp_path / "p")


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p", ["a", "b", "c"], PROBABILITIES, TAXONOMY)
    (tmp_path / "p" / "ids.json").write_text('["a"]')
    with pytest.raises(DataError, match="do not fit together"):
        Predictions.open(tmp_path / "p")


@pytest.mark.parametrize(
    "file", ["probabilities.npy", "labels.npy", "ids.json", "taxonomy.json", "meta.json"]
)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_predictions_that_were_cut_off_are_refused_with_the_fix(
    tmp_path: Path, file: str, share: float
) -> None:
    folder = tmp_path / "p"
    write_predictions(folder, ["a", "b", "c"], PROBABILITIES, TAXONOMY, labels=np.array([0, 1, 2]), fold=0)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"predictions cannot be read .*; run predict again"):
        Predictions.open(folder)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_predictions(folder, ["a", "b", "c"], PROBABILITIES, TAXONOMY)
    with pytest.raises(ValueError, match="leaves"):
        write_predictions(folder, ["a"], np.ones((1, 5)), TAXONOMY, labels=np.array([4]))
    assert Predictions.open(folder).ids == ["a", "b", "c"]
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
