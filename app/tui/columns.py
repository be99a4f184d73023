"""Columns of the table of runs: what each shows, how wide it is, what the store sorts by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from rich.cells import cell_len, set_cell_size

from app.tui.states import GLYPHS, state_word
from engine.format import duration, moment, number, printable, score
from engine.store.table_views import Value
from engine.store.views import LevelScore, RunRow

WIDEST = 24
_SHORT = {"micro": "mic", "macro": "mac", "accuracy": "acc"}
_OF_LEVEL = {"micro": "f1_micro", "macro": "f1_macro", "accuracy": "accuracy"}
_NOTHING: Mapping[str, Value] = {}
_FROZEN = ("id", "name")


class Cell(Protocol):
    """The text of a column for a run; `values` are those of columns that the run's row does not have itself."""

    def __call__(self, run: RunRow, values: Mapping[str, Value] = ..., /) -> str: ...


@dataclass(frozen=True, slots=True)
class Column:
    """`sort` is what the store sorts by, empty where it cannot; columns of low `rank` leave a narrow table first.

    `fetched`: the value is asked of the store by the column's `key`.
    """

    title: str
    width: int
    cell: Cell
    sort: str = ""
    right: bool = False
    rank: int = 9
    grows: bool = False
    key: str = ""
    fetched: bool = False


def default_keys(levels: int) -> tuple[str, ...]:
    """The columns of the beginning, for a taxonomy of `levels` levels."""
    scores = [f"l{level}_{name}" for level in range(1, levels + 1) for name in ("micro", "macro")]
    return ("id", "name", "stage", "status", "f1_mean", *scores, "duration", "created")


def columns_for(levels: int) -> tuple[Column, ...]:
    """The columns of the beginning, which make room for each other where the table is narrow."""
    return tuple(column_of(key) for key in default_keys(levels))


def chosen_columns(keys: Sequence[str]) -> tuple[Column, ...]:
    """The columns that a person chose; titles that would be alike are told apart."""
    columns = [column_of(key) for key in keys]
    titles = [column.title for column in columns]
    return tuple(
        replace(column, title=column.key) if titles.count(column.title) > 1 else column for column in columns
    )


def column_of(key: str) -> Column:
    """The column of any key: of the run's row, a level's score, a setting or a metric."""
    own = _OWN.get(key)
    if own is not None:
        return own
    level = _level_column(key)
    if level is not None:
        return level
    title = _title(key)
    width = max(8, min(WIDEST, len(title)))
    return Column(title, width, _fetched(key), key, right=True, key=key, fetched=True)


def fitted(columns: Sequence[Column], width: int, gap: int) -> list[tuple[Column, int]]:
    """The columns that fit into `width` cells with `gap` blanks between two, and the width of each."""
    shown = list(columns)
    while len(shown) > 2 and _cells(shown, gap) > width:
        lowest = min(column.rank for column in shown)
        shown.remove(next(column for column in reversed(shown) if column.rank == lowest))
    return _grown(shown, width, gap)


def windowed(
    columns: Sequence[Column], first: int, width: int, gap: int
) -> tuple[list[tuple[Column, int]], bool]:
    """Id and name, then as many columns from the `first` of the others on as fit; and whether there are more."""
    frozen = [column for column in columns if column.key in _FROZEN]
    others = [column for column in columns if column.key not in _FROZEN][first:]
    shown = frozen
    for column in others:
        if _cells([*shown, column], gap) > width and len(shown) > len(frozen):
            return _grown(shown, width, gap), True
        shown = [*shown, column]
    return _grown(shown, width, gap), False


def scrollable(columns: Sequence[Column]) -> int:
    """How many columns can be moved out of sight on the left."""
    return sum(column.key not in _FROZEN for column in columns)


def widened(
    columns: Iterable[Column], runs: Sequence[RunRow], cells: Mapping[int, Mapping[str, Value]]
) -> tuple[Column, ...]:
    """Ids and fetched values as wide as what they show; never narrower than they were: nothing jumps back."""
    wide = []
    for column in columns:
        if (column.fetched or column.key == "id") and runs:
            longest = max(cell_len(column.cell(run, cells.get(run.id, _NOTHING))) for run in runs)
            column = replace(column, width=max(column.width, min(WIDEST, longest)))
        wide.append(column)
    return tuple(wide)


def seconds_of(run: RunRow, now: datetime | None = None) -> float | None:
    """How long the run has taken, or is taking."""
    if run.started is None:
        return None
    end = run.ended or now or datetime.now(UTC).replace(tzinfo=None)
    return max(0.0, (end - run.started).total_seconds())


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells, cut with an ellipsis."""
    if cell_len(text) > width:
        return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def level_of(run: RunRow, level: int) -> LevelScore | None:
    """The run's scores at a level."""
    return next((scores for scores in run.levels if scores.level == level), None)


def shown(value: Value, key: str = "") -> str:
    """A value as tables and groups show it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)[5:16]
    if isinstance(value, str):
        return printable(value)
    if key == "duration":
        return duration(float(value))
    if isinstance(value, float):
        return score(value) if "f1" in key or _level_column(key) is not None else number(value)
    return str(value)


def _cells(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap


def _grown(columns: Sequence[Column], width: int, gap: int) -> list[tuple[Column, int]]:
    spare = max(0, width - _cells(columns, gap))
    return [(column, column.width + (min(spare, 28) if column.grows else 0)) for column in columns]


def _title(key: str) -> str:
    """`lr.text` of `training.lr.text`, `train/loss min` of `train/loss.min`."""
    name, _, statistic = key.rpartition(".")
    if "/" in name and statistic in ("last", "min", "max", "best"):
        return printable(name if statistic == "last" else f"{name} {statistic}")
    return printable(".".join(key.split(".")[-2:]) if "/" not in key else key)


def _own(text: Callable[[RunRow], str]) -> Cell:
    def cell(run: RunRow, _values: Mapping[str, Value] = _NOTHING, /) -> str:
        return text(run)

    return cell


def _fetched(key: str) -> Cell:
    def cell(_run: RunRow, values: Mapping[str, Value] = _NOTHING, /) -> str:
        return shown(values.get(key), key)

    return cell


def _level_column(key: str) -> Column | None:
    level, _, name = key.partition("_")
    if level[:1] != "l" or not level[1:].isdecimal() or name not in _SHORT:
        return None
    attribute = _OF_LEVEL[name]

    def text(run: RunRow) -> str:
        scores = level_of(run, int(level[1:]))
        return score(getattr(scores, attribute)) if scores is not None else "-"

    rank = {"micro": 6, "macro": 5, "accuracy": 4}[name]
    return Column(f"{level} {_SHORT[name]}", 6, _own(text), key, True, rank, key=key)


def _column(
    key: str, title: str, width: int, text: Callable[[RunRow], str], *, right: bool = False, rank: int = 9
) -> Column:
    return Column(title, width, _own(text), key, right, rank, key == "name", key)


_OWN = {
    column.key: column
    for column in (
        _column("id", "id", 4, lambda run: str(run.id), right=True),
        _column("name", "name", 11, lambda run: printable(run.name)),
        _column("stage", "stage", 8, lambda run: printable(run.stage), rank=4),
        _column("status", "state", 13, lambda run: f"{GLYPHS[run.status]} {state_word(run)}"),
        _column("f1_mean", "f1_mean", 8, lambda run: score(run.f1_mean), right=True, rank=8),
        _column("duration", "took", 8, lambda run: duration(seconds_of(run)), right=True, rank=3),
        _column("created", "created", 11, lambda run: shown(run.created), rank=2),
        _column("started", "started", 11, lambda run: shown(run.started), rank=2),
        _column("ended", "ended", 11, lambda run: shown(run.ended), rank=2),
        _column("tag", "tags", 12, lambda run: shown(" ".join(run.tags))),
        _column("notes", "notes", 16, lambda run: shown(run.notes.partition("\n")[0])),
        _column("pinned", "pinned", 6, lambda run: "yes" if run.pinned else "-"),
        _column("experiment", "experiment", 12, lambda run: shown(run.experiment)),
        _column("host", "host", 10, lambda run: shown(run.host)),
        _column("devices", "devices", 10, lambda run: shown(run.devices)),
        _column("error", "error", 24, lambda run: shown(run.error)),
        _column("waiting_for", "waits for", 24, lambda run: shown(run.waiting_for)),
        _column("seed", "seed", 8, lambda run: str(run.seed), right=True),
        _column("gpus", "gpus", 4, lambda run: str(run.gpus), right=True),
        _column("priority", "priority", 8, lambda run: str(run.priority), right=True),
        _column("attempt", "attempt", 7, lambda run: str(run.attempt), right=True),
        _column("exit_code", "exit", 4, lambda run: shown(run.exit_code), right=True),
    )
}
