"""Hostile files: zips, images, arrays, checkpoints and record files, damaged or made to do harm."""

import io
import json
import pickle
import struct
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from benchmarks.hostile.words import NASTY_WORDS, numbers, words


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A good file with a few bytes cut, doubled or replaced."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff"])
        )
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + len(piece)] = piece
            case 1:
                data[at:at] = piece
            case 2:
                del data[at:]
            case _:
                del data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


class Harm:
    """Unpickled, it would make a file named `executed` in the current folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("executed", "w")


# --- images


def image(mode: str = "RGB", size: tuple[int, int] = (12, 9), kind: str = "JPEG", **options: Any) -> bytes:
    """A small image of any mode that the format has."""
    out = io.BytesIO()
    Image.new(
        mode,
        size,
        None
        if mode in ("1", "I", "I;16", "F", "L", "P")
        else tuple(range(60, 60 + 40 * len(mode), 40))[: len(mode)],
    ).save(out, kind, **options)
    return out.getvalue()


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that promises so many pixels and has next to none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def animation() -> bytes:
    """A GIF of three pictures."""
    out = io.BytesIO()
    frames = [Image.new("P", (9, 9), number) for number in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def _text_bomb() -> bytes:
    data = b"comment\0\0" + zlib.compress(b"\0" * (80 << 20))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    good = image("RGB", kind="PNG")
    return good[:33] + chunk + good[33:]


IMAGES = (
    image(),
    image("L"),
    image("CMYK"),
    image("RGB", progressive=True),
    *(image(mode, kind="PNG") for mode in ("RGB", "RGBA", "L", "LA", "1", "P", "I;16")),
    image("RGB", kind="BMP"),
    image("RGB", kind="WEBP"),
    image("RGB", (1, 4000), kind="PNG"),
    image("RGB", (4000, 1)),
    animation(),
    *(
        png_header(*size)
        for size in ((0, 0), (0, 9), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (8000, 8000), (65500, 2))
    ),
    png_header(9, 9, depth=16, colour=7),
)
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(executed) (w) file closefile\n%%EOF\n"
)
OTHER_FILES = (
    POSTSCRIPT,
    b"\xc5\xd0\xd3\xc6"
    + struct.pack("<II", 30, 40)
    + b"\0" * 18
    + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"GIF89a",
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"II*\0" + b"\xff" * 40,
    b"\0\0\1\0\1\0\0\0",
    b"8BPS" + b"\0\1" * 20,
    b"P6 99999 99999 255\n",
    b"SIMPLE  =                    T" + b" " * 2850,
    b"",
)


def images() -> st.SearchStrategy[bytes]:
    """Images of every mode, whole or damaged, and files that are none."""
    return (
        damaged(st.sampled_from(IMAGES))
        | st.sampled_from([*OTHER_FILES, _text_bomb()])
        | st.binary(max_size=100)
    )


# --- arrays and zips


def npy(array: Any, *, pickled: bool = False) -> bytes:
    """The bytes of an .npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=pickled)
    return out.getvalue()


def npy_header(header: str | bytes, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    """An .npy whose header says whatever it is told."""
    text = header.encode("utf-8", "surrogatepass") if isinstance(header, str) else header
    length = struct.pack("<H", len(text) & 0xFFFF) if version == (1, 0) else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


_HEADERS = (
    "{'descr': '<f2', 'fortran_order': False, 'shape': (%s)}",
    "{'descr': %s, 'fortran_order': False, 'shape': (2, 3)}",
    "{'descr': '<f2', 'fortran_order': %s, 'shape': (2, 3)}",
    "{%s: '<f2', 'fortran_order': False, 'shape': (2, 3)}",
    "%s",
)
_HEADER_PARTS = (
    *(
        "2, 3",
        "-1, 3",
        "2**9, 3",
        "9" * 30 + ", 3",
        "0, 0",
        "2, -3",
        "True, 3",
        "2,",
        "",
        "'a', 3",
        "2, 3, 4",
        "[2], 3",
    ),
    *(
        "'O'",
        "'|O'",
        "'V9'",
        "[('a', '<f2')]",
        "'<U9'",
        "'<m8[s]'",
        "'<f2' * 9",
        "None",
        "()",
        "{}",
        "''",
        "'\\x00'",
    ),
    *(
        "__import__('os').system('touch executed')",
        "(" * 500,
        "[" * 90 + "]" * 90,
        "'" + "x" * 9000,
        "\n" * 50,
        "1L, 3",
        "'''",
    ),
    *(
        "\ud800",
        "# x\n",
        "\\",
        "\x00",
        "\t \f",
        "9e99, 3",
        "(yield)",
        "lambda: 0",
        "2, 3)} #",
        "0x, 3",
        "  1\n 2",
    ),
)


def arrays() -> st.SearchStrategy[bytes]:
    """.npy files: right ones, of wrong shapes and types, damaged, with headers that lie, and pickled objects."""
    good = (
        npy(np.ones((2, 4), np.float16)),
        npy(np.ones((0, 4), np.float16)),
        npy(np.ones((2, 4), np.float32)),
        npy(np.full((2, 4), np.nan, np.float16)),
        npy(np.full((2, 4), 1e30, np.float32)),
        npy(np.ones((2, 5), np.float16)),
        npy(np.ones(4, np.float16)),
        npy(np.float16(1)),
        npy(np.ones((2, 4), np.int64)),
        npy(np.array([["a", "b"]])),
        npy(np.asfortranarray(np.ones((2, 4), np.float16))),
        npy(np.zeros((2, 4), [("a", "<f2")])),
        npy(np.array([Harm()], dtype=object), pickled=True),
        npy(np.array(["2020-01-01"], "M8[D]")),
    )
    lying = st.builds(
        lambda header, part, version, data: npy_header(header.replace("%s", part), version, data),
        st.sampled_from(_HEADERS),
        st.sampled_from(_HEADER_PARTS) | words,
        st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]),
        st.binary(max_size=24),
    )
    zipped = io.BytesIO()
    np.savez(zipped, a=np.ones((2, 4), np.float16))
    others = st.sampled_from([zipped.getvalue(), pickle.dumps(Harm()), b"", b"\x93NUMPY", b"PK\x03\x04"])
    return damaged(st.sampled_from(good)) | lying | others


def zipped(
    members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED, *, comment: bytes = b""
) -> bytes:
    """A zip of the members in order, their names as they are given, repeated ones too."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore")
        archive.comment = comment
        for name, data in members:
            entry = zipfile.ZipInfo("x")
            entry.filename = name.encode("utf-8", "replace").decode()
            entry.compress_type = compression
            archive.writestr(entry, data)
    return out.getvalue()


def _flagged(data: bytes, flag: int) -> bytes:
    marked = bytearray(data)
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = marked.find(header)
        while at >= 0:
            marked[at + offset] |= flag
            at = marked.find(header, at + 4)
    return bytes(marked)


MEMBER_NAMES = (
    *(
        "1.jpg",
        "2.jpg",
        "1.npy",
        "a/1.jpg",
        "../../../escaped.jpg",
        "/escaped.jpg",
        "..\\escaped.jpg",
        "C:\\escaped.jpg",
    ),
    *(
        "\x1b[31m.jpg",
        "\u202e.jpg",
        "a\0b.jpg",
        ".jpg",
        "dir/",
        "dir.jpg/",
        "x" * 4000 + ".jpg",
        "9" * 900 + ".jpg",
    ),
    *("../../../escaped.npy", "/escaped.npy", "x.zip", "con.jpg", "a.jpg\n.jpg"),
)


def zips(content: st.SearchStrategy[bytes], name: str) -> st.SearchStrategy[bytes]:
    """Zips of such members: names that lead out, repeated, encrypted, nested, compressed in every way, damaged."""
    members = st.lists(st.tuples(st.sampled_from([name, *MEMBER_NAMES]) | words, content), max_size=4)
    whole = st.builds(
        zipped,
        members,
        st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
        comment=st.sampled_from([b"", b"\x1b[31m", b"PK\x05\x06"]),
    )
    nested = whole.map(lambda data: zipped([(name, data), ("x.zip", data)]))
    flagged = st.builds(_flagged, whole, st.sampled_from([1, 0x20, 0x40, 0x08]))
    return whole | damaged(whole) | nested | flagged | whole.map(lambda data: b"MZ" * 50 + data)


def flat_bomb(name: str, gibibytes: int) -> bytes:
    """A zip of some kilobytes a gibibyte, of one member that unpacks to as many zeros."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        for _ in range(gibibytes << 4):
            member.write(bytes(64 << 20))
    return out.getvalue()


# --- what a run leaves behind

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

_TAXONOMY = {"codes": ["0101", "0102"], "names": {"01": "x"}}
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
        "taxonomy.json": st.sampled_from([json.dumps(_TAXONOMY).encode()] * 4)
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
    "taxonomy": _TAXONOMY,
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

# --- records and manifests

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
