"""The run under the cursor in a few lines: state, error, scores, loss, settings."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui import facts
from app.tui.columns import shown
from app.tui.states import sparkline, state_label, title
from app.tui.widgets.label import Label
from engine.format import number, printable
from engine.store.table_views import GroupRow
from engine.store.views import RunDetail, Series

_GAP = 2


class RunPreview(VerticalScroll, can_focus=False):
    """Beside the table where there is room."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._detail: RunDetail | None = None
        self._group: tuple[GroupRow, str] | None = None
        self._loss: Series | None = None

    def compose(self) -> ComposeResult:
        yield Label("")

    def show(self, detail: RunDetail | None) -> None:
        """Show a run, or none."""
        if detail is None or self._detail is None or detail.run.id != self._detail.run.id:
            self._loss = None
            self.scroll_home(animate=False)
        self._detail, self._group = detail, None
        self._draw()

    def show_group(self, group: GroupRow, score: str) -> None:
        """What its runs have in common, and the keys for it."""
        self._detail, self._group = None, (group, score)
        self._draw()

    def show_loss(self, series: Series) -> None:
        """Its loss as a sparkline."""
        self._loss = series
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        detail = self._detail
        label = self.query_one(Label)
        if self._group is not None:
            self._draw_group(*self._group)
            return
        if detail is None:
            self.border_title = ""
            label.update("")
            return
        run = detail.run
        self.border_title = Content(title(run))
        lines: list[Content] = [state_label(run)]
        if run.error:
            lines.append(Content.styled(printable(run.error), "$text-error"))
        what, scores = facts.what(detail), facts.scores(detail)
        cells = max(len(name) for name, _ in (*what, *scores, ("loss", ""))) + _GAP
        lines += _lines(what, cells)
        if self._loss is not None and self._loss.points:
            values = [point.value for point in self._loss.points]
            last = next((summary.last for summary in detail.metrics if summary.key == self._loss.key), None)
            width = max(4, self.scrollable_content_region.width - cells - 8)
            lines.append(
                Content.assemble(
                    (f"{'loss':{cells}}", "$foreground-muted"),
                    (sparkline(values, width), "$text-accent"),
                    f" {number(last)}",
                )
            )
        lines += _lines(scores, cells)
        lines.append(Content(""))
        lines += [
            Content.assemble((f"{name} ", "$foreground-muted"), value)
            for name, value in facts.settings(detail.config)
        ]
        label.update(Content("\n").join(lines))

    def _draw_group(self, group: GroupRow, score: str) -> None:
        name = "none" if group.value is None else shown(group.value)
        self.border_title = Content(f"group {name}")
        pairs = [("runs", f"{group.count:,}")]
        if group.best is not None:
            pairs += [(score, ""), ("mean", shown(group.mean, score)), ("best", shown(group.best, score))]
        keys = Content.styled(
            "⏎ opens or closes it, space marks its runs, z is for all groups", "$foreground-muted"
        )
        cells = max(len(name) for name, _ in pairs) + _GAP
        self.query_one(Label).update(Content("\n").join([*_lines(pairs, cells), Content(""), keys]))


def _lines(pairs: list[tuple[str, str]], cells: int) -> list[Content]:
    return [Content.assemble((f"{name:{cells}}", "$foreground-muted"), value) for name, value in pairs]
