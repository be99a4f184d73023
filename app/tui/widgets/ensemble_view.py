"""A finished ensemble: members with their weights and scores, its honest estimate, and where its submission is."""

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui.ensemble_lines import (
    Levels,
    head,
    layout,
    levels_text,
    lines_of_report,
    member_line,
)
from app.tui.widgets.label import Label
from engine.ensemble.text import SEARCH_NAMES, report_lines, report_table
from engine.format import printable, score

if TYPE_CHECKING:
    from engine.ensemble.result import EnsembleResult

_KINDS = {
    "equal": "equal weights",
    "given": "weights as given",
} | {kind: f"weights by {name}" for kind, name in SEARCH_NAMES.items()}


class EnsembleView(VerticalScroll):
    """Shows the report that an ensemble run wrote."""

    def __init__(self) -> None:
        super().__init__()
        self._report: dict[str, Any] | None = None
        self._submission: str | None = None
        self._text = "loading"

    def compose(self) -> ComposeResult:
        yield Label("")

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """Titles and rows, to be taken along."""
        return report_table(self._report) if self._report is not None else ([], [])

    def show(self, result: "EnsembleResult") -> None:
        """Show what the run has left behind."""
        self._report, self._submission = result.report, result.submission
        self._text = "no report yet: the run writes it when its weights are found"
        self._draw()

    def show_trouble(self, message: str) -> None:
        """Show why there is no report."""
        self._report, self._text = None, f"✗ {message}"
        self._draw()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        parts = []
        if self._report is None:
            parts.append(Content.styled(printable(self._text), "$foreground-muted"))
        else:
            try:
                parts += report_content(self._report, max(40, (self.size.width or 80) - 2))
            except (KeyError, TypeError, ValueError) as error:
                parts.append(Content.styled(f"✗ the report cannot be understood ({error!r})", "$text-error"))
        if self._submission:
            parts += [
                Content(""),
                Content.assemble(("submission  ", "$foreground-muted"), printable(self._submission)),
            ]
        self.query_one(Label).update(Content("\n").join(parts))


def report_content(report: dict[str, Any], width: int) -> list[Content]:
    """A report's lines in `width` cells.

    Raises:
        KeyError, TypeError, ValueError: it is no report.
    """
    members = lines_of_report(report)
    shape = layout(width, members)
    kind = _KINDS.get(str(report["weights"]), printable(str(report["weights"])))
    lines = [Content.styled(kind, "bold"), Content(""), head(shape)]
    lines += [member_line(line, shape) for line in members]
    lines.append(Content(""))
    if report["ensemble"] is None:
        return [*lines, Content(report_lines(report)[0])]
    return lines + [
        Content.assemble((f"{name:<12}", "$foreground-muted"), text) for name, text in _facts(report)
    ]


def honest_text(report: dict[str, Any]) -> str:
    """The ensemble's own score, its interval, and its levels."""
    levels: Levels = tuple((float(micro), float(macro)) for micro, macro in report["ensemble"]["levels"])
    text = f"F1-mean {score(report['ensemble']['f1_mean'])}"
    if "interval" in report:
        low, high = report["interval"]
        text += f" (95% {score(low)} to {score(high)})"
    return f"{text}  {levels_text(levels)}"


def gain_text(report: dict[str, Any]) -> str:
    """By how much it beats its best member."""
    text = f"{report['gain']:+.4f} over {printable(str(report['best_member']))}"
    if "gain_interval" in report:
        least, most = report["gain_interval"]
        text += f" (95% {least:+.4f} to {most:+.4f})"
    return text


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    folds = f" of {report['folds']} folds" if report["folds"] > 1 else ""
    searched = report["weights"] in SEARCH_NAMES
    facts = [
        ("honest" if searched else "ensemble", honest_text(report)),
        ("gain", gain_text(report)),
        ("videos", f"{report['videos']:,}{folds}"),
    ]
    if searched:
        noise = max(0.0, report["selection_noise"])
        facts.insert(
            1,
            ("in sample", f"{score(report['in_sample'])}, of which about {noise:.4f} is selection: the weights were "
             "chosen on these videos; the honest score is of weights chosen without them"),
        )  # fmt: skip
    return facts
