"""Frames written by hand."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def jpeg(pixels: NDArray[np.uint8] | None = None, *, size: tuple[int, int] = (64, 64)) -> bytes:
    """A JPEG of `pixels` [H, W, 3], or of noise."""
    if pixels is None:
        pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_zip(root: Path, split: str, video: str, members: dict[str, bytes]) -> Path:
    """`zip_frames/<split>/<last 3>/<id>.zip` with these members in this order."""
    path = root / "zip_frames" / split / video[-3:] / f"{video}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
