"""`reeltop check`: everything about a data set that a run would stumble over, counted and named before it does."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.annotation_file import DUPLICATE_ID, UNKNOWN_CATEGORY, BrokenRecord, read_annotations
from engine.data.categories import CATEGORIES_FILE, load_categories, usual_taxonomy
from engine.data.feature_zips import feature_zip, scan_feature_zip
from engine.data.frames import FrameFolder, Preprocess, uniform_indices
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError

SPLITS = ("labeled", "unlabeled", "test")
MODALITIES = ("title", "ocr", "asr", "frames", "everything")
UNREADABLE = "unreadable file"
BROKEN_FRAMES = "broken frames"
BROKEN_FEATURES = "broken features"
_EXAMPLES = 10
# Enough of a decoder's work to find damage, at the least cost in pixels.
_GLANCE = Preprocess(resize=8, crop=8)

Progress = Callable[[str, int, int], None]


@dataclass
class SplitReport:
    """One split.

    Attributes:
        records: entries of its annotations file.
        videos: entries with an id of their own.
        labelled: videos with a category.
        missing: videos without `title`, `ocr`, `asr`, `frames`, and without any of them (`everything`).
        checked: videos whose frames were looked at; `missing` counts frames among these.
        frames: images, or rows of ready-made features, of the videos checked.
        fewest_frames: of the videos that have any.
        most_frames: of one video.
        stray_zips: zips under no name of this split's videos.
        problems: count of each kind of problem.
        examples: some of each kind, in words.
    """

    split: str
    records: int = 0
    videos: int = 0
    labelled: int = 0
    missing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 0))
    checked: int = 0
    frames: int = 0
    fewest_frames: int = 0
    most_frames: int = 0
    stray_zips: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, detail: str, times: int = 1) -> None:
        """Count a problem, of so many videos, and keep some of its kind."""
        self.problems[kind] = self.problems.get(kind, 0) + times
        if len(lines := self.examples.setdefault(kind, [])) < _EXAMPLES:
            lines.append(detail)


@dataclass(frozen=True)
class ClassCount:
    """A class and how many labelled videos it has."""

    code: str
    name: str
    videos: int


@dataclass(frozen=True)
class LevelReport:
    """Classes of one taxonomy level among the labelled videos; level 1 is the coarsest.

    `empty` counts classes that categories.json lists and no video has; `rarest` has at least one video.
    """

    level: int
    classes: int
    empty: int
    rarest: ClassCount | None
    commonest: ClassCount | None


@dataclass(frozen=True)
class DatasetReport:
    """What `check_dataset` found; `dataclasses.asdict` makes it JSON.

    Attributes:
        decoded: whether every frame was decoded, not only listed.
        problems: count of each kind of problem over all splits, the most frequent first. Missing modalities are none.
    """

    root: str
    splits: tuple[SplitReport, ...]
    levels: tuple[LevelReport, ...]
    decoded: bool
    problems: dict[str, int]


def check_dataset(
    root: Path, *, deep: bool = True, sample_videos: int | None = None, progress: Progress | None = None
) -> DatasetReport:
    """Read a whole data set in the challenge's layout; nothing is written.

    Args:
        deep: decode every frame, not only list the zips.
        sample_videos: look at the frames of at most so many videos of a split, spread over it; None for all.
        progress: called with (split, videos done, videos) while frames are looked at.

    Raises:
        DataError: there is no annotations file at all.
    """
    present = [split for split in SPLITS if (root / "annotations" / f"{split}.json").exists()]
    if not present:
        raise DataError(
            f"{root / 'annotations'}: no labeled.json, unlabeled.json or test.json; name a folder in the "
            "challenge's layout"
        )
    split_of: dict[str, str] = {}
    code_counts: Counter[str] = Counter()
    reports = []
    taxonomy = Taxonomy.from_codes([])
    for split in present:
        report = SplitReport(split)
        first_of: dict[str, str] = {}
        has_text = _check_annotations(root, report, split_of, code_counts, first_of)
        if split == "labeled":
            taxonomy = _check_categories(root, report, code_counts, first_of)
        _check_frames(root, report, has_text, deep, sample_videos, progress)
        reports.append(report)
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.problems)
    levels = tuple(_level(taxonomy, level, code_counts) for level in range(1, taxonomy.levels + 1))
    return DatasetReport(str(root), tuple(reports), levels, deep, dict(total.most_common()))


def _check_annotations(
    root: Path,
    report: SplitReport,
    split_of: dict[str, str],
    code_counts: Counter[str],
    first_of: dict[str, str],
) -> dict[str, bool]:
    """Ids of the split's videos, and whether each has any text; `first_of` gets an id of each category."""
    has_text: dict[str, bool] = {}
    try:
        for record in read_annotations(root / "annotations" / f"{report.split}.json"):
            report.records += 1
            if isinstance(record, BrokenRecord):
                report.note(record.kind, record.detail)
                continue
            if record.id in has_text:
                report.note(DUPLICATE_ID, f"record {report.records}: id {record.id} was there before")
                continue
            if (other := split_of.setdefault(record.id, report.split)) != report.split:
                report.note(DUPLICATE_ID, f"record {report.records}: id {record.id} is in {other}.json too")
            if record.problem is not None:
                report.note(*record.problem)
            if record.category is not None:
                report.labelled += 1
                if report.split == "labeled":
                    code_counts[record.category] += 1
                    first_of.setdefault(record.category, record.id)
            for modality in ("title", "ocr", "asr"):
                report.missing[modality] += not getattr(record, modality)
            has_text[record.id] = bool(record.title or record.ocr or record.asr)
    except DataError as error:
        report.note(UNREADABLE, str(error))
    report.videos = len(has_text)
    return has_text


def _check_categories(
    root: Path, report: SplitReport, code_counts: Counter[str], first_of: Mapping[str, str]
) -> Taxonomy:
    listed = None
    try:
        listed = load_categories(root / CATEGORIES_FILE)
    except DataError as error:
        report.note(UNREADABLE, str(error))
    taxonomy = usual_taxonomy(code_counts) if listed is None else listed
    where = "the usual number of levels" if listed is None else CATEGORIES_FILE
    for code in [code for code in code_counts if code not in taxonomy]:
        times = code_counts.pop(code)
        videos = f"id {first_of[code]}" + (f" and {times - 1} more" if times > 1 else "")
        report.note(UNKNOWN_CATEGORY, f"{videos}: category_id '{code}' is not in {where}", times)
    return taxonomy


def _check_frames(
    root: Path,
    report: SplitReport,
    has_text: Mapping[str, bool],
    deep: bool,
    sample_videos: int | None,
    progress: Progress | None,
) -> None:
    frames_folder = FrameFolder(root, report.split)
    ready = feature_zip(root, report.split)
    if ready.exists() and not frames_folder.folder.is_dir():
        videos = list(has_text)
        counts = _count_features(ready, has_text, report)
    else:
        ids = list(has_text)
        wanted = len(ids) if sample_videos is None else sample_videos
        videos = [ids[row] for row in uniform_indices(len(ids), wanted)]
        counts = {}
        for done, video in enumerate(videos, 1):
            counts[video] = _count_images(frames_folder, video, deep, report)
            if progress is not None:
                progress(report.split, done, len(videos))
        report.stray_zips = sum(path.stem not in has_text for path in _zips(frames_folder.folder))
    report.checked = len(videos)
    for video in videos:
        count = counts.get(video, 0)
        report.missing["frames"] += not count
        report.missing["everything"] += not count and not has_text[video]
    present = [count for count in counts.values() if count]
    report.frames = sum(present)
    report.fewest_frames = min(present, default=0)
    report.most_frames = max(present, default=0)


def _count_images(folder: FrameFolder, video: str, deep: bool, report: SplitReport) -> int:
    count = 0

    def every(images: int) -> NDArray[np.int64]:
        nonlocal count
        count = images
        return np.arange(images)

    try:
        if deep:
            folder.read(video, every, _GLANCE)
        else:
            count = len(folder.names(video))
    except DataError as error:
        report.note(BROKEN_FRAMES, str(error))
    return count


def _count_features(path: Path, has_text: Mapping[str, bool], report: SplitReport) -> dict[str, int]:
    counts: dict[str, int] = {}
    try:
        for video, count, problem in scan_feature_zip(path):
            if problem is not None:
                report.note(BROKEN_FEATURES, problem)
            elif video in has_text:
                counts[video] = count
    except DataError as error:
        report.note(UNREADABLE, str(error))
    return counts


def _zips(folder: Path) -> Iterator[Path]:
    return folder.glob("*/*.zip")


def _level(taxonomy: Taxonomy, level: int, code_counts: Mapping[str, int]) -> LevelReport:
    codes = taxonomy.level_codes(level)
    leaves = np.array([code_counts.get(code, 0) for code in taxonomy.codes])
    videos = np.bincount(taxonomy.leaf_to_level(level), leaves, minlength=len(codes)).astype(np.int64)
    ranked = sorted(
        (
            ClassCount(code, taxonomy.name(code), int(count))
            for code, count in zip(codes, videos, strict=True)
        ),
        key=lambda one: (one.videos, one.code),
    )
    seen = [one for one in ranked if one.videos]
    return LevelReport(
        level=level,
        classes=len(codes),
        empty=len(codes) - len(seen),
        rarest=seen[0] if seen else None,
        commonest=seen[-1] if seen else None,
    )
