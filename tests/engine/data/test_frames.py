"""Frames: natural order, exact crops, and one line about whatever is broken."""

import errno
import json
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import jpeg, write_zip
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel

from engine.data.frames import (
    CLIP_MEAN,
    CLIP_STD,
    FrameFolder,
    Preprocess,
    natural_key,
    random_indices,
    uniform_indices,
)
from engine.data.videos import DecodedFrames
from engine.errors import DataError
from engine.models.pretrained import preprocess_of

SMALL = Preprocess(resize=32, crop=32)


def every(count: int) -> np.ndarray:
    return np.arange(count)


def flat(red: int, green: int = 0, blue: int = 0, size: tuple[int, int] = (64, 64)) -> bytes:
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:] = red, green, blue
    return jpeg(pixels)


def test_frames_come_in_natural_order(tmp_path: Path) -> None:
    write_zip(tmp_path, "test", "12345", {f"{n}.jpg": flat(20 * n) for n in (10, 2, 1, 11, 3)})
    folder = FrameFolder(tmp_path, "test")
    assert folder.names("12345") == ["1.jpg", "2.jpg", "3.jpg", "10.jpg", "11.jpg"]
    pixels = folder.read("12345", every, SMALL)
    assert pixels.shape == (5, 3, 32, 32)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[:, 0].mean(axis=(1, 2)), [20, 40, 60, 200, 220], atol=3)


@given(st.lists(st.text("ab019._- é", max_size=6), max_size=8, unique=True))
def test_natural_order_is_total(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == sorted(names, key=natural_key)


def test_numbers_of_a_thousand_digits_are_ordered_too() -> None:
    long = "9" * 5000
    assert sorted([f"1{long}.jpg", f"{long}.jpg", "7.jpg"], key=natural_key)[0] == "7.jpg"


def test_only_the_chosen_frames_are_decoded(tmp_path: Path) -> None:
    write_zip(tmp_path, "test", "abc", {"1.jpg": flat(50), "2.jpg": b"broken", "3.jpg": flat(150)})
    pixels = FrameFolder(tmp_path, "test").read("abc", lambda count: np.array([0, count - 1]), SMALL)
    np.testing.assert_allclose(pixels[:, 0].mean(axis=(1, 2)), [50, 150], atol=3)


def test_directories_and_other_files_are_no_frames(tmp_path: Path) -> None:
    members = {
        "a/": b"",
        "a/2.JPG": flat(20),
        "a/10.jpeg": flat(90),
        "__MACOSX/._2.jpg": b"x",
        "notes.txt": b"x",
    }
    write_zip(tmp_path, "test", "abc", members)
    assert FrameFolder(tmp_path, "test").names("abc") == ["a/2.JPG", "a/10.jpeg"]


def test_a_missing_zip_is_a_video_without_frames(tmp_path: Path) -> None:
    folder = FrameFolder(tmp_path, "test")
    assert folder.names("abc") == []
    assert folder.read("abc", every, SMALL).shape == (0, 3, 32, 32)


def test_a_short_id_has_a_folder_of_its_own_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path, "test", "7", {"1.jpg": flat(10)})
    assert path.parent.name == "7"
    assert FrameFolder(tmp_path, "test").names("7") == ["1.jpg"]


@pytest.mark.parametrize("video", ["../../secret", "..", ".", "", "a/b", "a\\b", "a\0b", "/etc/passwd"])
def test_an_id_never_leads_out_of_the_frames_folder(tmp_path: Path, video: str) -> None:
    with pytest.raises(DataError, match="not a file name"):
        FrameFolder(tmp_path, "test").read(video, every, SMALL)


def test_an_id_too_long_for_a_file_name_is_an_error_of_that_video(tmp_path: Path) -> None:
    (tmp_path / "zip_frames" / "test" / "xxx").mkdir(parents=True)
    with pytest.raises(DataError, match="broken zip"):
        FrameFolder(tmp_path, "test").names("x" * 400)


def broken_crc(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "not a zip": lambda path: path.write_bytes(b"this is no zip"),
    "empty file": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "wrong checksum": broken_crc,
    "encrypted": encrypted,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_zip_is_one_line_with_its_name(tmp_path: Path, damage: str) -> None:
    path = write_zip(tmp_path, "test", "abc", {"1.jpg": flat(10)})
    DAMAGE[damage](path)
    with pytest.raises(DataError, match=r"abc\.zip") as caught:
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{}, {"folder/": b"", "readme.txt": b"x"}])
def test_a_zip_without_images_is_broken(tmp_path: Path, content: dict[str, bytes]) -> None:
    write_zip(tmp_path, "test", "abc", content)
    with pytest.raises(DataError, match=r"abc\.zip: zip without images"):
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)


@pytest.mark.parametrize(
    "data", [jpeg()[:1500], jpeg()[:40], b"", b"GIF89a", b"\xff\xd8\xff\xe0" + b"\0" * 50]
)
def test_a_broken_image_is_named_with_its_zip(tmp_path: Path, data: bytes) -> None:
    write_zip(tmp_path, "test", "abc", {"1.jpg": jpeg(), "2.jpg": data})
    with pytest.raises(DataError, match=r"abc\.zip: 2\.jpg: broken image"):
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)


@pytest.mark.parametrize("side", [9000, 65535])
def test_an_image_of_absurd_size_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    data = bytearray(jpeg(size=(16, 16)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = 2 * side.to_bytes(2)
    write_zip(tmp_path, "test", "abc", {"1.jpg": bytes(data)})
    with pytest.raises(DataError, match=r"1\.jpg: .*pixels"):
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)


def test_an_entry_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.frames._MAX_IMAGE_BYTES", 1 << 16)
    path = tmp_path / "zip_frames" / "test" / "abc" / "abc.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.jpg", b"\0" * (32 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match="larger than a video frame"):
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_names_with_control_characters_are_shown_not_obeyed(tmp_path: Path) -> None:
    write_zip(tmp_path, "test", "abc", {"\x1b[31m.jpg": b"broken"})
    with pytest.raises(DataError) as caught:
        FrameFolder(tmp_path, "test").read("abc", every, SMALL)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("size", [(64, 64), (100, 60), (60, 100), (33, 32), (300, 41), (20, 20)])
def test_resize_and_crop_equal_doing_both_one_after_the_other(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    write_zip(tmp_path, "test", "abc", {"1.png": file.getvalue()})
    preprocess = Preprocess(resize=48, crop=32)
    (pixels,) = FrameFolder(tmp_path, "test").read("abc", every, preprocess)
    scale = 48 / min(size)
    whole = Image.fromarray(ramp).resize(
        (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC
    )
    left, top = (whole.width - 32) // 2, (whole.height - 32) // 2
    wanted = np.asarray(whole.crop((left, top, left + 32, top + 32))).transpose(2, 0, 1)
    assert np.abs(pixels.astype(int) - wanted).max() <= 1


def test_reduced_decoding_keeps_the_picture(tmp_path: Path) -> None:
    rows = np.linspace(0, 255, 512)
    smooth = np.stack(
        [np.tile(rows, (512, 1)), np.tile(rows[:, None], (1, 512)), np.full((512, 512), 90)], axis=2
    )
    write_zip(tmp_path, "test", "abc", {"1.jpg": jpeg(smooth.astype(np.uint8))})
    (pixels,) = FrameFolder(tmp_path, "test").read("abc", every, Preprocess(resize=64, crop=64))
    wanted = np.asarray(Image.fromarray(smooth.astype(np.uint8)).resize((64, 64))).transpose(2, 0, 1)
    assert np.abs(pixels.astype(int) - wanted).max() <= 6


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    file = BytesIO()
    Image.new(mode, (40, 40)).save(file, kind)
    write_zip(tmp_path, "test", "abc", {f"1.{kind.lower()}": file.getvalue()})
    assert FrameFolder(tmp_path, "test").read("abc", every, SMALL).shape == (1, 3, 32, 32)


@given(st.integers(0, 200), st.integers(1, 64))
def test_uniform_indices_span_the_whole_video(count: int, wanted: int) -> None:
    chosen = uniform_indices(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert (np.diff(chosen) > 0).all()
    if 1 < wanted < count:
        assert chosen[0] == 0
        assert chosen[-1] == count - 1
        assert np.ptp(np.diff(chosen)) <= 1
    if len(chosen):
        assert chosen[0] >= 0
        assert chosen[-1] < count


@given(st.integers(0, 60), st.integers(1, 40), st.integers(0, 5))
def test_random_indices_are_a_sorted_subset(count: int, wanted: int, seed: int) -> None:
    chosen = random_indices(count, wanted, np.random.default_rng(seed))
    assert len(chosen) == min(count, wanted)
    assert (np.diff(chosen) > 0).all()
    assert set(chosen) <= set(range(count))


def test_every_frame_may_be_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {int(index) for _ in range(200) for index in random_indices(20, 4, rng)}
    assert drawn == set(range(20))


def write_settings(folder: Path, settings: object) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_a_backbone_without_settings_gets_clips(tmp_path: Path) -> None:
    assert Preprocess.of_backbone(tmp_path, 224) == Preprocess(256, 224, CLIP_MEAN, CLIP_STD)


def test_a_backbones_own_settings_are_followed(tmp_path: Path) -> None:
    settings = {
        "size": {"shortest_edge": 248},
        "crop_size": {"height": 224, "width": 224},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    assert Preprocess.of_backbone(write_settings(tmp_path, settings), 224) == Preprocess(
        248, 224, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    )


@pytest.mark.parametrize(
    ("settings", "resize"),
    [
        ({"size": 224, "crop_size": 224}, 224),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}, 256),
        ({"size": {"height": 224, "width": 224}}, 224),
        ({"size": {"shortest_edge": 512}, "crop_size": {"height": 448, "width": 448}}, 256),
        ({"size": "large", "image_mean": [1], "image_std": "x"}, 256),
        ([], 256),
    ],
)
def test_older_and_odd_settings(tmp_path: Path, settings: object, resize: int) -> None:
    preprocess = Preprocess.of_backbone(write_settings(tmp_path, settings), 224)
    assert (preprocess.resize, preprocess.crop, preprocess.mean) == (resize, 224, CLIP_MEAN)


def test_the_original_cuts_224_pixels_out_of_256_whatever_the_backbones_own_settings(tmp_path: Path) -> None:
    write_settings(tmp_path, {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}})
    with torch.device("meta"):
        backbone = CLIPVisionModel(CLIPVisionConfig(num_hidden_layers=1, image_size=224))
    assert preprocess_of(str(tmp_path), backbone, "backbone").resize == 224
    original = preprocess_of(str(tmp_path), backbone, "imagenet")
    assert original == Preprocess(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_settings_that_are_no_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(DataError, match=r"preprocessor_config\.json"):
        Preprocess.of_backbone(tmp_path, 224)


def test_a_tiny_clip_takes_frames_of_its_size_as_they_are(tiny_models: Path) -> None:
    assert Preprocess.of_backbone(tiny_models / "clip", 64) == Preprocess(64, 64, CLIP_MEAN, CLIP_STD)


def test_frames_of_a_split_without_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"zip_frames/labeled: no such folder.*check data\.root"):
        DecodedFrames(FrameFolder(tmp_path, "labeled"), SMALL, 4)
    (tmp_path / "zip_frames" / "labeled").mkdir(parents=True)
    frames = DecodedFrames(FrameFolder(tmp_path, "labeled"), SMALL, 4)
    assert len(frames.read("without", None)) == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_zip_is_not_called_broken_because_no_file_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_arguments: object, **_options: object) -> None:
        raise OSError(number, "refused")

    write_zip(tmp_path, "labeled", "v001", {"1.jpg": jpeg()})
    monkeypatch.setattr("zipfile.io.open", refused)
    with pytest.raises(OSError, match="refused"):
        FrameFolder(tmp_path, "labeled").names("v001")
