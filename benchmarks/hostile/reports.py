"""Hostile reports of runs: saved baselines, confusions, what ensembles tell, scores of classes."""

import io
import json
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.hostile.archives import arrays, npy, npy_header, zipped
from benchmarks.hostile.damage import Harm, damaged
from benchmarks.hostile.words import numbers, words
from engine.records import ClassScores

_BROKEN_JSON = (
    b"[" * 100_000,
    b"{",
    b"\xff",
    b"",
    b"[]",
    b"3",
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}",
)
_values = (
    numbers
    | words
    | st.sampled_from(
        [None, [], {}, [[]], [None], {"a": 1}, True, 2**70, -1, 1e300, float("nan"), float("inf")]
    )
)


@st.composite
def _changed(draw: st.DrawFn, good: dict[str, Any]) -> bytes:
    """A good file with some values, at any depth, replaced or taken away."""
    data: Any = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 2))):
        place: Any = data
        for _ in range(draw(st.integers(0, 3))):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            deeper = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
            if not deeper:
                break
            place = place[draw(st.sampled_from(deeper))]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if keys and draw(st.integers(0, 4)):
            place[draw(st.sampled_from(keys))] = draw(_values)
        elif keys:
            del place[draw(st.sampled_from(keys))]
    return json.dumps(data).encode()


def _files(good: dict[str, Any]) -> st.SearchStrategy[bytes]:
    whole = json.dumps(good).encode()
    return st.just(whole) | _changed(good) | damaged(st.just(whole)) | st.sampled_from(_BROKEN_JSON)


_SCORES: dict[str, Any] = {"f1_mean": 0.5, "levels": [[0.5, 0.4], [0.3, 0.2]]}
_MEMBER: dict[str, Any] = {"name": "m", "runs": ["1-m"], "weight": 0.5}
ensemble_reports = _files(
    {
        "weights": "bagged",
        "members": [_MEMBER | _SCORES | {"without": 0.4}, _MEMBER | _SCORES | {"without": None}],
        "ensemble": _SCORES,
        "videos": 20,
        "folds": 2,
        "in_sample": 0.6,
        "equal": 0.5,
        "selection_noise": 0.1,
        "best_member": "m",
        "gain": 0.01,
        "interval": [0.4, 0.6],
        "gain_interval": [-0.1, 0.1],
    }
) | _files({"weights": "equal", "members": [_MEMBER], "ensemble": None})

confusion_parts = st.fixed_dictionaries(
    {
        "confusion.json": _files(
            {"1": [["01", "02", 3], ["01", "01", 9]], "2": [["0101", "0201", 2], ["0201", "0201", 1]]}
        ),
        "taxonomy.json": _files({"codes": ["0101", "0201"], "names": {"01": "x", "0201": "\x1b[31m"}}),
    }
)

_floats = st.floats() | st.sampled_from([1e308, -1e308, 1.0, 0.5, -0.5])
class_scores = st.lists(
    st.builds(
        ClassScores,
        level=st.integers(1, 3) | st.integers(1, 64),  # others are refused where records are read
        category=words | st.sampled_from(["", "01", "0101", "0201"]),
        precision=_floats,
        recall=_floats,
        f1=_floats,
        support=st.integers(0, 30) | st.integers(0, 1 << 53),
    ),
    max_size=6,
)


def _npz(**parts: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **parts)
    return out.getvalue()


_BASELINE: dict[str, Any] = {
    "temperature": 1.0,
    "frame_weight": 1.0,
    "vocabularies": [
        {"analyzer": "char", "longest": 2, "terms": ["a", "b", "ab"]},
        {"analyzer": "word", "longest": 1, "terms": ["ab"]},
    ],
}
_ARRAYS: dict[str, Any] = {
    "weights": np.ones((6, 2), np.float32),
    "bias": np.zeros(2, np.float32),
    "classes": np.array([0, 2]),
    "idf_0": np.ones(3),
    "idf_1": np.ones(1),
    "frame_mean": np.zeros(2, np.float32),
    "frame_deviation": np.ones(2, np.float32),
}
_WRONG = (
    np.full((6, 2), np.nan, np.float32),
    np.ones((6, 3), np.float32),
    np.ones(3, complex),
    np.array(["a", "b", "c"]),
    np.array([2, 0]),
    np.array([-5, 1]),
    np.array([0, 2**62]),
    np.zeros(0),
    np.float32(1),
    np.ones((3, 1)),
    np.array([np.inf]),
)


@st.composite
def _models(draw: st.DrawFn) -> bytes:
    parts = dict(_ARRAYS)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(parts)))
        if draw(st.booleans()):
            parts[name] = draw(st.sampled_from(_WRONG))
        elif len(parts) > 1:
            del parts[name]
    return _npz(**parts)


_good_members = [(f"{name}.npy", npy(array)) for name, array in _ARRAYS.items()]
_promising = npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (90000000000000, 2)}")
_whole_model = _npz(**_ARRAYS)
baseline_parts = st.fixed_dictionaries(
    {
        "config.json": _files(_BASELINE),
        "model.npz": _models()
        | damaged(st.just(_whole_model))
        | st.builds(
            lambda member, method: zipped([*_good_members[1:], ("weights.npy", member)], method),
            arrays() | st.just(_promising) | st.just(npy(np.array([Harm()], dtype=object), pickled=True)),
            st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
        )
        | st.just(zipped([("weights.npy", b"\0" * (64 << 20))], zipfile.ZIP_DEFLATED)),
    }
)
