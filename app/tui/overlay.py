"""One series of several runs over each other as lines: on the axis that all of them have, each with its glyph."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC

from app.tui import curves
from app.tui.curves import XY, Clock, Limits, Look
from app.tui.drawing import Drawing, Line
from app.tui.run_marks import RunMark, rich_colour
from engine.comparison import ComparedRun
from engine.store.views import Series, SeriesPoint

_FEW = 12  # points of a line that all get its glyph
_GLYPHS = 6  # of a longer line
_LINE = "."  # where braille cannot be drawn


class Overlay:
    """The points of the runs, and how a person looks at them."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.runs: tuple[ComparedRun, ...] = ()
        self.marks: Mapping[int, RunMark] = {}
        self.current = 0
        self.y_window: Limits | None = None
        self.cursor: float | None = None
        self._whole: dict[int, Series] = {}
        self._parts: dict[int, Series] = {}

    def set_runs(self, runs: tuple[ComparedRun, ...], marks: Mapping[int, RunMark], current: int) -> None:
        """Draw these runs, `current` above the others."""
        self.runs, self.marks, self.current = runs, marks, current
        for held in (self._whole, self._parts):
            for run_id in [run_id for run_id in held if run_id not in marks]:
                del held[run_id]

    def clear(self) -> None:
        """Another series: nothing is known of it, and all of it is in sight."""
        self.look = replace(self.look, window=None)
        self._whole, self._parts = {}, {}
        self.y_window = self.cursor = None

    def take(self, run_id: int, series: Series, *, part: bool) -> None:
        """Points of a run: of the whole series, or the finer ones of the part in sight."""
        (self._parts if part else self._whole)[run_id] = series

    def set_axis(self, axis: str) -> None:
        """On another x axis."""
        self.look = self.look.with_axis(axis)
        self._parts, self.cursor = {}, None

    def move(self, x: Limits | None, y: Limits | None) -> None:
        """Another part in sight; None leaves an axis as it is."""
        self.y_window = y or self.y_window
        xs = self._xs()
        if x is not None and xs:
            window = curves.within(x, curves.limits(xs, 0.0))
            self.look = replace(self.look, window=window)
            if window is None:
                self.y_window = None

    @property
    def known(self) -> bool:
        """There is something to draw."""
        return any(series.points for series in self._whole.values())

    @property
    def complete(self) -> bool:
        """Every run's points are there, if it has any."""
        return len(self._whole) == len(self.runs)

    @property
    def state(self) -> object:
        """Equal as long as the drawing is the same."""
        return (
            tuple((run_id, tuple(self.points(run_id))) for run_id in self._whole),
            (self.look, self.y_window, self.cursor, self.current),
            tuple(self.marks.items()),
            tuple(one.steps_per_epoch for one in self.runs),
        )

    @property
    def unit(self) -> str:
        """The axis on which all runs can be drawn."""
        over_time = self._over_time
        units = {
            self.clock(run_id).unit(self.look.axis, over_time=over_time)
            for run_id, series in self._whole.items()
            if series.points
        }
        return units.pop() if len(units) == 1 else "relative" if over_time else "step"

    def points(self, run_id: int) -> Sequence[SeriesPoint]:
        """What is drawn of a run."""
        whole = self._whole[run_id].points if run_id in self._whole else ()
        if self.look.window is None or run_id not in self._parts:
            return whole
        return curves.joined(whole, self._parts[run_id].points)

    def clock(self, run_id: int) -> Clock:
        """A run begins when it was started; one that was resumed since, with its first point."""
        one = next(one for one in self.runs if one.run.id == run_id)
        points = self._whole[run_id].points if run_id in self._whole else ()
        started = one.run.started.replace(tzinfo=UTC).timestamp() if one.run.started is not None else None
        known = [moment for moment in (started, points[0].time if points else None) if moment is not None]
        return Clock(min(known, default=0.0), 1 / one.steps_per_epoch if one.steps_per_epoch else None)

    def steps(self) -> dict[int, tuple[int, int]]:
        """The steps in sight by run, of which the store knows more points; none when all is in sight."""
        window = self.look.window
        if window is None:
            return {}
        unit, over_time = self.unit, self._over_time
        return {
            run_id: curves.steps_of(window, series.points, self.clock(run_id), unit, over_time=over_time)
            for run_id, series in self._whole.items()
            if series.points
        }

    def value_at_cursor(self, run_id: int) -> float | None:
        """The run's value nearest to the crosshair."""
        if self.cursor is None:
            return None
        point = curves.nearest(self.points(run_id), self.clock(run_id), self.unit, self.cursor)
        return point.value if point is not None else None

    def drawing(self, theme: Mapping[str, str]) -> Drawing:
        """All lines, the current run's last, then all glyphs."""
        unit = self.unit
        window = self.look.window or curves.limits(self._xs() or [0.0], 0.0)
        lines: list[Line] = []
        glyphs: list[Line] = []
        ys: list[float] = []
        for run_id in sorted(self._whole, key=lambda run_id: run_id == self.current):
            drawn = self._line(run_id, unit, window)
            in_sight = [(x, y) for x, y in drawn if y is not None and window[0] <= x <= window[1]]
            ys += [y for _, y in in_sight]
            lines.append(self._styled(run_id, drawn, theme))
            glyphs.append(self._styled(run_id, self._places(run_id, in_sight), theme, glyph=True))
        inside = self.cursor is not None and window[0] <= self.cursor <= window[1]
        return Drawing(
            lines=(*lines, *glyphs),
            x_limits=window,
            y_limits=self.y_window or curves.limits(ys or [0.0], 0.04),
            x_unit=unit,
            log_y=self.look.log_y,
            cursor=self.cursor if inside else None,
            cursor_style=rich_colour(theme, "text-secondary"),
        )

    @property
    def _over_time(self) -> bool:
        return any(series.axis == "time" for series in self._whole.values())

    def _xs(self) -> list[float]:
        unit = self.unit
        clocks = {run_id: self.clock(run_id) for run_id in self._whole}
        return [
            clocks[run_id].x(point, unit) for run_id, series in self._whole.items() for point in series.points
        ]

    def _line(self, run_id: int, unit: str, window: Limits) -> list[XY]:
        points, clock, look = self.points(run_id), self.clock(run_id), self.look
        if look.smoothing:
            line = curves.smoothed(points, clock, unit, look.smoothing, window[1] - window[0])
        else:
            line = curves.coordinates(points, clock, unit)
        return curves.scaled(line, log_y=look.log_y)

    def _places(self, run_id: int, line: Sequence[tuple[float, float]]) -> list[XY]:
        """Where the run's glyph stands on its line: everywhere on a short one, else here and there; each alone."""
        if len(line) > _FEW:
            every = len(line) // _GLYPHS
            shift = list(self.marks).index(run_id) * every // max(1, len(self.marks))
            line = line[shift::every]
        return [each for x, y in line for each in ((x, y), (x, None))]

    def _styled(
        self, run_id: int, points: Sequence[XY], theme: Mapping[str, str], *, glyph: bool = False
    ) -> Line:
        mark = self.marks[run_id]
        colour = rich_colour(theme, mark.colour)
        style = f"bold {colour}" if run_id == self.current else colour
        return (
            Line(tuple(points), style, mark.glyph, mark.glyph) if glyph else Line(tuple(points), style, _LINE)
        )


def plain_look(look: Look) -> dict[str, object]:
    """What is remembered of a look."""
    return {"axis": look.axis, "smoothing": look.smoothing, "log_y": look.log_y}


def look_of(kept: Mapping[str, object]) -> Look:
    """A remembered look; what is no longer one is left out."""
    axis, smoothing = kept.get("axis"), kept.get("smoothing")
    return Look(
        log_y=kept.get("log_y") is True,
        smoothing=smoothing if isinstance(smoothing, float) and smoothing in curves.SMOOTHINGS else 0.0,
        axis=axis if isinstance(axis, str) and axis in curves.AXES else curves.AXES[0],
    )
