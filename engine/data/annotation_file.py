"""The challenge's annotation files: a JSON list read as a stream, one checked record at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ijson

from engine.data.regular import require_regular
from engine.data.taxonomy import is_code
from engine.errors import DataError
from engine.format import printable

_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 16
_MAX_ID = 128
_MAX_NESTING = 64
_SPACE = b" \t\r\n"

NOT_A_RECORD = "not an object"
NO_ID = "no usable id"
DUPLICATE_ID = "duplicate id"
WRONG_TYPE = "wrong type"
UNKNOWN_CATEGORY = "unknown category"


@dataclass(frozen=True)
class Annotation:
    """One video's texts; `ocr` is joined in time order, `category` is None where there is none.

    `problem` is (kind, detail) of a field that could not be used and was left empty.
    """

    id: str
    title: str
    ocr: str
    asr: str
    category: str | None
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class BrokenRecord:
    """A record that cannot be told from others, and why."""

    kind: str
    detail: str


def read_annotations(path: Path) -> Iterator[Annotation | BrokenRecord]:
    """Stream the records of an annotations file; duplicates are for the caller to see.

    Raises:
        DataError: the file is missing, unreadable, a pipe or device, not JSON, or not a list.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            _require_list(path, file)
            try:
                for number, item in enumerate(_items(path, file), 1):
                    yield _record(item, number)
            except (ijson.JSONError, UnicodeDecodeError) as error:
                line, byte = _first_error(path)
                raise DataError(
                    f"{path}: not JSON at line {line}, byte {byte}: {_reason(error)}; mend or rewrite the file"
                ) from error
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; a data set keeps its annotations in annotations/labeled.json, unlabeled.json "
            "and test.json, so check data.root"
        ) from None
    except (IsADirectoryError, PermissionError) as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check data.root and its permissions"
        ) from error


def _require_list(path: Path, file: IO[bytes]) -> None:
    """Leave `file` at the start of its JSON."""
    start = file.read(_BUFFER)
    skip = len(_BOM) if start.startswith(_BOM) else 0
    first = start[skip:].lstrip(_SPACE)[:1]
    if not first:
        raise DataError(f"{path}: empty; want a JSON list of objects with id, title, asr, ocr")
    if first != b"[":
        raise DataError(f"{path}: line 1 does not open a JSON list with '['; want a list of objects")
    file.seek(skip)


def _items(path: Path, file: IO[bytes]) -> Iterator[Any]:
    """The items of the list in `file`.

    `ijson.items` would do, but keeps the path to where it is: memory that grows with the square of the nesting, so
    that 100 kB of brackets exhaust a machine.
    """
    open_values: list[Any] = []
    inner: Any = None
    key = ""
    for event, value in ijson.basic_parse(file, use_float=True, buf_size=_BUFFER):
        if event == "map_key":
            key = value
            continue
        if event in ("end_map", "end_array"):
            value = open_values.pop()
            inner = open_values[-1] if open_values else None
            if len(open_values) == 1:
                yield value
            continue
        if event in ("start_map", "start_array"):
            value = {} if event == "start_map" else []
            open_values.append(value)
            if len(open_values) > _MAX_NESTING:
                raise DataError(
                    f"{path}: nested deeper than {_MAX_NESTING} levels; want a flat list of objects"
                )
            outer, inner = inner, value
            if len(open_values) <= 2:
                continue
        elif len(open_values) == 1:
            yield value
            continue
        else:
            outer = inner
        if isinstance(outer, dict):
            outer[key] = value
        else:
            outer.append(value)


def _record(item: Any, number: int) -> Annotation | BrokenRecord:
    if not isinstance(item, dict):
        return BrokenRecord(NOT_A_RECORD, f"record {number} is {_kind(item)}, not an object")
    video = item.get("id")
    if not isinstance(video, str):
        what = "has no id" if video is None else f"has an id that is {_kind(video)}, not a string"
        return BrokenRecord(NO_ID, f"record {number} {what}")
    if not video or len(video) > _MAX_ID or not video.isprintable():
        return BrokenRecord(
            NO_ID,
            f"record {number} has an id that is empty, too long or unprintable: '{printable(video[:40])}'",
        )
    problems: list[tuple[str, str]] = []
    where = f"record {number} (id {video})"
    title = _text(item.get("title"), f"{where}: title", problems)
    asr = _text(item.get("asr"), f"{where}: asr", problems)
    ocr = _ocr(item.get("ocr"), f"{where}: ocr", problems)
    category = item.get("category_id")
    if category == "":
        category = None
    if category is not None and not (isinstance(category, str) and is_code(category)):
        shown = f"'{printable(category[:40])}'" if isinstance(category, str) else _kind(category)
        problems.append((UNKNOWN_CATEGORY, f"{where}: category_id is {shown}, not two digits for each level"))
        category = None
    return Annotation(video, title, ocr, asr, category, problems[0] if problems else None)


def _text(value: Any, where: str, problems: list[tuple[str, str]]) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    problems.append((WRONG_TYPE, f"{where} is {_kind(value)}, not a string"))
    return ""


def _ocr(value: Any, where: str, problems: list[tuple[str, str]]) -> str:
    if value is None:
        return ""
    if not isinstance(value, list):
        problems.append((WRONG_TYPE, f"{where} is {_kind(value)}, not a list of objects with time and text"))
        return ""
    lines: list[tuple[float, str]] = []
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str | None):
            problems.append(
                (WRONG_TYPE, f"{where} holds {_kind(entry)} where an object with a text is expected")
            )
            continue
        time = entry.get("time")
        seen_at = float(time) if isinstance(time, int | float) else math.inf
        if text := entry.get("text"):
            lines.append((seen_at, text))
    lines.sort(key=lambda line: line[0])
    return " ".join(text for _, text in lines)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _reason(error: Exception) -> str:
    """The parser's first line without the excerpt: `parse error: unallowed token at this point in JSON text`."""
    text = str(error).removeprefix("b'").removeprefix('b"')
    return printable(text.splitlines()[0].split("\\n")[0].strip(" .")) if text else "unreadable"


def _first_error(path: Path) -> tuple[int, int]:
    """Line (from 1) and byte offset of the first error, found by feeding ever smaller pieces to fresh parsers.

    Bytes one by one come last and are few: a parser in the middle of a number looks at all of it with each.
    """
    with path.open("rb") as file:
        start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
        good = lines = 0
        for size in (_BUFFER, _BUFFER >> 6, 1):
            file.seek(start)
            parser = _parser()
            lines = 1
            left = good
            while left:
                piece = file.read(min(left, _BUFFER))
                _accepts(parser, piece)
                lines += piece.count(b"\n")
                left -= len(piece)
            while (piece := file.read(size)) and _accepts(parser, piece):
                good += len(piece)
                lines += piece.count(b"\n")
    return lines, start + good


def _parser() -> Any:
    return ijson.basic_parse_coro(_Ignore(), use_float=True)


def _accepts(parser: Any, piece: bytes) -> bool:
    try:
        parser.send(piece)
    except (ijson.JSONError, UnicodeDecodeError):
        return False
    return True


class _Ignore:
    """A consumer of parse events that keeps none."""

    def send(self, event: object) -> None:
        pass
