"""Columns of the table of runs: what each shows, how wide it is, what the store sorts by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size

from app.tui.states import GLYPHS, state_word
from engine.format import duration, moment, printable, score
from engine.store.views import LevelScore, RunRow


@dataclass(frozen=True, slots=True)
class Column:
    """`sort` is what the store sorts by, empty where it cannot; columns of low `rank` leave a narrow table first."""

    title: str
    width: int
    cell: Callable[[RunRow], str]
    sort: str = ""
    right: bool = False
    rank: int = 9
    grows: bool = False


def columns_for(levels: int) -> tuple[Column, ...]:
    """All columns for a taxonomy of `levels` levels."""
    scores = [
        Column(f"l{level} {short}", 6, _level_cell(level, name), f"val/l{level}_{name}.max", True, rank)
        for level in range(1, levels + 1)
        for short, name, rank in (("mic", "f1_micro", 6), ("mac", "f1_macro", 5))
    ]
    return (
        Column("id", 4, lambda run: str(run.id), "id", right=True),
        Column("name", 11, lambda run: printable(run.name), "name", grows=True),
        Column("stage", 8, lambda run: printable(run.stage), "stage", rank=4),
        Column("state", 13, lambda run: f"{GLYPHS[run.status]} {state_word(run)}", "status"),
        Column("f1_mean", 8, lambda run: score(run.f1_mean), "f1_mean", right=True, rank=8),
        *scores,
        Column("took", 8, lambda run: duration(seconds_of(run)), right=True, rank=3),
        Column("created", 11, lambda run: moment(run.created)[5:16], "created", rank=2),
    )


def fitted(columns: Sequence[Column], width: int, gap: int) -> list[tuple[Column, int]]:
    """The columns that fit into `width` cells with `gap` blanks between two, and the width of each."""
    shown = list(columns)
    while len(shown) > 2 and sum(column.width + gap for column in shown) - gap > width:
        lowest = min(column.rank for column in shown)
        shown.remove(next(column for column in reversed(shown) if column.rank == lowest))
    spare = max(0, width - sum(column.width + gap for column in shown) + gap)
    return [(column, column.width + (min(spare, 28) if column.grows else 0)) for column in shown]


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


def _level_cell(level: int, name: str) -> Callable[[RunRow], str]:
    def cell(run: RunRow) -> str:
        scores = level_of(run, level)
        return score(getattr(scores, name)) if scores is not None else "-"

    return cell
