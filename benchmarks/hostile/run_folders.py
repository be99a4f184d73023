"""Hostile run folders: records and manifests."""

import json
import struct
import zlib
from typing import Any

from hypothesis import strategies as st

from benchmarks.hostile.words import NASTY_WORDS, numbers, words

record_files = st.binary(max_size=400) | st.lists(
    st.builds(
        lambda magic, length, crc, payload: (
            magic
            + struct.pack("<II", (len(payload) if length is None else length), (zlib.crc32(payload) ^ crc))
            + payload
        ),
        st.sampled_from([b"\xa7RT1"] * 4 + [b"\xa7RT2", b"\0\0\0\0"]),
        st.sampled_from([None, None, None, 0, 2**32 - 1, (16 << 20) + 1, 16 << 20, 3]),
        st.sampled_from([0, 0, 0, 1]),
        st.deferred(lambda: payloads),
    ),
    max_size=6,
).map(b"".join)


def _packed(value: Any) -> bytes:
    import msgspec

    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError):
        return b"\xc1"


_record_values = (
    words | numbers | st.dictionaries(words, numbers | words, max_size=3) | st.lists(numbers, max_size=2)
)
_RECORDS: tuple[dict[str, Any], ...] = (
    {"type": "metrics", "time": 1.0, "step": 1, "values": {"a": 1.0}},
    {"type": "progress", "time": 1.0, "done": 1, "total": 2, "unit": "step"},
    {
        "type": "evaluation",
        "time": 1.0,
        "step": 1,
        "split": "val",
        "f1_mean": 0.5,
        "levels": [{"level": 1, "f1_micro": 0.5, "f1_macro": 0.5, "accuracy": 0.5}],
    },
    *(
        {
            "type": "evaluation",
            "time": 1.0,
            "step": 1,
            "split": "val",
            "f1_mean": 0.5,
            "levels": [{"level": level, "f1_micro": value, "f1_macro": 0.5, "accuracy": 0.5}],
            "classes": [
                {
                    "level": level,
                    "category": "0101",
                    "precision": value,
                    "recall": value,
                    "f1": value,
                    "support": support,
                }
            ],
        }
        for level, value, support in (
            (1, 0.5, 3),
            (0, 0.5, 3),
            (2**62, 0.5, 3),
            (1, 1e308, 3),
            (1, float("inf"), 3),
            (1, float("nan"), 2**63 - 1),
            (64, -1.0, -3),
        )
    ),
    {
        "type": "checkpoint",
        "time": 1.0,
        "step": 1,
        "kind": "best",
        "path": "checkpoints/step-1",
        "bytes": 1,
        "sha256": "x",
    },
    {"type": "checkpoint_deleted", "time": 1.0, "path": "checkpoints/step-1"},
    {
        "type": "artifact",
        "time": 1.0,
        "kind": "predictions",
        "path": "artifacts/p",
        "bytes": 1,
        "sha256": "x",
        "meta": {},
    },
    {"type": "state", "time": 1.0, "status": "finished", "error": "x"},
    {"type": "environment", "time": 1.0, "values": {"host": "x"}},
    {"type": "resumed", "time": 1.0, "step": 0, "attempt": 1},
)


@st.composite
def _record(draw: st.DrawFn) -> bytes:
    record = dict(draw(st.sampled_from(_RECORDS)))
    for _ in range(draw(st.integers(0, 2))):
        record[draw(st.sampled_from(sorted(record)))] = draw(_record_values)
    return _packed(record)


payloads = (
    _record()
    | st.binary(max_size=30)
    | st.sampled_from([b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\xc6\xff\xff\xff\xff", b""])
)

PLAIN_MANIFEST: dict[str, Any] = {
    "format": 1,
    "id": 3,
    "stage": "finetune",
    "name": "m",
    "status": "finished",
    "intent": "run",
    "attempt": 1,
    "priority": 0,
    "gpus": 0,
    "seed": 1,
    "pinned": False,
    "directory": "runs/3-m",
    "config_hash": "h",
    "notes": "",
    "error": None,
    "exit_code": 0,
    "waiting_for": None,
    "pid": None,
    "pid_started": None,
    "held": False,
    "created": "2026-01-01T00:00:00",
    "started": None,
    "ended": None,
    "deleted_at": None,
    "config": {},
    "experiment": None,
    "params": {},
    "inputs": [],
    "tags": [],
}
_manifest_values = _record_values | st.sampled_from(
    [[], {}, [{}], [None], {"a": None}, {"a": {"text": 1, "number": "x"}}, [{"role": 1}], NASTY_WORDS[2]]
)


@st.composite
def _manifest(draw: st.DrawFn) -> bytes:
    manifest = dict(PLAIN_MANIFEST)
    for _ in range(draw(st.integers(1, 2))):
        manifest[draw(st.sampled_from(sorted(manifest)))] = draw(_manifest_values)
    return json.dumps(manifest).encode()


manifests = _manifest() | st.sampled_from(
    [b"[" * 100_000, b"[]", b"{}", b"\xff", b"", b'{"id": 1e999}', b'{"id": ' + b"9" * 5000 + b"}"]
)
