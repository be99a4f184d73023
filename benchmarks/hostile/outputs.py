"""Hostile outputs of runs: feature stores and predictions whose files do not fit together."""

import json

import numpy as np
from hypothesis import strategies as st

from benchmarks.hostile.archives import arrays, npy, npy_header

feature_parts = st.fixed_dictionaries(
    {
        "index.json": st.sampled_from(
            [
                b'{"format": 1, "dim": 4, "frames": 3, "videos": 2, "shards": []}',
                b'{"format": 1, "dim": 0, "frames": 0}',
                b'{"format": 1, "dim": -4, "frames": -3}',
                b'{"format": 1, "dim": "4", "frames": 3}',
                b'{"format": 1, "dim": [4], "frames": 3}',
                b'{"format": 1, "dim": 4.0, "frames": 3.0}',
                b'{"format": 1, "dim": true, "frames": 12}',
                b'{"format": 1, "dim": 1' + b"0" * 400 + b', "frames": 3}',
                b"[1]",
                b"[" * 100_000,
                b"{",
                b"\xff",
            ]
        ),
        "ids.npy": st.sampled_from(
            [npy(np.array(["a", "b"])), npy(np.array(["b", "a"])), npy(np.array("a")), npy(np.zeros(2))]
        )
        | arrays(),
        "offsets.npy": st.sampled_from(
            [
                npy(np.array([0, 2])),
                npy(np.array([0, 2**62])),
                npy(np.array([-9, 1])),
                npy(np.array([0.0, 2.0])),
                npy(np.array(["0", "2"])),
            ]
        ),
        "counts.npy": st.sampled_from(
            [
                npy(np.array([2, 1])),
                npy(np.array([2**62, 1])),
                npy(np.array([-1, 4])),
                npy(np.array([np.nan, 1])),
                npy(np.array([[2], [1]])),
            ]
        ),
        "frames.f16": st.sampled_from(
            [
                np.ones((3, 4), np.float16).tobytes(),
                b"",
                b"\0" * 23,
                np.full((3, 4), np.nan, np.float16).tobytes(),
            ]
        ),
    }
)

TAXONOMY = {"codes": ["0101", "0102"], "names": {"01": "x"}}
prediction_parts = st.fixed_dictionaries(
    {
        "ids.json": st.sampled_from(
            [
                b'["a", "b"]',
                b"[1, 2]",
                b'"ab"',
                b'{"a": 1, "b": 2}',
                b"[[], {}]",
                b"[" * 100_000,
                b"3",
                b'["a", "a"]',
                b"[]",
            ]
        ),
        "taxonomy.json": st.sampled_from([json.dumps(TAXONOMY).encode()] * 4)
        | st.sampled_from(
            [
                b"[]",
                b"{}",
                b'{"codes": 1}',
                b'{"codes": ["01", 2]}',
                b'{"codes": [null, "x"]}',
                b'{"codes": "ab"}',
                b'{"codes": ["0101", "0102"], "names": [1]}',
                b"[" * 100_000,
                b'{"codes": [["0101"]]}',
                b'{"codes": ["\\u001b"]}',
            ]
        ),
        "probabilities.npy": st.sampled_from(
            [
                npy(np.full((2, 2), 0.5, np.float16)),
                npy(np.full((2, 2), np.nan, np.float16)),
                npy(np.array([["a", "b"], ["c", "d"]])),
                npy(np.ones((2, 2), complex)),
            ]
        )
        | arrays(),
        "labels.npy": st.sampled_from(
            [
                None,
                npy(np.array([0, 1])),
                npy(np.array([0, 99])),
                npy(np.array([-5, 0])),
                npy(np.array([0.5, np.nan])),
                npy(np.array(["a", "b"])),
                npy(np.int64(0)),
                npy(np.array([[0], [1]])),
                npy_header("{'descr': '<i8', 'fortran_order': False, 'shape': (90000000000000,)}"),
            ]
        ),
        "meta.json": st.sampled_from([b"{}", b"[]", b"3", b'{"fold": "x"}', b"{", b"[" * 100_000]),
    }
)
