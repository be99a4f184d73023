"""Verbs about data sets and submission files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.output import print_json, print_scores
from engine.format import printable

if TYPE_CHECKING:
    from engine.data.check import DatasetReport


def score_submission(result: Path, truth: Path, *, as_json: bool) -> None:
    """The competition's evaluation of a submission file."""
    from engine.data.submission import score_files

    scores = score_files(result, truth)
    if as_json:
        levels = [
            {"level": one.level, "f1_micro": one.f1_micro, "f1_macro": one.f1_macro, "accuracy": one.accuracy}
            for one in scores.levels
        ]
        print_json({"f1_mean": scores.f1_mean, "levels": levels})
    else:
        print_scores(scores)


def check_data(data: Path, *, as_json: bool, quick: bool = False, sample: int | None = None) -> int:
    """Read a data set and tell what is in it and what is broken; 2 where anything is, else 0.

    Args:
        quick: list the frames without decoding them.
        sample: look at the frames of so many videos a split; None for all.
    """
    from engine.data.check import check_dataset

    report = check_dataset(
        data, deep=not quick, sample_videos=sample, progress=_tell if sys.stderr.isatty() else None
    )
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report.problems:
        return 0
    counts = ", ".join(f"{count} {kind}" for kind, count in report.problems.items())
    first = next(line for split in report.splits for lines in split.examples.values() for line in lines)
    print(f"error: {printable(str(data))}: {counts}; the first: {printable(first)}", file=sys.stderr)
    return 2


def _tell(split: str, done: int, total: int) -> None:
    if done % 100 == 0 or done == total:
        end = "\n" if done == total else ""
        print(f"\r{split}: {done}/{total} videos", end=end, file=sys.stderr, flush=True)


def _print_report(report: "DatasetReport") -> None:
    for split in report.splits:
        missing = ", ".join(f"{count} without {what}" for what, count in split.missing.items() if count)
        print(
            f"{split.split:<10} {split.videos} videos, {split.labelled} labelled, {split.frames} frames",
            end="",
        )
        if split.checked < split.videos:
            print(f" in {split.checked} of the videos", end="")
        print(f" ({split.fewest_frames} to {split.most_frames} a video)" if split.frames else "")
        if missing:
            print(f"{'':<10} {missing.replace('without everything', 'with nothing at all')}")
        if split.stray_zips:
            print(f"{'':<10} {split.stray_zips} zips of no video")
        for kind, lines in split.examples.items():
            print(f"{'':<10} {split.problems[kind]} {kind}")
            for line in lines:
                print(f"{'':<12} {printable(line)}")
    for level in report.levels:
        line = f"level {level.level:<4} {level.classes} classes"
        if level.rarest and level.commonest:
            line += f", {level.rarest.videos} to {level.commonest.videos} videos each"
            line += f" (rarest {printable(level.rarest.name)}, commonest {printable(level.commonest.name)})"
        if level.empty:
            line += f", {level.empty} without any"
        print(line)
