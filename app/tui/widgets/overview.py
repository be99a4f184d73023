"""What a run is, in one page: the error first where it failed, then inputs, scores, series, settings, surroundings."""

from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content

from app.tui import facts
from app.tui.states import GLYPHS
from app.tui.widgets.label import Label
from engine.format import number, printable, size
from engine.store.views import RunDetail, Status

_NAME_CELLS = 14
_MOST_NAME_CELLS = 32
_MOST_SERIES = 8
_FIRST = ("train/loss", "val/loss", "val/f1_mean", "train/lr", "train/grad_norm")

Pairs = list[tuple[str, str]]


class Overview(VerticalScroll):
    """Scrolls; every value is shown as it is. Settings stand beside the scores where there is room, else below."""

    def __init__(self) -> None:
        super().__init__()
        self._detail: RunDetail | None = None
        self._log: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Label("loading", classes="overview-error")
        with Horizontal(classes="overview-columns"):
            yield Label("", classes="overview-text")
            yield Label("", classes="overview-text")

    def show(self, detail: RunDetail) -> None:
        """Show the run."""
        self._detail = detail
        self._draw()

    def show_log(self, lines: tuple[str, ...]) -> None:
        """The last lines of its log: shown where the run failed."""
        self._log = lines
        self._draw()

    @property
    def rows(self) -> list[list[str]]:
        """Everything shown as names and values."""
        if self._detail is None:
            return []
        error = [("error", self._detail.run.error)] if self._detail.run.error else []
        sections = [*_left(self._detail), *_right(self._detail)]
        return [[name, value] for name, value in [*error, *(pair for _, pairs in sections for pair in pairs)]]

    def _draw(self) -> None:
        if self._detail is None or not self.is_mounted:
            return
        detail = self._detail
        head, *columns = self.query(Label)
        lines: list[Content] = []
        if detail.run.error or detail.run.status in (Status.FAILED, Status.CRASHED):
            glyph = GLYPHS[detail.run.status]
            reason = printable(detail.run.error or "no reason is known", keep_newlines=True)
            lines.append(Content.styled(f"{glyph} {reason}", "bold $text-error"))
            if self._log:
                lines += [Content.styled(f"  {line}", "$foreground-muted") for line in self._log]
                lines.append(
                    Content.styled("  the end of its log: e on the tab Log finds errors", "$text-accent")
                )
            lines.append(Content(""))
        head.display = bool(lines)
        head.update(Content("\n").join(lines))
        for column, sections in zip(columns, (_left(detail), _right(detail)), strict=True):
            column.update(Content("\n").join(_written(sections)))


def _written(sections: list[tuple[str, Pairs]]) -> list[Content]:
    lines: list[Content] = []
    for heading, pairs in sections:
        if pairs:
            lines.append(Content.styled(heading, "bold $text-accent"))
            cells = max(_NAME_CELLS, *(min(cell_len(name), _MOST_NAME_CELLS) for name, _ in pairs))
            lines += [
                Content.assemble(
                    (f"  {set_cell_size(name, max(cells, cell_len(name)))} ", "$foreground-muted"), value
                )
                for name, value in pairs
            ]
            lines.append(Content(""))
    return lines


def _left(detail: RunDetail) -> list[tuple[str, Pairs]]:
    return [
        ("run", facts.what(detail)),
        ("scores", facts.scores(detail)),
        ("series, last (lowest to highest)", _series(detail)),
        ("outputs", _outputs(detail)),
    ]


def _right(detail: RunDetail) -> list[tuple[str, Pairs]]:
    folder = [("folder", printable(detail.run.directory))]
    return [
        ("settings", facts.settings(detail.config)),
        ("to repeat it", [*folder, *facts.where(detail)]),
    ]


def _series(detail: RunDetail) -> Pairs:
    known = {summary.key: summary for summary in detail.metrics if summary.axis != "time"}
    keys = [key for key in _FIRST if key in known]
    keys += [key for key in known if key not in keys and not key.startswith("val/")]
    pairs = [
        (
            printable(key),
            f"{number(known[key].last)}  ({number(known[key].min)} to {number(known[key].max)})",
        )
        for key in keys[:_MOST_SERIES]
    ]
    more = len(known) - len(pairs)
    return [*pairs, ("", f"{more} more on the tab Charts")] if more > 0 else pairs


def _outputs(detail: RunDetail) -> Pairs:
    outputs = [
        (printable(artifact.kind), f"{printable(artifact.path)}  {size(artifact.bytes)}")
        for artifact in detail.artifacts
    ]
    if detail.dependants:
        outputs.append(("used by", ", ".join(f"run {run_id}" for run_id in detail.dependants)))
    return outputs
