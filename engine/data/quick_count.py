"""How many videos and classes an annotations file has, from its first megabytes: for estimates, not for training."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_READ_BYTES = 8 << 20
_ID = re.compile(rb'"id"\s*:')
# The challenge's own numbers, taken for granted where a data set is not there yet.
_ASSUMED = {"labeled": 100_000, "unlabeled": 1_000_000, "test": 25_000}
_ASSUMED_CLASSES = 200
_CATEGORY = re.compile(rb'"category_id"\s*:\s*"(\d+)"')


@dataclass(frozen=True)
class QuickCount:
    """`exact` where the whole file was read; otherwise extrapolated by its size."""

    videos: int
    classes: int
    exact: bool


def quick_count(path: Path) -> QuickCount | None:
    """Counts of an annotations file; None where there is none."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open("rb") as file:
            start = file.read(_READ_BYTES)
            total = path.stat().st_size
    except OSError:
        return None
    videos = len(_ID.findall(start))
    classes = len(set(_CATEGORY.findall(start)))
    if total <= len(start):
        return QuickCount(videos, classes, exact=True)
    return QuickCount(round(videos * total / len(start)), classes, exact=False)


@dataclass(frozen=True)
class VideoCount:
    """Videos of some splits; `assumed` says in words what was taken for granted, as there is no data set."""

    number: int
    assumed: tuple[str, ...] = ()


def count_videos(annotations: Path, splits: Sequence[str], named: Path | None = None) -> VideoCount:
    """Videos of the splits below an `annotations` folder; those that it has not are left out.

    Args:
        named: an annotations file that stands for the splits.
    """
    if named is not None and (counted := quick_count(named)):
        return VideoCount(counted.videos)
    if not annotations.is_dir():
        ordered = [split for split in _ASSUMED if split in splits]
        return VideoCount(
            sum(_ASSUMED[split] for split in ordered),
            tuple(f"{_ASSUMED[split]:,} {split}" for split in ordered),
        )
    found = (quick_count(annotations / f"{split}.json") for split in splits)
    return VideoCount(sum(counted.videos for counted in found if counted))


def count_classes(annotations: Path) -> int:
    """Classes of the labelled videos."""
    counted = quick_count(annotations / "labeled.json")
    return counted.classes if counted and counted.classes else _ASSUMED_CLASSES
