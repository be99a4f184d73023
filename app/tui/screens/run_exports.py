"""What the Run screen gives away: the tab as Markdown or CSV to the clipboard, a table or a chart as a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual.widgets import TabbedContent

from app.tui import exports
from app.tui.exports import Format
from app.tui.screens.run_saved import RunSaved
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.checkpoint_table import HEAD as CHECKPOINT_HEAD
from app.tui.widgets.checkpoint_table import CheckpointTable
from app.tui.widgets.classes_view import HEAD as CLASS_HEAD
from app.tui.widgets.classes_view import ClassesView
from app.tui.widgets.config_tree import ConfigTree
from app.tui.widgets.ensemble_view import EnsembleView
from app.tui.widgets.lineage_view import LineageView
from app.tui.widgets.log_view import LogView
from app.tui.widgets.overview import Overview
from app.tui.widgets.scores_view import ScoresView
from engine.format import amount

if TYPE_CHECKING:
    from engine.store.database import Store


class Shown(NamedTuple):
    """What a tab shows, as a table."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class RunExports(RunSaved):
    """A screen with the tabs of a run."""

    def action_copy_table(self, form: Format) -> None:
        """What the tab shows to the clipboard."""
        tab = self.query_one(TabbedContent).active
        if tab == "log" and form == "markdown":
            lines = self.query_one(LogView).lines_in_sight
            self.app.copy_to_clipboard("\n".join(lines) + "\n")
            self.notify(f"copied {amount(len(lines), 'line')} of the log", markup=False)
            return
        shown = self._shown(tab)
        if not shown.rows:
            self.notify("there is nothing to copy yet", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(exports.table(shown.head, shown.rows, form))
        what = "CSV" if form == "csv" else "a Markdown table"
        self.notify(f"copied {amount(len(shown.rows), 'row')} as {what}", markup=False)

    def action_write(self) -> None:
        """The chosen chart as SVG, or the tab's table as CSV, into the folder of exports."""
        run = self._chosen()
        if run is None:
            return
        tab = self.query_one(TabbedContent).active
        name, suffix = f"run-{run.id}-{tab}", "csv"
        if tab in ("charts", "system"):
            chart = self.query_one(f"#{tab}-grid", ChartGrid).chosen
            if chart is None or (picture := chart.picture(f"{run.id} {run.name}")) is None:
                self.notify("there is no chart to write yet", severity="warning", markup=False)
                return
            name, suffix, text = f"run-{run.id}-{chart.key}", "svg", picture
        else:
            shown = self._shown(tab)
            if not shown.rows:
                self.notify("there is nothing to write yet", severity="warning", markup=False)
                return
            text = exports.table(shown.head, shown.rows, "csv")
        root = self.reeltop.workspace.root

        def act(_store: "Store") -> str:
            path = exports.write(root, name, suffix, text)
            return f"written {path.relative_to(root)}"

        self.reeltop.command(act)

    def _shown(self, tab: str) -> Shown:
        match tab:
            case "overview":
                return Shown(["name", "value"], self.query_one(Overview).rows)
            case "config":
                return Shown(["name", "value"], self.query_one(ConfigTree).rows)
            case "charts" | "system":
                return Shown(["series", "step", "time", "value", "min", "max", "points"], self._points(tab))
            case "scores":
                scores = self.query_one(ScoresView)
                return Shown(scores.head, scores.rows)
            case "classes":
                return Shown(CLASS_HEAD, self.query_one(ClassesView).rows)
            case "ensemble":
                return Shown(*self.query_one(EnsembleView).table)
            case "checkpoints":
                return Shown(CHECKPOINT_HEAD, self.query_one(CheckpointTable).rows_as_text)
            case "lineage":
                return Shown(
                    ["source", "its name", "as", "run", "its name"], self.query_one(LineageView).rows
                )
            case "log":
                return Shown(["line"], [[line] for line in self.query_one(LogView).lines_in_sight])
        return Shown([], [])

    def _points(self, tab: str) -> list[list[str]]:
        """The points in sight of the charts on the page."""
        return [
            [
                chart.key,
                str(point.step),
                f"{point.time:.3f}",
                *("" if value is None else repr(value) for value in (point.value, point.min, point.max)),
                str(point.count),
            ]
            for chart in self.query_one(f"#{tab}-grid", ChartGrid).in_sight
            for point in chart.points_in_sight
        ]
