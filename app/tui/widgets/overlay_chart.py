"""One series of several runs in one chart: the values in the legend, which series and how it is drawn in the frame."""

import re
from collections.abc import Mapping
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from app.tui.axes import exact_label
from app.tui.columns import fit
from app.tui.curves import AXES, SMOOTHINGS, Look
from app.tui.overlay import Overlay
from app.tui.requests import SeriesOf
from app.tui.run_marks import RunMark
from app.tui.widgets.chart_picture import picture
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.gestures import AllWanted, Moved, Pointed
from app.tui.widgets.label import Label
from app.tui.widgets.plot import Plot
from engine.comparison import ComparedRun
from engine.format import number, printable
from engine.store.views import Series

_SMALLEST = (16, 4)
_FIRST = ("train/loss", "val/f1_mean", "val/loss")
_NAME = 18
_MANY = 4
_NOUNS = {"epoch": "epochs", "step": "steps"}


class OverlayChart(Vertical):
    """Starts with a series that several runs have; runs that lack the chosen one say so in the legend."""

    class Wanted(Message):
        """Other points are wanted, or another look was chosen."""

    def __init__(self, look: Look, key: str, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.key = key
        self._overlay = Overlay(look)
        self._counts: dict[str, int] = {}
        self._pattern = re.compile("")
        self._drawn: object = None
        self._focus_wanted = False  # once something is drawn

    def compose(self) -> ComposeResult:
        yield FilterBar("series: regular expression, such as ^val/ or f1", widget_id="overlay-filter")
        yield Label("", widget_id="overlay-legend")
        yield Label("", classes="chart-empty dim")
        yield Plot()

    def on_mount(self) -> None:
        self.border_title = "curves"

    @property
    def look(self) -> Look:
        """How a person looks at it."""
        return self._overlay.look

    def show_runs(self, runs: tuple[ComparedRun, ...], marks: Mapping[int, RunMark], current: int) -> None:
        """Draw these runs, `current` above the others."""
        self._overlay.set_runs(runs, marks, current)
        self._counts = {}
        for one in runs:
            for metric in one.metrics:
                self._counts[metric.key] = self._counts.get(metric.key, 0) + 1
        keys = self._keys()
        if keys and self.key not in self._counts:
            self._become(keys[0])
        self._draw()

    def requests(self) -> list[SeriesOf]:
        """The series of every run, and of the part in sight its finer points."""
        if not self._counts or not self.size.width:
            return []  # out of sight nothing is read
        runs = self._overlay.runs
        a_cell = (
            2 if len(runs) <= _MANY else 1
        )  # braille can show two, but many lines take their time to draw
        most = max(80, min(800, (self.size.width // 20 + 1) * 20 * a_cell))
        parts = self._overlay.steps()
        return [
            *(SeriesOf(one.run.id, self.key, most) for one in runs),
            *(SeriesOf(run_id, self.key, most, first, last) for run_id, (first, last) in parts.items()),
        ]

    def take(self, request: SeriesOf, series: Series) -> None:
        """Take in what was asked for."""
        if request.key == self.key and request.run_id in self._overlay.marks:
            self._overlay.take(request.run_id, series, part=request.first_step is not None)
            self._draw()

    def picture(self) -> str | None:
        """The curves as SVG, as they are drawn now; None without points."""
        overlay = self._overlay
        if not overlay.known:
            return None
        theme = self.app.theme_variables
        runs = [f"{overlay.marks[one.run.id].glyph} {one.run.id} {one.run.name}" for one in overlay.runs]
        return picture("   ".join([self.key, *runs]), overlay.drawing(theme), overlay.unit, theme)

    def open_filter(self) -> None:
        """Type which series `n` goes through."""
        self.query_one(FilterBar).open()

    def focus_plot(self) -> None:
        """So that its keys work."""
        self._focus_wanted = not self.has_class("-drawn")
        if not self._focus_wanted:
            self.query_one(Plot).focus()

    def next_series(self, by: int) -> None:
        """The next series that matches the filter."""
        if keys := self._keys():
            self._become(keys[(keys.index(self.key) + by) % len(keys) if self.key in keys else 0])
            self._changed()

    def next_axis(self) -> None:
        """Step, epoch, relative time, time."""
        self._overlay.set_axis(AXES[(AXES.index(self.look.axis) + 1) % len(AXES)])
        self._changed()

    def toggle_log(self) -> None:
        """Logarithmic value axis, or linear."""
        self._overlay.look = replace(self.look, log_y=not self.look.log_y)
        self._overlay.y_window = None
        self._changed()

    def smooth(self, by: int) -> None:
        """More smoothing, then none."""
        place = SMOOTHINGS.index(self.look.smoothing) + by
        self._overlay.look = replace(self.look, smoothing=SMOOTHINGS[place % len(SMOOTHINGS)])
        self._changed()

    def on_resize(self) -> None:
        self._draw()
        self.post_message(self.Wanted())

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = None

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        event.stop()
        if (pattern := self.query_one(FilterBar).pattern(event.text)) is None:
            return
        self._pattern = pattern
        keys = self._keys()
        none = "no series of these runs matches" if not keys and self._counts else None
        self.query_one(FilterBar).show_error(none)
        if keys and self.key not in keys:
            self._become(keys[0])
        self._changed()

    @on(FilterBar.Left)
    def _left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.query_one(FilterBar).close_if_empty()
        self.focus_plot()

    @on(Moved)
    def _moved(self, event: Moved) -> None:
        event.stop()
        self._overlay.move(event.x, event.y)
        self._changed()

    @on(AllWanted)
    def _all_wanted(self, event: AllWanted) -> None:
        event.stop()
        self._overlay.y_window = None
        self._overlay.look = replace(self.look, window=None)
        self._changed()

    @on(Pointed)
    def _pointed(self, event: Pointed) -> None:
        event.stop()
        self._overlay.cursor = event.x
        self._draw()

    def _become(self, key: str) -> None:
        if key != self.key:
            self.key = key
            self._overlay.clear()

    def _changed(self) -> None:
        self._draw()
        self.post_message(self.Wanted())

    def _keys(self) -> list[str]:
        """Series that match the filter: those of several runs first, and the usual ones before the others."""
        enough = min(2, len(self._overlay.runs))

        def order(key: str) -> tuple[bool, int, str]:
            return self._counts[key] < enough, _FIRST.index(key) if key in _FIRST else len(_FIRST), key

        return sorted((key for key in self._counts if self._pattern.search(key)), key=order)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self._tell()
        overlay, (width, height) = self._overlay, self.size
        waiting = not overlay.complete and self.has_class("-drawn")  # nothing flickers meanwhile
        fits = width >= _SMALLEST[0] and height >= _SMALLEST[1]
        self.set_class((overlay.known or waiting) and fits, "-drawn")
        if not (overlay.known and fits):
            return
        plot = self.query_one(Plot)
        state = overlay.state
        if state != self._drawn:
            self._drawn = state
            plot.draw(overlay.drawing(self.app.theme_variables))
        if self._focus_wanted:
            self._focus_wanted = False
            if self.screen.focused is None:
                plot.focus()

    def _tell(self) -> None:
        """Title, legend with the values under the crosshair or the last ones, and why there is nothing to see."""
        overlay = self._overlay
        empty, legend = self.query_one(".chart-empty", Label), self.query_one("#overlay-legend", Label)
        if not self._counts:
            self.border_title, self.border_subtitle = "curves", ""
            empty.update("these runs have no series yet" if overlay.runs else "")
            legend.update("")
            return
        empty.update("no points to draw" if overlay.complete else "loading")
        look, unit, keys = overlay.look, overlay.unit, self._keys()
        having = self._counts.get(self.key, 0)
        title = [printable(self.key)]
        title += [f"{having} of {len(overlay.runs)} runs"] if having < len(overlay.runs) else []
        lacking = unit != look.axis and overlay.complete
        title.append(
            f"by {unit}: not all have {_NOUNS.get(look.axis, look.axis)}" if lacking else f"by {unit}"
        )
        title += [f"smoothing {look.smoothing:g}"] if look.smoothing else []
        title += ["log"] if look.log_y else []
        self.border_title = Content("  ".join(title))
        place = f"{keys.index(self.key) + 1} of {len(keys)}" if self.key in keys else f"{len(keys)} match"
        self.border_subtitle = Content(f"series {place}  n next  / filter{self._pointed_at(unit)}")
        legend.redraw(self._legend())

    def _pointed_at(self, unit: str) -> str:
        cursor = self._overlay.cursor
        return f"  at {unit} {exact_label(unit, cursor)}" if cursor is not None else ""

    def _legend(self) -> Content:
        """A name and a value for each run, in as many lines as there is room for."""
        width = max(20, self.scrollable_content_region.width)
        rows: list[Content] = [Content()]
        for one in self._overlay.runs:
            mark = self._overlay.marks[one.run.id]
            name = printable(one.run.name)
            title = f"{mark.glyph} {one.run.id} {fit(name, min(_NAME, Content(name).cell_length))}"
            style = f"bold {'reverse ' if one.run.id == self._overlay.current else ''}${mark.colour}"
            chip = Content.assemble((title, style), f" {self._value(one)}  ")
            if rows[-1].cell_length and rows[-1].cell_length + chip.cell_length > width:
                rows.append(Content())
            rows[-1] = Content.assemble(rows[-1], chip)
        most = max(1, self.size.height // 4)
        if len(rows) > most:
            rows = [*rows[: most - 1], Content.assemble(rows[most - 1].truncate(width - 2), " …")]
        return Content("\n").join(rows)

    def _value(self, one: ComparedRun) -> str:
        summary = next((each for each in one.metrics if each.key == self.key), None)
        if summary is None:
            return "has none"
        return number(
            summary.last if self._overlay.cursor is None else self._overlay.value_at_cursor(one.run.id)
        )
