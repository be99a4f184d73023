"""Frames of a video: chosen, decoded at reduced scale and cropped from the zip that holds them.

Shapes: n chosen frames, 3 colours, H and W the crop's side; uint8 until the device normalises.
"""

import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from engine.data.regular import raise_starved, require_regular
from engine.data.zips import DAMAGED_ZIP
from engine.errors import DataError
from engine.format import brief, printable

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
RESIZE_TO_CROP = 256 / 224

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
# Of the many formats that Pillow tells by their content some call other programs, as PostScript does.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
_MAX_IMAGE_BYTES = 64 << 20
_MAX_IMAGE_PIXELS = 64 << 20
_NUMBER = re.compile(r"([0-9]+)")
_BROKEN_ZIP = (*DAMAGED_ZIP, OSError, ValueError)
_BROKEN_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    OverflowError,
    Image.DecompressionBombError,
)

Choose = Callable[[int], NDArray[np.int64]]


@dataclass(frozen=True)
class Preprocess:
    """How a frame becomes a model's input: short side to `resize`, centre crop to `crop`, (x / 255 - mean) / std.

    The statistics are applied on the device; `FrameFolder.read` gives uint8.
    """

    resize: int
    crop: int
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    @classmethod
    def of_backbone(cls, folder_or_name: str | Path, image_size: int) -> "Preprocess":
        """A vision backbone's own settings, from its preprocessor_config.json; CLIP's where it has none.

        The crop is always the backbone's `image_size`; a file that says otherwise gives the ratio of resize to crop.
        """
        settings = _processor_settings(folder_or_name)
        file_resize = _side(settings.get("size"))
        file_crop = _side(settings.get("crop_size")) if settings.get("do_center_crop", True) else None
        if file_resize and file_crop and file_resize >= file_crop:
            resize = round(image_size * file_resize / file_crop)
        elif file_resize:
            resize = image_size
        else:
            resize = round(image_size * RESIZE_TO_CROP)
        mean = _three(settings.get("image_mean")) or CLIP_MEAN
        std = _three(settings.get("image_std")) or CLIP_STD
        return cls(resize, image_size, mean, std)


class FrameFolder:
    """`zip_frames/<split>` of a data set: `<last 3 characters of id>/<id>.zip`, its images ordered by name."""

    def __init__(self, root: Path, split: str) -> None:
        self.folder = root / "zip_frames" / split

    def require(self) -> None:
        """Refuse a split without a folder, whose videos would all seem to have no frames.

        Raises:
            DataError: there is no such folder.
        """
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder}: no such folder, so no video of the split has frames; put the frames there, check "
                "data.root, or give inputs.features an extract run"
            )

    def path(self, video: str) -> Path:
        """Where a video's zip belongs.

        Raises:
            DataError: the id is no plain file name, so that its zip would lie elsewhere.
        """
        if not video or video in (".", "..") or any(char in video for char in "/\\\0"):
            raise DataError(
                f"id '{printable(video[:80])}': not a file name, so it has no frames; mend the id"
            )
        return self.folder / video[-3:] / f"{video}.zip"

    def names(self, video: str) -> list[str]:
        """Names of a video's frames in time order; none where it has no zip.

        Raises:
            DataError: the zip is broken, or holds no image.
        """
        path = self.path(video)
        archive = _open_zip(path)
        if archive is None:
            return []
        with archive:
            return [entry.filename for entry in _frames_of(path, archive)]

    def read(self, video: str, choose: Choose, preprocess: Preprocess) -> NDArray[np.uint8]:
        """The chosen frames, uint8 [n, 3, H, W] in RGB; n = 0 where the video has no zip.

        Args:
            choose: from the number of frames to the indices of those to decode.

        Raises:
            DataError: the zip or one of the chosen images is broken; the message names both.
        OSError: no descriptor or no memory is left, which says nothing about the zip.
        """
        path = self.path(video)
        archive = _open_zip(path)
        if archive is None:
            return np.zeros((0, 3, preprocess.crop, preprocess.crop), np.uint8)
        with archive:
            entries = _frames_of(path, archive)
            chosen = choose(len(entries))
            pixels = np.empty((len(chosen), 3, preprocess.crop, preprocess.crop), np.uint8)
            for position, index in enumerate(chosen):
                entry = entries[int(index)]
                data = _read_entry(path, archive, entry)
                pixels[position] = decode(data, f"{path}: {brief(entry.filename, 200)}", preprocess)
        return pixels


def decode(data: bytes, name: str, preprocess: Preprocess) -> NDArray[np.uint8]:
    """An encoded image as uint8 [3, H, W] in RGB, resized and cropped.

    Raises:
        DataError: it cannot be decoded, or is too large; `name` opens the message.
    """
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > _MAX_IMAGE_PIXELS:
                raise DataError(
                    f"{name}: {width}x{height} pixels are more than a video frame can have; replace it"
                )
            scale = preprocess.resize / min(width, height)
            # JPEG decodes straight to 1/2, 1/4 or 1/8, never below what is asked for.
            image.draft("RGB", (math.ceil(width * scale), math.ceil(height * scale)))
            rgb = image.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: broken image (none of {', '.join(_FORMATS)}); replace it") from error
    except _BROKEN_IMAGE as error:
        raise DataError(f"{name}: broken image ({brief(str(error), 200)}); replace it") from error
    return np.asarray(_resize_and_crop(rgb, preprocess)).transpose(2, 0, 1)


def _resize_and_crop(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    side = preprocess.crop
    scale = preprocess.resize / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    if (width, height) == image.size == (side, side):
        return image
    left, top = (width - side) // 2, (height - side) // 2
    to_source_x, to_source_y = image.width / width, image.height / height
    # Only what the crop keeps is computed: the same pixels as resizing all of it.
    box = (
        left * to_source_x,
        top * to_source_y,
        (left + side) * to_source_x,
        (top + side) * to_source_y,
    )
    return image.resize((side, side), Image.Resampling.BICUBIC, box)


def uniform_indices(count: int, wanted: int) -> NDArray[np.int64]:
    """`wanted` of `count` indices, evenly spread from the first to the last; all where there are no more."""
    if count <= wanted:
        return np.arange(count)
    if wanted == 1:
        return np.array([count // 2])
    steps = np.arange(wanted)
    return (steps * (count - 1) + (wanted - 1) // 2) // (wanted - 1)


def random_indices(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random sorted subset of `wanted` of `count` indices; all where there are no more."""
    if count <= wanted:
        return np.arange(count)
    return np.sort(rng.choice(count, wanted, replace=False))


def natural_key(name: str) -> tuple[object, ...]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    parts = _NUMBER.split(name)
    # Digits compare as (how many, which): no conversion, so a name of a thousand digits costs nothing.
    numbers = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return (*(piece for pair in zip(parts[::2], [*numbers, (0, "")], strict=True) for piece in pair), name)


def _open_zip(path: Path) -> zipfile.ZipFile | None:
    require_regular(path)
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        return None
    except _BROKEN_ZIP as error:
        raise_starved(error)
        raise DataError(f"{path}: broken zip ({brief(str(error), 200)}); replace it") from error


def _frames_of(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in archive.infolist() if _is_frame(entry)]
    if not entries:
        raise DataError(f"{path}: zip without images; replace it, or remove it if the video has no frames")
    entries.sort(key=lambda entry: natural_key(entry.filename))
    return entries


def _is_frame(entry: zipfile.ZipInfo) -> bool:
    name = entry.filename.rpartition("/")[2]
    return not name.startswith(".") and name.lower().endswith(_IMAGE_SUFFIXES)


def _read_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    require_bounded(path, entry)
    try:
        with archive.open(entry) as file:
            data = file.read(_MAX_IMAGE_BYTES + 1)
    except _BROKEN_ZIP as error:
        raise DataError(
            f"{path}: {brief(entry.filename, 200)}: cannot be unpacked ({brief(str(error), 200)}); replace the zip"
        ) from error
    if len(data) > _MAX_IMAGE_BYTES:
        raise DataError(
            f"{path}: {brief(entry.filename, 200)}: larger than a video frame can be; replace the zip"
        )
    return data


def require_bounded(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse what `zipfile` would unpack whole before it says how much that is: a kilobyte can hold gigabytes.

    Raises:
        DataError: the entry is compressed by anything but deflate.
    """
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{path}: {brief(entry.filename, 200)}: cannot be unpacked (compressed by another method than deflate); "
            "pack the zip again with deflate"
        )


def _processor_settings(folder_or_name: str | Path) -> dict[str, Any]:
    folder = Path(folder_or_name)
    if folder.is_dir():
        file = folder / "preprocessor_config.json"
        require_regular(file)
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{file}: cannot be read as JSON ({error}); mend it or remove it") from error
        return settings if isinstance(settings, dict) else {}
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        found, _ = ImageProcessingMixin.get_image_processor_dict(str(folder_or_name))
    except (OSError, ValueError):
        return {}
    return dict(found)


def _side(size: Any) -> int | None:
    """Short side in pixels of the `size` or `crop_size` of a preprocessor_config.json, in any of its forms."""
    if isinstance(size, dict):
        sides = [size[key] for key in ("shortest_edge", "height", "width") if isinstance(size.get(key), int)]
        size = min(sides, default=None)
    return size if isinstance(size, int) and size > 0 else None


def _three(values: Any) -> tuple[float, ...] | None:
    if not isinstance(values, list) or len(values) != 3:
        return None
    if not all(isinstance(value, int | float) for value in values):
        return None
    return tuple(float(value) for value in values)
