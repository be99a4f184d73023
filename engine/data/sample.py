"""`reeltop sample`: a data set in the challenge's layout with the real one's difficulties, from a seed to the byte."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.batches import item_rng
from engine.data.categories import CATEGORIES_FILE
from engine.data.columns import building
from engine.data.sample_content import Texts, draw_frames, draw_texts
from engine.data.sample_world import World, make_world
from engine.data.submission import write_submission
from engine.errors import DataError

_ZIP_DATE = (2022, 1, 1, 0, 0, 0)
_ID_DIGITS = 17
TRUTH_FILE = "truth/test.csv"


def make_sample(
    folder: Path,
    *,
    videos: int = 600,
    classes: int = 20,
    seed: int = 802,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a data set of `videos` labelled, twice as many unlabelled and a third as many test videos.

    The labels of the test videos are in `truth/test.csv`, for `reeltop score`. The folder appears when it is complete.

    Args:
        folder: made; must be missing or empty.
        classes: level-2 classes, 4 to 200.
        progress: called with (videos done, videos).

    Raises:
        DataError: `folder` is in use, or the numbers are out of range.
    """
    if not 4 <= classes <= 200:
        raise DataError(f"classes: {classes} is out of range; choose 4 to 200")
    if videos < classes:
        raise DataError(f"videos: {videos} are too few for {classes} classes; choose at least as many")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists already; remove it or choose another folder")
    with building(folder) as partial:
        _write(partial, videos, classes, seed, progress)


def _write(
    root: Path, videos: int, classes: int, seed: int, progress: Callable[[int, int], None] | None
) -> None:
    rng = np.random.default_rng(seed)
    world = make_world(classes, rng)
    sizes = {"labeled": videos, "unlabeled": 2 * videos, "test": max(1, videos // 3)}
    total = sum(sizes.values())
    ids = _ids(total, rng)
    (root / "annotations").mkdir()
    (root / "truth").mkdir()
    _write_categories(root / CATEGORIES_FILE, world)
    done = 0
    for split, size in sizes.items():
        leaves = rng.permutation(_leaves(world, size))
        split_ids = ids[done : done + size]
        with (root / "annotations" / f"{split}.json").open("w", encoding="utf-8") as file:
            for position, (video, leaf) in enumerate(zip(split_ids, leaves, strict=True)):
                own_rng = item_rng(seed, 0, f"{split}/{position}")
                record = _record(video, draw_texts(world, int(leaf), own_rng))
                if split == "labeled":
                    record["category_id"] = world.topics[int(leaf)].code
                file.write("[\n" if position == 0 else ",\n")
                file.write(json.dumps(record, ensure_ascii=False))
                _write_zip(root / "zip_frames" / split, video, draw_frames(world, int(leaf), own_rng))
                if progress is not None:
                    progress(done + position + 1, total)
            file.write("\n]\n")
        if split == "test":
            codes = [world.topics[int(leaf)].code for leaf in leaves]
            write_submission(root / TRUTH_FILE, split_ids, codes)
        done += size


def _leaves(world: World, size: int) -> NDArray[np.int64]:
    """Leaf of each video of a split: by the world's shares, every class at least once where there is room."""
    least = 1 if size >= len(world.shares) else 0
    exact = np.array(world.shares) * (size - least * len(world.shares))
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: size - least * len(counts) - counts.sum()]] += 1
    return np.repeat(np.arange(len(counts)), counts + least)


def _ids(count: int, rng: np.random.Generator) -> list[str]:
    numbers = np.zeros(0, np.int64)
    while len(numbers) < count:
        drawn = rng.integers(10 ** (_ID_DIGITS - 1), 10**_ID_DIGITS, size=count)
        numbers = np.unique(np.concatenate([numbers, drawn]))
    return [str(number) for number in rng.permutation(numbers)[:count]]


def _record(video: str, texts: Texts) -> dict[str, object]:
    ocr = [{"time": 2 * position, "text": text} for position, text in enumerate(texts.ocr)]
    return {"id": video, "title": texts.title, "asr": texts.asr, "ocr": ocr}


def _write_zip(folder: Path, video: str, frames: list[bytes]) -> None:
    folder = folder / video[-3:]
    folder.mkdir(parents=True, exist_ok=True)
    if not frames:
        return
    with zipfile.ZipFile(folder / f"{video}.zip", "w", zipfile.ZIP_STORED) as archive:
        for number, frame in enumerate(frames, 1):
            archive.writestr(zipfile.ZipInfo(f"{number}.jpg", _ZIP_DATE), frame)


def _write_categories(path: Path, world: World) -> None:
    names = world.taxonomy.names
    entries = [
        {"category_id": code, "level1_name": names[code[:2]], "level2_name": names[code]}
        for code in world.taxonomy.codes
    ]
    path.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
