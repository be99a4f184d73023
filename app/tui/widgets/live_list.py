"""The runs that are alive: stage, fold, epoch, step, speed, remaining time, loss and scores."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.speed import Pace, SpeedMeter
from app.tui.states import bar, percent, state_label, title
from engine.format import duration, number, printable, score
from engine.store.views import RunRow

if TYPE_CHECKING:
    from engine.store.live import Standing

_TALL = 32  # lines of the screen from which on a run may have two
_MOST_DOUBLE = 4  # runs with two lines each
_WIDE = 64
_NOTHING = "nothing runs: 3 begins a run, 2 shows those of before"


class LiveList(OptionList):
    """The cursor stays on its run; it follows the newest one until a person moves it."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel", markup=False)
        self._runs: tuple[RunRow, ...] = ()
        self._standings: dict[int, Standing] = {}
        self._meter = SpeedMeter()
        self._chosen: int | None = None

    def on_mount(self) -> None:
        self.border_title = "running"

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        index = self.highlighted
        return self._runs[index] if index is not None and index < len(self._runs) else None

    @property
    def runs(self) -> tuple[RunRow, ...]:
        """The runs that are listed."""
        return self._runs

    def show(self, runs: tuple[RunRow, ...]) -> None:
        """Show the live runs, newest first."""
        ordered = tuple(sorted(runs, key=lambda run: -run.id))
        for run in ordered:
            self._meter.update(run)
        self._meter.keep({run.id for run in ordered})
        same = [run.id for run in ordered] == [run.id for run in self._runs]
        self._runs = ordered
        if not ordered:
            if not self.option_count or not same:
                self.set_options([Option(Content.styled(_NOTHING, "$foreground-muted"), disabled=True)])
                self.border_title = "running"
            return
        if same:
            self.tick()
            return
        ids = [run.id for run in ordered]
        self.set_options([Option(self._line(run), id=str(run.id)) for run in ordered])
        self.border_title = f"running ({len(ordered)})"
        self.highlighted = ids.index(self._chosen) if self._chosen in ids else 0

    def show_standings(self, standings: "Mapping[int, Standing]") -> None:
        """Fold, epochs, last and best values of each run."""
        if standings != self._standings:
            self._standings = dict(standings)
            self.tick()

    def tick(self) -> None:
        """Draw the lines again where time alone changes them."""
        for index, run in enumerate(self._runs):
            line = self._line(run)
            if line != self.get_option_at_index(index).prompt:
                self.replace_option_prompt_at_index(index, line)

    def on_resize(self) -> None:
        self.tick()

    def choose(self, run_id: int | None) -> None:
        """Stay with this run from now on."""
        self._chosen = run_id

    def _line(self, run: RunRow) -> Content:
        width = max(20, self.scrollable_content_region.width or self.size.width or 70)
        pace = self._meter.pace(run)
        double = self.screen.size.height >= _TALL and len(self._runs) <= _MOST_DOUBLE
        standing = self._standings.get(run.id)
        facts = [*_work(run, standing, pace), *_results(standing)]
        head = Content.assemble(
            state_label(run, share=False),
            " ",
            (title(run), "bold"),
            (f" {run.stage}{_fold(run, standing)}", "$foreground-muted"),
        )
        if double:
            first = _spread(head, self._progress(run, pace, width), width)
            second = Content.styled("  " + "  ".join(facts), "$foreground-muted")
            return Content.assemble(first, "\n", second.truncate(width, ellipsis=True))
        tail = self._progress(run, pace, width)
        for fact in [*_results(standing)[:1], *_work(run, standing, pace), *_results(standing)[1:]]:
            longer = Content.assemble(tail, "  ", fact)
            if longer.cell_length + min(head.cell_length, 36) + 2 > width:
                break
            tail = longer
        return _spread(head, tail, width)

    def _progress(self, run: RunRow, pace: Pace, width: int) -> Content:
        """Share done and time to go; in its place since when nothing was heard of a run that may be stuck."""
        parts: list[Content | tuple[str, str] | str] = []
        if run.progress is not None:
            cells = f"{bar(run.progress.share, 10)} " if width >= _WIDE else ""
            parts = [(cells, "$accent"), f"{percent(run.progress):>4}"]
        if pace.stalled and pace.silent is not None:
            parts.append((f"  ! no sign of life since {_clock(pace.silent)}", "$text-warning"))
        elif pace.resting and pace.still is not None:
            parts.append((f"  ! no step since {_clock(pace.still)}", "$text-warning"))
        elif pace.eta is not None:
            parts.append(f"  ETA {duration(pace.eta)}")
        return Content.assemble(*parts)


def _clock(seconds: float) -> str:
    """When so many seconds ago was; the day too where it was another."""
    now = datetime.now()
    then = now - timedelta(seconds=seconds)
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%m-%d %H:%M}"


def _fold(run: RunRow, standing: "Standing | None") -> str:
    if standing is None or standing.fold is None or run.stage not in ("finetune", "baseline"):
        return ""
    return f" fold {printable(standing.fold)}"


def _work(run: RunRow, standing: "Standing | None", pace: Pace) -> list[str]:
    """Epoch, step and speed."""
    facts = []
    progress = run.progress
    if standing is not None and standing.epochs and progress is not None and progress.unit == "step":
        epoch = min(standing.epochs, int(progress.share * standing.epochs) + 1)
        facts.append(f"ep {epoch}/{standing.epochs}")
    if progress is not None:
        unit = printable(progress.unit)
        facts.append(f"{unit} {progress.done:,}/{progress.total:,}")
        if pace.speed is not None:
            facts.append(f"{number(pace.speed, 3)} {unit}/s")
    return facts


def _results(standing: "Standing | None") -> list[str]:
    """Last loss, last and best score."""
    facts = []
    if standing is not None and standing.loss is not None:
        facts.append(f"loss {number(standing.loss)}")
    if standing is not None and standing.score is not None:
        facts.append(f"f1 {score(standing.score)}")
        if standing.best is not None and standing.best > standing.score:
            facts.append(f"best {score(standing.best)}")
    return facts


def _spread(left: Content, right: Content, width: int) -> Content:
    room = width - right.cell_length - 2
    if room < 8:
        return left.truncate(width, ellipsis=True)
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)
