"""One line that says how a run is doing: state, epoch, step, speed, remaining time, best score."""

from textual.content import Content

from app.tui.facts import flat
from app.tui.speed import SpeedMeter
from app.tui.states import percent, state_label, title
from app.tui.widgets.label import Label
from engine.format import count, duration, number, printable, score
from engine.store.views import RunDetail, Status


class RunHead(Label):
    """Drawn anew with every change of the run, and once a second while it is alive."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__("loading", widget_id=widget_id)
        self._meter = SpeedMeter()
        self._detail: RunDetail | None = None
        self._shown: Content | None = None

    def show(self, detail: RunDetail) -> None:
        """Show the run."""
        self._detail = detail
        self._meter.update(detail.run)
        self.tick()

    def show_gone(self, message: str) -> None:
        """The run cannot be shown any more, or could never be."""
        self._detail = self._shown = None
        self.update(Content.styled(f"✗ {printable(message)}", "bold $text-error"))

    def tick(self) -> None:
        """Draw again where time alone changes the line."""
        if self._detail is None:
            return
        run = self._detail.run
        parts = []
        progress = run.progress
        if progress is not None and run.status is not Status.QUEUED:
            epochs = dict(flat(self._detail.config)).get("training.epochs")
            if isinstance(epochs, int) and epochs > 0 and progress.unit == "step":
                parts.append(f"epoch {min(epochs, int(progress.share * epochs) + 1)}/{epochs}")
            parts.append(
                f"{progress.unit} {count(progress.done)}/{count(progress.total)}  {percent(progress)}"
            )
        if run.status.live:
            pace = self._meter.pace(run)
            if pace.stalled:
                parts.append(f"no sign of life for {duration(pace.silent)}")
            elif pace.speed is not None and progress is not None:
                parts += [f"{number(pace.speed, 3)} {progress.unit}/s", f"ETA {duration(pace.eta)}"]
        if run.f1_mean is not None:
            parts.append(f"best f1_mean {score(run.f1_mean)}")
        shown = Content.assemble(
            (title(run), "bold"), " ", state_label(run, share=False), "  ", "  ".join(parts)
        )
        if shown != self._shown:  # a label that is told the same arranges the whole screen anew all the same
            self._shown = shown
            self.update(shown)
