"""Hostile images: every mode, damaged, promising too much, and files that are none."""

import io
import struct
import zlib
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from benchmarks.hostile.damage import damaged


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
