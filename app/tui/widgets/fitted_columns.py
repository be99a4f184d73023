"""Columns of a small table, as wide as what they show from the first paint on."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import DataTable


def fit_columns(
    table: DataTable[Text], head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[str]
) -> None:
    """Add the columns; a table that measures them itself does so later, and is not painted again when its size is
    what it was: cells then stay cut to the width of their heading."""
    for place, name in enumerate(head):
        cells = max([cell_len(name), *(cell_len(row[place]) for row in rows)])
        table.add_column(Text(name, justify="left" if name in left else "right"), width=cells)
