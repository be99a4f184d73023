"""Tables of runs as files that other programs read: CSV, JSON, Markdown and Parquet; a chunk of runs at a time."""

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, get_args

from engine.errors import ReeltopError
from engine.format import number, printable
from engine.store.table_views import Value

if TYPE_CHECKING:
    from engine.store.database import Store

Format = Literal["csv", "json", "md", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".md": "md",
    ".markdown": "md",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_CHUNK = 500
_OWN = (
    *(
        "id",
        "name",
        "stage",
        "status",
        "experiment",
        "created",
        "started",
        "ended",
        "duration",
        "f1_mean",
        "tag",
    ),
    *("notes", "pinned", "error", "host", "devices", "seed", "gpus", "priority", "attempt", "exit_code"),
    *("git_sha", "git_dirty", "config_hash", "directory"),
)
_STATISTICS = ("last", "min", "max")


@dataclass(frozen=True, slots=True)
class Export:
    """A table to be written: its columns and its runs, which are read as they are written."""

    store: "Store"
    columns: tuple[str, ...]
    run_ids: tuple[int, ...]

    def rows(self) -> Iterator[Mapping[str, Value]]:
        """A row for each run, of those columns that it has."""
        from engine.store.tables import cells_of

        for start in range(0, len(self.run_ids), _CHUNK):
            some = self.run_ids[start : start + _CHUNK]
            with self.store.connection() as connection:
                cells = cells_of(connection, some, self.columns)
            for run_id in some:
                yield cells[run_id]


def export_of(store: "Store", text: str, sort: str, columns: Sequence[str] = ()) -> Export:
    """The runs that match a filter, in an order, with the given columns; none: all that any of the runs has.

    Raises:
        FilterError: the filter or the order cannot be understood.
    """
    from engine.store.tables import matching_ids

    return Export(store, tuple(columns) or all_columns(store), matching_ids(store, text, sort))


def all_columns(store: "Store") -> tuple[str, ...]:
    """Columns of the run's row, scores by level, settings, and last, lowest and highest value of each metric."""
    from engine.store.known import known_keys

    keys = known_keys(store)
    names = list(_OWN)
    names += [key.name for key in keys if key.kind == "score"]
    names += [key.name for key in keys if key.kind == "setting"]
    names += [key.name for key in keys if key.kind == "metric" and key.name.rpartition(".")[2] in _STATISTICS]
    return tuple(dict.fromkeys(names))


def format_of(path: str, chosen: str | None = None) -> Format:
    """The format that was chosen, else the one that the file's ending means; CSV where it has none.

    Raises:
        ReeltopError: neither names a format.
    """
    if chosen is None:
        ending = Path(path).suffix.lower()
        chosen = _ENDINGS.get(ending, ending or "csv")
    formats: tuple[Format, ...] = get_args(Format)
    for known in formats:
        if chosen == known:
            return known
    raise ReeltopError(f"`{printable(chosen)}` is no format: {', '.join(FORMATS)}")


def write_export(export: Export, path: Path, form: Format, *, replace: bool = False) -> int:
    """Write the file, in one step; returns the number of runs in it.

    Raises:
        ReeltopError: the file is there already, cannot be written, or its format needs what is not installed.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ReeltopError(f"{path}: name a file in a folder that exists, such as runs.{form}")
    if path.exists() and not replace:
        raise ReeltopError(f"{path} is there already: name another, or replace it with --force")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if form == "parquet":
            _parquet(export, partial)
        else:
            with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                write_text(export, file, form)
        partial.replace(path)
    except OSError as error:
        raise ReeltopError(f"{path}: cannot be written ({error.strerror}); name another file") from None
    finally:
        partial.unlink(missing_ok=True)
    return len(export.run_ids)


def write_text(export: Export, file: IO[str], form: Format) -> None:
    """Write CSV, JSON or Markdown into an open file.

    Raises:
        ReeltopError: the format is no text.
    """
    match form:
        case "csv":
            _csv(export, file)
        case "json":
            _json(export, file)
        case "md":
            _markdown(export, file)
        case _:
            raise ReeltopError("Parquet is no text: name a file with --out runs.parquet")


def _csv(export: Export, file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(export.columns)
    for row in export.rows():
        writer.writerow([_plain(row.get(column)) for column in export.columns])


def _json(export: Export, file: IO[str]) -> None:
    file.write("[")
    for place, row in enumerate(export.rows()):
        file.write(",\n" if place else "\n")
        values = {column: _json_value(row.get(column)) for column in export.columns}
        file.write(json.dumps(values, ensure_ascii=False, allow_nan=False))
    file.write("\n]\n")


def _markdown(export: Export, file: IO[str]) -> None:
    file.write(f"| {' | '.join(_cell(column) for column in export.columns)} |\n")
    file.write(f"|{' --- |' * len(export.columns)}\n")
    for row in export.rows():
        file.write(f"| {' | '.join(_cell(row.get(column)) for column in export.columns)} |\n")


def _parquet(export: Export, path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    rows = list(export.rows())
    arrays = [_arrow_values([row.get(column) for row in rows]) for column in export.columns]
    parquet.write_table(arrow.table(dict(zip(export.columns, arrays, strict=True))), path)


def _arrow_values(values: list[Value]) -> list[Value]:
    """A column of one kind: whole numbers among others become fractions, numbers among words become words."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return values
    if kinds == {int, float}:
        return [float(value) if isinstance(value, int) else value for value in values]
    return [None if value is None else _plain(value) for value in values]


def _plain(value: Value) -> str:
    """A value as a file has it: every digit of a number, moments in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _moment(value)
    return repr(value) if isinstance(value, float) else str(value)


def _json_value(value: Value) -> str | int | float | bool | None:
    if isinstance(value, datetime):
        return _moment(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Value) -> str:
    if value is None:
        return ""
    text = number(value, 6) if isinstance(value, float) else _plain(value)
    return printable(text).replace("\\", "\\\\").replace("|", "\\|")


def _moment(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
