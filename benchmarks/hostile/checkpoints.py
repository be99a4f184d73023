"""Hostile checkpoints: weights, descriptions of models, and trainer states."""

import json
import pickle
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

from benchmarks.hostile.archives import zipped
from benchmarks.hostile.damage import Harm, damaged
from benchmarks.hostile.outputs import TAXONOMY


def safetensors(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file whose header is what it is told, at the length it is told."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


WEIGHTS = (
    safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
    safetensors({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [2**63, 2**63 + 4]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "NOPE", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"\x1b[31m": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"x" * 100_000: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
    safetensors({"__metadata__": {"a": 1}}),
    safetensors(b"[" * 50_000),
    safetensors(b"{}", length=2**63),
    safetensors(b"{}", length=2**64 - 1),
    safetensors(b"{}", length=99_999_999),
    safetensors(b"{}", length=0),
    safetensors(b"\xff\xff"),
    pickle.dumps(Harm()),
    b"",
    b"\0" * 7,
)
weights_files = (
    st.just(WEIGHTS[0])
    | st.sampled_from(WEIGHTS)
    | damaged(st.sampled_from(WEIGHTS[:1]))
    | st.binary(max_size=64)
)

TEXT_CONFIG = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
SPEC: dict[str, Any] = {
    "kind": "single_stream",
    "text_config": TEXT_CONFIG,
    "vision_config": None,
    "frame_size": 8,
    "pooling": "masked_mean",
    "taxonomy": TAXONOMY,
    "max_tokens": 16,
    "max_frames": 4,
    "resize": 16,
    "crop": 16,
    "pixel_mean": [0.5, 0.5, 0.5],
    "pixel_std": [0.5, 0.5, 0.5],
}
_REMOTE = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}
_SPEC_CHANGES: tuple[dict[str, Any], ...] = (
    *({key: value} for key in SPEC for value in (None, [], {}, "x", -1, 2**70, 1e999)),
    *(
        {"text_config": TEXT_CONFIG | {key: value}}
        for key in TEXT_CONFIG
        for value in (0, -1, 2**31, 2**62, "x", None, 1e9)
    ),
    {"text_config": TEXT_CONFIG | {"auto_map": _REMOTE}},
    {"vision_config": {"model_type": "evil", "auto_map": _REMOTE}},
    {"vision_config": {"model_type": "clip_vision_model", "auto_map": _REMOTE}},
    {"vision_config": {"model_type": "clip_vision_model", "hidden_size": 2**40}},
    {"vision_config": {"model_type": "clip_vision_model", "num_hidden_layers": 10**9}},
    {"vision_config": {"model_type": "clip_vision_model", "image_size": 10**6, "patch_size": 1}},
    {"taxonomy": {"codes": ["0101", 2]}},
    {"taxonomy": {"codes": "ab"}},
    {"kind": "\x1b[31m"},
    {"unknown": 1},
    {"video_layers": 10**9, "kind": "two_stream"},
)
specs = st.sampled_from(_SPEC_CHANGES).map(
    lambda change: json.dumps(SPEC | change).encode()
) | st.sampled_from(
    [b"[]", b"{}", b"\xff", b"[" * 100_000, b"", b'{"a": ' + b"9" * 5000 + b"}", json.dumps(SPEC).encode()]
)
trainer_files = (
    st.sampled_from(
        [
            pickle.dumps(Harm()),
            pickle.dumps({"a": 1}),
            pickle.dumps([Harm()], 0),
            b"",
            b"\x80\x02.",
            b"PK\x03\x04",
            b"not",
        ]
    )
    | st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda data: b"\x80\x02" + data + b".")
    | st.builds(
        lambda data: zipped(
            [("archive/data.pkl", data), ("archive/version", b"3\n"), ("archive/data/0", b"\0" * 16)],
            zipfile.ZIP_STORED,
        ),
        st.sampled_from([pickle.dumps(Harm(), 2), pickle.dumps({"a": [1]}, 2), b"\x80\x02."])
        | st.binary(max_size=60),
    )
)
