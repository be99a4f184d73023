"""A split's annotations as memory-mapped columns, built once from the JSON file and then opened in milliseconds."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.annotation_file import (
    DUPLICATE_ID,
    UNKNOWN_CATEGORY,
    Annotation,
    BrokenRecord,
    read_annotations,
)
from engine.data.categories import CATEGORIES_FILE, load_categories, usual_taxonomy
from engine.data.columns import Ragged, RaggedWriter, building, open_flat
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError

_FORMAT = 2
_EXAMPLES = 5
_TEXTS = ("title", "ocr", "asr")


class AnnotationTable:
    """The records of one annotations file.

    Attributes:
        path: the annotations file.
        fingerprint: changes when the file does.
        ids: video ids, numpy strings [n].
        labels: leaf index in `taxonomy`, int64 [n], -1 where there is none.
        taxonomy: the classes that `labels` count.
        problems: number of broken records by kind; records without a usable id and repeated ids are left out of the
            table, of others only the broken field is (a category that is not in the taxonomy leaves label -1).
        examples: a few of the problems of each kind, in words.
    """

    def __init__(self, path: Path, folder: Path, taxonomy: Taxonomy | None) -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.path = path
        self.fingerprint: str = folder.name
        self.records: int = meta["records"]
        self.ids: NDArray[np.str_] = np.asarray(
            np.load(folder / "ids.npy", mmap_mode="r" if meta["rows"] else None, allow_pickle=False)
        )
        self.problems: Counter[str] = Counter(meta["problems"])
        self.examples: dict[str, list[str]] = {kind: list(lines) for kind, lines in meta["examples"].items()}
        self._codes: list[str] = meta["codes"]
        self._code_of_row = open_flat(folder / "codes.values", np.int32)
        self._texts = {name: Ragged(folder, name, np.uint8) for name in _TEXTS}
        self.taxonomy = taxonomy if taxonomy is not None else _own_taxonomy(path, meta["code_counts"])
        self.labels = self._labels()

    def __len__(self) -> int:
        return len(self.ids)

    def title(self, row: int) -> str:
        """Title of a row, empty where missing."""
        return self._texts["title"].text(row)

    def ocr(self, row: int) -> str:
        """Texts seen in a row's frames, joined in time order, empty where missing."""
        return self._texts["ocr"].text(row)

    def asr(self, row: int) -> str:
        """Speech of a row, empty where missing."""
        return self._texts["asr"].text(row)

    def _labels(self) -> NDArray[np.int64]:
        leaf = np.array(
            [self.taxonomy.index(code) if code in self.taxonomy else -1 for code in self._codes] + [-1],
            np.int64,
        )
        labels: NDArray[np.int64] = leaf[self._code_of_row]
        unknown = np.flatnonzero((labels < 0) & (self._code_of_row >= 0))
        if len(unknown):
            self.problems[UNKNOWN_CATEGORY] += len(unknown)
            lines = self.examples.setdefault(UNKNOWN_CATEGORY, [])
            for row in unknown[: _EXAMPLES - len(lines)]:
                code = self._codes[int(self._code_of_row[row])]
                lines.append(f"id {self.ids[row]}: category_id '{code}' is not in the taxonomy")
        return labels


def load_annotations(
    path: Path,
    cache_root: Path,
    *,
    taxonomy: Taxonomy | None = None,
    on_error: str = "skip",
    max_skipped: float = 0.05,
) -> AnnotationTable:
    """Open an annotations file, building its columnar cache under `cache_root` the first time.

    Args:
        taxonomy: classes to label by. Without it they come from a categories.json beside the `annotations` folder,
            else from the file's own categories.
        on_error: `skip` goes on without what is broken, `fail` does not.
        max_skipped: share of broken records above which even `skip` does not.

    Raises:
        DataError: the file is missing or no JSON list, or too many records are broken.
    """
    folder = cache_root / "annotations" / _fingerprint(path)
    if not (folder / "meta.json").exists():
        with building(folder) as partial:
            _build(path, partial)
    table = AnnotationTable(path, folder, taxonomy)
    _judge(table, on_error, max_skipped)
    return table


def _fingerprint(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        next(read_annotations(path), None)  # says best what is wrong with the path
        raise
    identity = f"{_FORMAT}\n{os.path.realpath(path)}\n{stat.st_size}\n{stat.st_mtime_ns}"
    return f"{path.stem}-{blake2b(identity.encode('utf-8', 'surrogateescape'), digest_size=10).hexdigest()}"


def _build(path: Path, folder: Path) -> None:
    seen: set[str] = set()
    problems: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    code_index: dict[str, int] = {}
    code_counts: Counter[str] = Counter()
    longest = 1
    records = 0

    def note(kind: str, detail: str) -> None:
        problems[kind] += 1
        if len(lines := examples.setdefault(kind, [])) < _EXAMPLES:
            lines.append(detail)

    with ExitStack() as stack:
        ids = stack.enter_context(RaggedWriter(folder, "ids", np.uint8))
        codes = stack.enter_context(RaggedWriter(folder, "codes", np.int32))
        texts = [stack.enter_context(RaggedWriter(folder, name, np.uint8)) for name in _TEXTS]
        for record in read_annotations(path):
            records += 1
            if isinstance(record, BrokenRecord):
                note(record.kind, record.detail)
                continue
            if record.id in seen:
                note(DUPLICATE_ID, f"record {records}: id {record.id} was there before")
                continue
            if record.problem is not None:
                note(*record.problem)
            seen.add(record.id)
            longest = max(longest, len(record.id))
            code = -1
            if record.category is not None:
                code = code_index.setdefault(record.category, len(code_index))
                code_counts[record.category] += 1
            ids.append(record.id.encode())
            codes.append(np.int32(code).tobytes())
            for column, text in zip(texts, _texts_of(record), strict=True):
                column.append(text.encode())
    _write_ids(folder, len(seen), longest)
    meta = {
        "records": records,
        "rows": len(seen),
        "codes": list(code_index),
        "code_counts": code_counts,
        "problems": problems,
        "examples": examples,
    }
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def _texts_of(record: Annotation) -> tuple[str, str, str]:
    return record.title, record.ocr, record.asr


def _write_ids(folder: Path, rows: int, longest: int) -> None:
    """Turn the column of UTF-8 ids into one array of fixed width, which numpy can sort and search."""
    dtype = np.dtype(f"<U{longest}")
    if not rows:
        np.save(folder / "ids.npy", np.zeros(0, dtype))
        return
    column = Ragged(folder, "ids", np.uint8)
    ids = np.lib.format.open_memmap(folder / "ids.npy", mode="w+", dtype=dtype, shape=(rows,))
    for start in range(0, rows, 1 << 16):
        stop = min(rows, start + (1 << 16))
        ids[start:stop] = [column.text(row) for row in range(start, stop)]
    ids.flush()


def _own_taxonomy(path: Path, code_counts: Mapping[str, int]) -> Taxonomy:
    listed = load_categories(path.parent.parent / CATEGORIES_FILE)
    return usual_taxonomy(code_counts) if listed is None else listed


def _judge(table: AnnotationTable, on_error: str, max_skipped: float) -> None:
    broken = table.problems.total()
    if not broken:
        return
    first = next(lines[0] for lines in table.examples.values() if lines)
    kinds = ", ".join(f"{count} {kind}" for kind, count in table.problems.most_common())
    if on_error == "fail":
        raise DataError(
            f"{table.path}: {first} (broken records: {kinds}; data.on_error is fail, set it to skip to go on)"
        )
    if broken > max_skipped * table.records:
        raise DataError(
            f"{table.path}: {broken} of {table.records} records are broken ({kinds}), more than data.max_skipped "
            f"({max_skipped:g}) allows; the first: {first}"
        )
