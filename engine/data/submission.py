"""The submission file `id,category_id`: reading, writing, and the competition's evaluation of it."""

import csv
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from engine.data.annotation_file import BrokenRecord, read_annotations
from engine.data.taxonomy import Taxonomy, is_code
from engine.errors import DataError
from engine.format import brief, printable
from engine.metrics import HierarchicalScores, hierarchical_scores

_MAX_LINE = 1 << 16
_HEADER = ("id", "category_id")


def write_submission(path: Path, ids: Sequence[str], codes: Sequence[str]) -> None:
    """Write one line a video, header first; the file appears when it is complete.

    Raises:
        ValueError: as many ids as codes are wanted.
    """
    partial = path.with_name(f".partial-{secrets.token_hex(8)}")
    try:
        with partial.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            writer.writerows(zip(ids, codes, strict=True))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_submission(path: Path) -> dict[str, str]:
    """Category code by id, in the file's order; a header line is optional.

    Raises:
        DataError: the file is missing, or a line (named) is not `id,category_id`, or repeats an id.
    """
    codes: dict[str, str] = {}
    for line, row in _rows(path):
        if len(row) != 2:
            raise DataError(f"{path}: line {line} has {len(row)} fields; want id,category_id")
        video, code = row[0].strip(), row[1].strip()
        if not video:
            raise DataError(f"{path}: line {line} has no id; want id,category_id")
        if not is_code(code):
            raise DataError(
                f"{path}: line {line} has the category '{printable(code[:40])}'; want two digits for each level"
            )
        if video in codes:
            raise DataError(f"{path}: line {line} repeats id {brief(video)}; give each video once")
        codes[video] = code
    if not codes:
        raise DataError(f"{path}: empty; want one line id,category_id for each video")
    return codes


def score_files(result: Path, truth: Path) -> HierarchicalScores:
    """Score a submission against the true classes: CSV of the same form, or an annotations `.json`.

    Raises:
        DataError: a file cannot be read, the ids differ, or codes have different numbers of levels.
    """
    true = _true_codes(truth)
    predicted = read_submission(result)
    if missing := [video for video in true if video not in predicted]:
        raise DataError(f"{result}: {_some(missing)} missing that {truth} has; predict every video")
    if unknown := [video for video in predicted if video not in true]:
        raise DataError(
            f"{result}: {_some(unknown)} not in {truth}; score against the truth of the same split"
        )
    taxonomy = Taxonomy.from_codes({*true.values(), *predicted.values()})
    leaf = {code: index for index, code in enumerate(taxonomy.codes)}
    y_true = np.fromiter((leaf[code] for code in true.values()), np.int64, len(true))
    y_pred = np.fromiter((leaf[predicted[video]] for video in true), np.int64, len(true))
    return hierarchical_scores(taxonomy, y_true, y_pred)


def _true_codes(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".json":
        return read_submission(path)
    codes: dict[str, str] = {}
    for number, record in enumerate(read_annotations(path), 1):
        if isinstance(record, BrokenRecord):
            raise DataError(f"{path}: {record.detail}")
        if record.category is None:
            raise DataError(
                f"{path}: record {number} (id {record.id}) has no category_id; score labelled videos"
            )
        if record.id in codes:
            raise DataError(f"{path}: record {number} repeats id {record.id}; give each video once")
        codes[record.id] = record.category
    if not codes:
        raise DataError(f"{path}: empty; there is nothing to score")
    return codes


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_lines(path, file))
            for row in reader:
                is_header = reader.line_num == 1 and tuple(cell.strip().lower() for cell in row) == _HEADER
                if any(cell.strip() for cell in row) and not is_header:
                    yield reader.line_num, row
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the CSV that predict wrote") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file in UTF-8 ({brief(str(error), 200)}); want lines id,category_id"
        ) from error


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a file, of which none can fill the memory."""
    number = 0
    while line := file.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{path}: line {number} has no end; want one line id,category_id for each video")
        yield line


def _some(ids: Iterable[str]) -> str:
    listed = list(ids)
    shown = brief(listed[0])
    return f"id {shown} is" if len(listed) == 1 else f"{len(listed)} ids (such as {shown}) are"
