"""Mode 4: marked runs beside each other: scores and settings as a table, overlaid curves, classes that gain or lose."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import ScreenResume

from app.tui.bindings import bindings
from app.tui.overlay import look_of, plain_look
from app.tui.requests import ClassNames, Compared, Request, SeriesOf
from app.tui.run_marks import RunMark, run_marks
from app.tui.screens.compare_export import CompareExport
from app.tui.widgets.class_changes import ClassChanges
from app.tui.widgets.compare_table import CompareTable
from app.tui.widgets.label import Label
from app.tui.widgets.overlay_chart import OverlayChart
from engine.comparison import Comparison, class_changes
from engine.comparison_text import column_title
from engine.format import printable
from engine.store.views import Series

_EMPTY = (
    "Nothing to compare yet.\n\n2      Runs: space marks a run, = or 4 compares what is marked\n"
    "a      or choose runs here, by id, name or filter"
)
_ALONE = "one run alone: a adds another, or mark more in Runs (2, space)"
_VIEWS = ("table", "curves", "classes")
_MEMORY = "compare"


class Compare(CompareExport):
    """Always of the runs that are marked now; what is added or taken out here is marked or unmarked with it."""

    MODE = "compare"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("compare")
    BINDING_GROUP_TITLE = "Compare"
    AUTO_FOCUS = "CompareTable"

    def __init__(self) -> None:
        super().__init__()
        self._comparison = Comparison(())
        self._names: Mapping[str, str] = {}
        self._base = 0
        self._current = 0
        self._added = 0  # to be the current one once it is there
        self._everything = False
        self._view = 0
        self._full = False

    def compose_body(self) -> ComposeResult:
        remembered: Any = self.reeltop.memory.get(_MEMORY)
        kept: dict[str, Any] = remembered if isinstance(remembered, dict) else {}
        yield Label("", widget_id="compare-views")
        yield Label("", widget_id="compare-notes")
        yield Label("loading", widget_id="compare-empty", classes="hint")
        with Horizontal(id="compare-body"):
            yield CompareTable(widget_id="compare-table")
            with Vertical(id="compare-beside"):
                yield OverlayChart(look_of(kept), str(kept.get("series", "")), widget_id="compare-curves")
                yield ClassChanges(str(kept.get("order", "")), widget_id="compare-classes")

    def on_mount(self) -> None:
        self.query_one(CompareTable).border_title = "side by side"
        self._arrange()
        self._show()

    def on_screen_resume(self, _event: ScreenResume) -> None:
        self._show()

    def requests(self) -> Sequence[Request]:
        ids = self._ids
        if not ids:
            return ()
        curves = self.query_one(OverlayChart).requests() if self._known else ()
        return (Compared(ids), ClassNames(self.reeltop.workspace, ids), *curves)

    def receive(self, request: Request, value: object) -> None:
        match request:
            case Compared(run_ids=ids) if ids == self._ids:
                self._comparison = cast(Comparison, value)
                self._show()
            case ClassNames(run_ids=ids) if ids == self._ids:
                self._names = cast("dict[str, str]", value)
                self._show_classes()
            case SeriesOf():
                self.query_one(OverlayChart).take(request, cast(Series, value))

    def action_add(self) -> None:
        """Choose one more run."""
        from app.tui.screens.run_picker import RunPicker

        def chosen(run_id: int | None) -> None:
            if run_id is None:
                return
            if run_id in self.reeltop.marked:
                self.notify(f"run {run_id} is compared already", severity="warning", markup=False)
                return
            self.reeltop.marked.append(run_id)
            self._added = run_id
            self._show()
            self.ask()

        self.app.push_screen(RunPicker("compare with", self._marks), chosen)

    def action_remove(self) -> None:
        """Take the run under the cursor out of the comparison."""
        if self._comparison.run(self._current) is None:
            return
        title = column_title(self._comparison, self._current)
        ids = [one.run.id for one in self._comparison.runs]
        place = ids.index(self._current)
        self.reeltop.marked[:] = [run_id for run_id in self.reeltop.marked if run_id != self._current]
        left = [run_id for run_id in ids if run_id != self._current]
        self._current = left[min(place, len(left) - 1)] if left else 0
        self.notify(f"{title} is out of the comparison; a adds it again", markup=False)
        self._show()
        self.ask()

    def action_base(self) -> None:
        """Measure the others against the run under the cursor."""
        if self._comparison.run(self._current) is not None:
            self._base = self._current
            self._show()

    def action_run(self, by: int) -> None:
        """To the run beside, whichever panel has the keys."""
        self.query_one(CompareTable).action_run(by)

    def action_everything(self) -> None:
        """All settings, or only what differs."""
        self._everything = not self._everything
        self._show()

    def action_open_run(self) -> None:
        """The page of the run under the cursor."""
        if self._comparison.run(self._current) is not None:
            self.reeltop.open_run(self._current)

    def action_view(self, by: int) -> None:
        """To the panel beside."""
        self._view = (self._view + by) % len(_VIEWS)
        self._arrange()
        self._focus_view()

    def action_full(self) -> None:
        """The panel that has the keys alone, or all again."""
        self._view = self._focused_view()
        self._full = not self._full
        self._arrange()
        self._focus_view()

    def action_filter(self) -> None:
        """Type which series the curves go through."""
        self._view = _VIEWS.index("curves")
        self._arrange()
        self.query_one(OverlayChart).open_filter()

    def action_series(self, by: int) -> None:
        """The curves of the next series."""
        self.query_one(OverlayChart).next_series(by)

    def action_axis(self) -> None:
        """The next x axis."""
        self.query_one(OverlayChart).next_axis()

    def action_log_y(self) -> None:
        """Logarithmic value axis, or linear."""
        self.query_one(OverlayChart).toggle_log()

    def action_smooth(self, by: int) -> None:
        """More smoothing, or less."""
        self.query_one(OverlayChart).smooth(by)

    @on(CompareTable.Chosen)
    def _run_chosen(self, event: CompareTable.Chosen) -> None:
        self._current = event.run_id
        self._show_curves()
        self._show_classes()

    @on(CompareTable.Opened)
    def _opened(self) -> None:
        self.action_open_run()

    @on(OverlayChart.Wanted)
    def _curves_wanted(self) -> None:
        self._remember()
        self.ask()

    @on(ClassChanges.Sorted)
    def _sorted(self) -> None:
        self._remember()

    @property
    def _ids(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.reeltop.marked))

    @property
    def _known(self) -> bool:
        """What is shown is of the runs that are marked."""
        shown = {*(one.run.id for one in self._comparison.runs), *self._comparison.gone}
        return bool(self._comparison.runs) and shown == set(self._ids)

    @property
    def _marks(self) -> dict[int, RunMark]:
        return run_marks([one.run.id for one in self._comparison.runs])

    def _show(self) -> None:
        if not self.is_mounted:
            return
        marked = set(self._ids)
        runs = tuple(one for one in self._comparison.runs if one.run.id in marked)
        if len(runs) < len(self._comparison.runs):  # taken out: what is left is right until the answer comes
            self._comparison = replace(self._comparison, runs=runs) if runs else Comparison(())
        ids = [one.run.id for one in runs]
        self._base = self._base if self._base in ids else next(iter(ids), 0)
        if self._added in ids:
            self._current, self._added = self._added, 0
        if self._current not in ids:
            self._current = next((run_id for run_id in ids if run_id != self._base), self._base)
        empty = self.query_one("#compare-empty", Label)
        empty.display = not ids
        self.set_class(not ids, "-empty")
        self.query_one("#compare-body").display = bool(ids)
        gone = self._comparison.gone
        if not marked:
            empty.update(_EMPTY)
        elif not ids:
            empty.update(f"{_gone(gone)}\n\n{_EMPTY}" if gone else "loading")
        self._show_notes()
        if ids:
            self.query_one(CompareTable).show(
                self._comparison,
                self._marks,
                self._base,
                self._current,
                everything=self._everything or len(ids) == 1,
            )
        self._show_curves()
        self._show_classes()
        self.ask()

    def _show_notes(self) -> None:
        comparison = self._comparison
        notes = [_gone(comparison.gone)] if comparison.gone and comparison.runs else []
        notes += [_ALONE] if len(comparison.runs) == 1 and len(self._ids) == 1 else []
        notes += [printable(note) for note in comparison.notes] if len(comparison.runs) > 1 else []
        label = self.query_one("#compare-notes", Label)
        label.display = bool(notes)
        label.update(Content("\n".join(f"! {note}" for note in notes)))

    def _show_curves(self) -> None:
        self.query_one(OverlayChart).show_runs(self._comparison.runs, self._marks, self._current)

    def _show_classes(self) -> None:
        base, other = self._comparison.run(self._base), self._comparison.run(self._current)
        if base is not None and other is base:
            other = next((one for one in self._comparison.runs if one is not base), None)
        widget = self.query_one(ClassChanges)
        if base is None or other is None:
            widget.show((), {}, "", "another run is needed to tell gains from losses")
            return
        marks = self._marks
        told = [
            f"{marks[one.run.id].glyph} {column_title(self._comparison, one.run.id)}" for one in (other, base)
        ]
        lacks = [one for one in (base, other) if not one.classes]
        why = f"{column_title(self._comparison, lacks[0].run.id)} has no scores of classes" if lacks else ""
        changes = class_changes(base, other) if not lacks else ()
        widget.show(changes, self._names, " against ".join(told), why)

    def _arrange(self) -> None:
        """Which panel is in sight where there is no room for all; the line above names them."""
        for index, view in enumerate(_VIEWS):
            self.set_class(index == self._view, f"-at-{view}")
        self.set_class(self._full, "-full")
        words = [
            (f" {view} ", "bold reverse" if index == self._view else "$foreground-muted")
            for index, view in enumerate(_VIEWS)
        ]
        self.query_one("#compare-views", Label).update(
            Content.assemble(*words, ("  [ ] another", "$foreground-muted"))
        )

    def _focused_view(self) -> int:
        focused = self.focused
        for index, view in enumerate(_VIEWS):
            panel = self.query_one(f"#compare-{view}")
            if focused is not None and panel in focused.ancestors_with_self:
                return index
        return self._view

    def _focus_view(self) -> None:
        view = _VIEWS[self._view]
        if view == "curves":
            self.call_after_refresh(self.query_one(OverlayChart).focus_plot)
        else:
            self.query_one(f"#compare-{view}").focus()

    def _remember(self) -> None:
        chart, changes = self.query_one(OverlayChart), self.query_one(ClassChanges)
        kept = {"series": chart.key, "order": changes.order} | plain_look(chart.look)
        self.reeltop.remember(_MEMORY, kept)


def _gone(run_ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, run_ids))
    return f"run{'s' if len(run_ids) > 1 else ''} {listed}: not there any more"
