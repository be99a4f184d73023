"""The saved states of a run: size, score, what they are, and keys to keep, remove or use one."""

from dataclasses import dataclass
from typing import Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable

from app.tui.bindings import bindings
from app.tui.widgets.fitted_columns import fit_columns
from app.tui.widgets.label import Label
from engine.format import amount, count, moment, printable, score, size
from engine.store.views import CheckpointRow

HEAD = ["kind", "epoch", "step", "f1_mean", "size", "kept", "saved", "path"]
_RIGHT = ("epoch", "step", "f1_mean", "size")
_NONE_YET = "no checkpoint yet: a run writes one after each epoch, and when s stops it"
_NONE = "this run has written no checkpoint"


@dataclass(frozen=True, slots=True)
class SavedState:
    """One checkpoint on the disk; `kinds` is all that it is, such as epoch and best."""

    kinds: tuple[str, ...]
    row: CheckpointRow

    @property
    def pinned(self) -> bool:
        """A person wants it kept."""
        return self.row.pinned


class CheckpointTable(DataTable[Text]):
    """Newest first, a row for each folder."""

    BINDINGS = bindings("checkpoints")
    BINDING_GROUP_TITLE = "Checkpoints"

    class Wanted(Message):
        """Something is to be done with a checkpoint."""

        def __init__(self, verb: Literal["use", "pin", "delete"], saved: SavedState) -> None:
            super().__init__()
            self.verb = verb
            self.saved = saved

    def __init__(self) -> None:
        super().__init__(cursor_type="row")
        self._shown: tuple[CheckpointRow, ...] | None = None
        self._states: list[SavedState] = []

    @property
    def rows_as_text(self) -> list[list[str]]:
        """The cells, below `HEAD`."""
        return [_cells(saved) for saved in self._states]

    @property
    def current(self) -> SavedState | None:
        """The checkpoint under the cursor."""
        return self._states[self.cursor_row] if self.cursor_row < len(self._states) else None

    def show(self, rows: tuple[CheckpointRow, ...]) -> None:
        """Show the checkpoints; nothing moves when nothing has changed."""
        if rows == self._shown:
            return
        self._shown = rows
        at = self.current
        self._states = _states(rows)
        self.clear(columns=True)
        fit_columns(self, HEAD, self.rows_as_text, left=[name for name in HEAD if name not in _RIGHT])
        for saved in self._states:
            cells = (
                Text(cell, justify="right" if name in _RIGHT else "left")
                for name, cell in zip(HEAD, _cells(saved), strict=True)
            )
            self.add_row(*cells, key=saved.row.path)
        paths = [saved.row.path for saved in self._states]
        if at is not None and at.row.path in paths:
            self.move_cursor(row=paths.index(at.row.path))

    def action_use(self) -> None:
        """Begin another run with it."""
        self._want("use")

    def action_pin(self) -> None:
        """Keep it, or no longer."""
        self._want("pin")

    def action_delete(self) -> None:
        """Remove it."""
        self._want("delete")

    def _want(self, verb: Literal["use", "pin", "delete"]) -> None:
        if (saved := self.current) is not None:
            self.post_message(self.Wanted(verb, saved))
        else:
            self.notify("there is no checkpoint yet", severity="warning", markup=False)


class CheckpointsView(Vertical):
    """The table, and how much the checkpoints take."""

    def compose(self) -> ComposeResult:
        yield Label(_NONE_YET, classes="checkpoint-status dim")
        yield CheckpointTable()

    def show(self, rows: tuple[CheckpointRow, ...], *, ended: bool) -> None:
        """Show the checkpoints; where there are none, whether some may come."""
        self.query_one(CheckpointTable).show(rows)
        states = _states(rows)
        total = size(sum(saved.row.bytes for saved in states))
        pinned = sum(saved.pinned for saved in states)
        kept = f", {pinned} pinned" if pinned else ""
        some = f"{amount(len(states), 'checkpoint')}, {total}{kept}"
        self.query_one(Label).update(some if states else _NONE if ended else _NONE_YET)


def _states(rows: tuple[CheckpointRow, ...]) -> list[SavedState]:
    by_path: dict[str, list[CheckpointRow]] = {}
    for row in sorted(rows, key=lambda row: -row.id):
        by_path.setdefault(row.path, []).append(row)
    best = max((row for row in rows if row.kind == "best"), key=lambda row: (row.step, row.id), default=None)
    states = []
    for path, same in by_path.items():
        kinds = dict.fromkeys(row.kind for row in reversed(same))
        if best is not None and path != best.path:
            kinds = dict.fromkeys("best until then" if kind == "best" else kind for kind in kinds)
        states.append(SavedState(tuple(kinds), same[0]))
    return sorted(states, key=lambda saved: (-saved.row.step, -saved.row.id))


def _cells(saved: SavedState) -> list[str]:
    row = saved.row
    return [
        printable(", ".join(saved.kinds)),
        "-" if row.epoch is None else str(row.epoch),
        count(row.step),
        score(row.f1_mean),
        size(row.bytes),
        "◆ pinned" if row.pinned else "",
        moment(row.time),
        printable(row.path),
    ]
