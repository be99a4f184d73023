"""The saved states of a run."""

from rich.text import Text
from textual.widgets import DataTable

from engine.format import count, moment, printable, score, size
from engine.store.views import CheckpointRow


class CheckpointTable(DataTable[Text]):
    """Newest first."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row")
        self._shown: tuple[CheckpointRow, ...] | None = None

    def show(self, rows: tuple[CheckpointRow, ...]) -> None:
        """Show the checkpoints; nothing moves when nothing has changed."""
        if rows == self._shown:
            return
        self._shown = rows
        cursor = self.cursor_row
        self.clear(columns=True)
        for name in ("kind", "epoch", "step", "f1_mean", "size", "saved", "path"):
            self.add_column(Text(name))
        for row in sorted(rows, key=lambda row: -row.id):
            self.add_row(
                Text(printable(row.kind)),
                Text("-" if row.epoch is None else str(row.epoch), justify="right"),
                Text(count(row.step), justify="right"),
                Text(score(row.f1_mean), justify="right"),
                Text(size(row.bytes), justify="right"),
                Text(moment(row.time)),
                Text(printable(row.path)),
                key=str(row.id),
            )
        self.move_cursor(row=min(cursor, max(0, len(rows) - 1)))
