"""What a run is, in one page: the error first where it failed, then inputs, scores, outputs and surroundings."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui import facts
from app.tui.widgets.label import Label
from engine.format import printable, size
from engine.store.views import RunDetail, Status

_NAME_CELLS = 14


class Overview(VerticalScroll):
    """Scrolls; every value is shown as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._detail: RunDetail | None = None
        self._log: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Label("loading", classes="overview-text")

    def show(self, detail: RunDetail) -> None:
        """Show the run."""
        self._detail = detail
        self._draw()

    def show_log(self, lines: tuple[str, ...]) -> None:
        """The last lines of its log: shown where the run failed."""
        self._log = lines
        self._draw()

    def _draw(self) -> None:
        if self._detail is None or not self.is_mounted:
            return
        detail = self._detail
        lines: list[Content] = []
        if detail.run.error or detail.run.status in (Status.FAILED, Status.CRASHED):
            lines.append(
                Content.styled(f"✗ {printable(detail.run.error or 'no reason is known')}", "bold $text-error")
            )
            lines += [Content.styled(f"  {line}", "$foreground-muted") for line in self._log]
            lines.append(Content(""))
        for heading, pairs in (
            ("run", facts.what(detail)),
            ("scores", facts.scores(detail)),
            ("outputs", _outputs(detail)),
            ("to repeat it", [("folder", printable(detail.run.directory)), *facts.where(detail)]),
        ):
            if pairs:
                lines.append(Content.styled(heading, "bold $text-accent"))
                lines += [
                    Content.assemble((f"  {name:{_NAME_CELLS}} ", "$foreground-muted"), value)
                    for name, value in pairs
                ]
                lines.append(Content(""))
        self.query_one(Label).update(Content("\n").join(lines))


def _outputs(detail: RunDetail) -> list[tuple[str, str]]:
    outputs = [
        (printable(artifact.kind), f"{printable(artifact.path)}  {size(artifact.bytes)}")
        for artifact in detail.artifacts
    ]
    if detail.dependants:
        outputs.append(("used by", ", ".join(f"run {run_id}" for run_id in detail.dependants)))
    return outputs
