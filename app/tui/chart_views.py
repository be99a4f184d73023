"""How a person looks at the charts of a grid: what holds for all of them, what one has for its own, and the grid."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from app.tui.curves import AXES, SMOOTHINGS, Clock, Look
from engine.format import printable

_COLUMNS = (None, 1, 2, 3, 4, 6)
_ROWS = (None, 1, 2, 3, 4)


@dataclass
class ChartViews:
    """Keys act on all charts while `for_all`, else on the chosen one; `columns` and `rows` of None fit the screen."""

    shared: Look = field(default_factory=Look)
    own: dict[str, Look] = field(default_factory=dict)
    for_all: bool = True
    columns: int | None = None
    rows: int | None = None

    def look_of(self, key: str) -> Look:
        """How the chart of a series is looked at."""
        return self.own.get(key, self.shared)

    def chosen(self, key: str | None) -> Look:
        """What keys change: all charts, or that of `key`."""
        return self.shared if self.for_all or key is None else self.look_of(key)

    def change(self, changed: Callable[[Look], Look], key: str | None) -> None:
        """Look in another way at all charts, or at that of `key`; what a chart has for its own otherwise it keeps."""
        if self.for_all:
            self.shared = changed(self.shared)
            self.own = {each: changed(look) for each, look in self.own.items()}
        elif key is not None:
            self.own[key] = changed(self.look_of(key))

    def next_axis(self, key: str | None) -> None:
        """Another x axis."""
        axis = AXES[(AXES.index(self.chosen(key).axis) + 1) % len(AXES)]
        self.change(lambda look: look.with_axis(axis), key)

    def turn_log(self, key: str | None) -> None:
        """A logarithmic value axis, or a linear one."""
        log_y = not self.chosen(key).log_y
        self.change(lambda look: replace(look, log_y=log_y), key)

    def smooth(self, by: int, key: str | None) -> None:
        """More smoothing, or less."""
        place = SMOOTHINGS.index(self.chosen(key).smoothing) + by
        self.change(lambda look: replace(look, smoothing=SMOOTHINGS[place % len(SMOOTHINGS)]), key)

    def next_columns(self) -> None:
        """Another number of columns."""
        self.columns = _COLUMNS[(_COLUMNS.index(self.columns) + 1) % len(_COLUMNS)]

    def next_rows(self) -> None:
        """Another number of rows."""
        self.rows = _ROWS[(_ROWS.index(self.rows) + 1) % len(_ROWS)]

    def words(self, key: str | None, clock: Clock, *, over_time: bool) -> list[str]:
        """What the keys have set, to be read."""
        look = self.chosen(key)
        unit = clock.unit(look.axis, over_time=over_time)
        axis = f"x {unit}{' time' if unit == 'relative' else ''}"
        if unit != look.axis and not over_time:
            axis += f" ({look.axis} is not known)"
        if look.window is not None:
            axis += ", zoomed"
        facts = [
            "all charts" if self.for_all or key is None else f"only {printable(key)}",
            axis,
            "y logarithmic" if look.log_y else "y linear",
            f"smoothing {look.smoothing:g}" if look.smoothing else "no smoothing",
        ]
        if self.columns or self.rows:
            facts.append(f"grid {self.columns or 'auto'} x {self.rows or 'auto'}")
        return facts

    def to_plain(self) -> dict[str, Any]:
        """What is worth remembering for another run: not the windows."""
        return {
            "axis": self.shared.axis,
            "log_y": self.shared.log_y,
            "smoothing": self.shared.smoothing,
            "columns": self.columns,
            "rows": self.rows,
        }

    @classmethod
    def from_plain(cls, plain: Any) -> "ChartViews":
        """What `to_plain` gave; what cannot be understood is as at first."""
        kept: dict[str, Any] = plain if isinstance(plain, dict) else {}
        look = Look(
            log_y=kept.get("log_y") is True,
            smoothing=_known(kept.get("smoothing"), SMOOTHINGS, 0.0),
            axis=_known(kept.get("axis"), AXES, AXES[0]),
        )
        return cls(
            look,
            columns=_known(kept.get("columns"), _COLUMNS, None),
            rows=_known(kept.get("rows"), _ROWS, None),
        )


def _known(value: Any, choices: tuple[Any, ...], otherwise: Any) -> Any:
    return next((choice for choice in choices if choice == value and not isinstance(value, bool)), otherwise)
