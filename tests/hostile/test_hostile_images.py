"""Images of every mode, damaged ones, and files that are none, in zips of every kind."""

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin
from trying import named, try_inputs

from benchmarks.hostile import archives, images
from benchmarks.hostile.file_kinds import FILE_KINDS
from engine.data.feature_zips import FeatureZip
from engine.data.frames import FrameFolder, Preprocess, decode
from engine.errors import DataError

SMALL = Preprocess(resize=8, crop=8)


@pytest.mark.parametrize("kind", ["images", "zips of frames"])
def test_any_file_is_decoded_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(FILE_KINDS, kind), tmp_path, 120)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "I;16"])
def test_images_of_every_mode_are_decoded(mode: str) -> None:
    assert decode(images.image(mode, kind="PNG"), "1.png", SMALL).shape == (3, 8, 8)


def test_an_image_in_cmyk_and_the_first_of_an_animation_are_decoded() -> None:
    for data in (images.image("CMYK"), images.animation()):
        assert decode(data, "1.jpg", SMALL).shape == (3, 8, 8)


def test_postscript_under_the_name_of_an_image_starts_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: started.append(given))
    with pytest.raises(DataError, match="broken image"):
        decode(images.POSTSCRIPT, "1.jpg", SMALL)
    assert not started


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_would_be_unpacked_whole_is_not_unpacked(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "zip_frames" / "test" / "abc" / "abc.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(archives.zipped([("1.jpg", bytes(64 << 20)), ("1.npy", bytes(64 << 20))], compression))
    assert path.stat().st_size < 1 << 16
    tracemalloc.start()
    with pytest.raises(DataError, match=r"abc\.zip: 1\.jpg: cannot be unpacked"):
        FrameFolder(tmp_path, "test").read("abc", np.arange, SMALL)
    with pytest.raises(DataError, match="no usable features"):
        FeatureZip(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
