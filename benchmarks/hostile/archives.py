"""Hostile .npy files and zips: headers that lie, names that lead out, bombs."""

import io
import pickle
import struct
import warnings
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.hostile.damage import Harm, damaged
from benchmarks.hostile.words import words


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
