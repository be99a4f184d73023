"""What the table of runs asks of the store."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from engine.store.table_views import Folding, Key, TablePage

if TYPE_CHECKING:
    from engine.store.database import Store


@dataclass(frozen=True, slots=True)
class Table:
    """A window of the runs that match a filter, with the values of any columns."""

    every: ClassVar[float] = 0.5
    max_age: ClassVar[float] = 0.0

    filter: str = ""
    sort: str = "-created"
    columns: tuple[str, ...] = ()
    group: str = ""
    folding: Folding = field(default_factory=Folding)
    limit: int = 100
    offset: int = 0

    def answer(self, store: "Store") -> TablePage:
        from engine.store.tables import run_table

        return run_table(
            store,
            self.filter,
            self.sort,
            self.columns,
            group=self.group,
            folding=self.folding,
            limit=self.limit,
            offset=self.offset,
            max_age=self.max_age,
        )


@dataclass(frozen=True, slots=True)
class GroupedTable(Table):
    """The same in groups, for which all runs are read: less often, and a key that folds does not wait for it."""

    every: ClassVar[float] = 2.0
    max_age: ClassVar[float] = 1.5


@dataclass(frozen=True, slots=True)
class Keys:
    """All that runs can be shown, filtered, sorted and grouped by."""

    every: ClassVar[float] = 10.0

    def answer(self, store: "Store") -> tuple[Key, ...]:
        from engine.store.known import known_keys

        return known_keys(store)


@dataclass(frozen=True, slots=True)
class Values:
    """The words that runs have for a key."""

    every: ClassVar[float] = 5.0

    key: str

    def answer(self, store: "Store") -> tuple[str, ...]:
        from engine.store.known import known_values

        return known_values(store, self.key)
