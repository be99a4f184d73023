"""What runs leave for people to look at, from strangers: ensemble reports, confusions, classes, baselines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trying import named, try_inputs

from benchmarks.hostile import archives, reports
from benchmarks.hostile.file_kinds import FILE_KINDS, LEARNED_KINDS
from engine.confusions import read_confusions
from engine.ensemble.result import read_report
from engine.errors import DataError
from engine.linear_saving import load_text_classifier
from engine.records import decode as decoded
from engine.records import encode


@pytest.mark.parametrize("kind", ["ensemble reports", "confusions", "class trees", "baseline models"])
def test_any_report_is_shown_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named((*FILE_KINDS, *LEARNED_KINDS), kind), tmp_path, 60)


@pytest.mark.parametrize(
    "change",
    [
        {"ensemble": {"f1_mean": float("nan"), "levels": []}},
        {"gain": float("inf")},
        {
            "members": [
                {"name": "m", "runs": [], "weight": -1.0, "f1_mean": 0.5, "levels": [], "without": None}
            ]
        },
        {"videos": 10**400},
        {"best_member": None},
        {"interval": [0.1, 0.2]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_report_with_a_value_that_cannot_be_shown_is_no_report(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    scores = {"f1_mean": 0.5, "levels": [[0.5, 0.5]]}
    report: dict[str, Any] = {
        "weights": "equal",
        "members": [{"name": "m", "runs": ["1-m"], "weight": 1.0, "without": None} | scores],
        "ensemble": scores,
        "videos": 3,
        "folds": 1,
        "in_sample": 0.5,
        "equal": 0.5,
        "selection_noise": 0.0,
        "best_member": "m",
        "gain": 0.0,
    }
    path = tmp_path / "ensemble.json"
    path.write_text(json.dumps(report))
    assert read_report(path) == report
    path.write_text(json.dumps(report | change))
    with pytest.raises(DataError, match="no report of an ensemble"):
        read_report(path)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b"[]", b'{"1": 3}', b'{"1": [["01", "02"]]}', b'{"1": [["01", "02", null]]}', b"\xff"],
)
def test_confusions_of_another_form_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "taxonomy.json").write_bytes(b'{"names": {"01": "x"}}')
    (tmp_path / "confusion.json").write_bytes(b'{"1": [["01", "02", 3], ["01", "01", 9]]}')
    assert read_confusions(tmp_path).wrong == {"01": (("02", 3),)}
    (tmp_path / "confusion.json").write_bytes(data)
    with pytest.raises(DataError, match="confusions cannot be read"):
        read_confusions(tmp_path)


def test_a_baseline_whose_arrays_promise_terabytes_are_compressed_or_pickled_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"temperature": 1, "frame_weight": 0, "vocabularies": []})
    )
    good = {
        "weights": np.zeros((0, 1), np.float32),
        "bias": np.zeros(1, np.float32),
        "classes": np.array([0]),
    }
    np.savez(tmp_path / "model.npz", allow_pickle=False, **good)
    load_text_classifier(tmp_path)
    promising = archives.npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (90000000000000, 2)}")
    pickled = archives.npy(np.array([reports.Harm()], dtype=object), pickled=True)
    for name, member in (("cut off", promising), ("object", pickled)):
        (tmp_path / "model.npz").write_bytes(archives.zipped([("weights.npy", member)], 0))
        with pytest.raises(DataError, match=name):
            load_text_classifier(tmp_path)
    np.savez_compressed(tmp_path / "model.npz", allow_pickle=False, **good)
    with pytest.raises(DataError, match="compressed"):
        load_text_classifier(tmp_path)


@pytest.mark.parametrize("wrong", [{"level": 0}, {"level": 2**62}, {"support": -1}, {"support": 2**60}])
def test_scores_of_a_level_or_of_videos_that_cannot_be_are_a_bad_record(wrong: dict[str, int]) -> None:
    scores = {"level": 1, "category": "01", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
    record: dict[str, Any] = {"type": "evaluation", "time": 1.0, "step": 1, "split": "val", "f1_mean": 0.5}
    record["levels"] = []
    assert decoded(encode(record | {"classes": [scores]})) is not None
    assert decoded(encode(record | {"classes": [scores | wrong]})) is None
