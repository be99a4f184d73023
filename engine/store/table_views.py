"""What the table of runs is made of: rows of runs, rows of groups, and cells of any column; plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.store.views import RunRow

Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Runs that have one value of what they are grouped by; `mean` and `best` are of the table's score."""

    key: str
    value: Value
    count: int
    mean: float | None
    best: float | None
    open: bool
    run_ids: tuple[int, ...] = field(default=(), repr=False)


Line = RunRow | GroupRow


@dataclass(frozen=True, slots=True)
class Folding:
    """Which groups are open: none or all of them, but for the `others`."""

    all_open: bool = False
    others: frozenset[str] = frozenset()

    def is_open(self, key: str) -> bool:
        return (key in self.others) != self.all_open

    def turned(self, key: str) -> "Folding":
        """The same with one group the other way."""
        return Folding(self.all_open, self.others ^ {key})


@dataclass(frozen=True, slots=True)
class TablePage:
    """A window of a table: `length` lines in all, groups among them, for `matching` of `total` runs.

    `cells` has for every run in the window what was asked for, by key; `score` is what groups are judged by.
    """

    lines: tuple[Line, ...]
    length: int
    matching: int
    total: int
    cells: Mapping[int, Mapping[str, Value]]
    groups: int = 0
    score: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """Something that a column, a filter, an order or a group may be of."""

    name: str
    kind: str
    help: str = ""
