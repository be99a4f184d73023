"""The runs that are alive: state, stage, progress, speed, remaining time, last loss; a line each."""

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.speed import SpeedMeter
from app.tui.states import bar, percent, state_label, title
from engine.format import duration, number
from engine.store.views import RunRow


class LiveList(OptionList):
    """The cursor stays on its run; it follows the newest one until a person moves it."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel", markup=False)
        self._runs: tuple[RunRow, ...] = ()
        self._losses: dict[int, float | None] = {}
        self._meter = SpeedMeter()
        self._chosen: int | None = None

    def on_mount(self) -> None:
        self.border_title = "running"

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        index = self.highlighted
        return self._runs[index] if index is not None and index < len(self._runs) else None

    def show(self, runs: tuple[RunRow, ...]) -> None:
        """Show the live runs, newest first."""
        ordered = tuple(sorted(runs, key=lambda run: -run.id))
        for run in ordered:
            self._meter.update(run)
        self._meter.keep({run.id for run in ordered})
        same = [run.id for run in ordered] == [run.id for run in self._runs]
        self._runs = ordered
        if same:
            self.tick()
            return
        ids = [run.id for run in ordered]
        self.set_options([Option(self._line(run), id=str(run.id)) for run in ordered])
        self.border_title = f"running ({len(ordered)})" if ordered else "running"
        if ids:
            self.highlighted = ids.index(self._chosen) if self._chosen in ids else 0

    def show_losses(self, losses: Mapping[int, float | None]) -> None:
        """The last loss of each run."""
        if losses != self._losses:
            self._losses = dict(losses)
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
        progress = run.progress
        wide = width >= 64
        head = Content.assemble(
            state_label(run, share=False), " ", (title(run), "bold"), (f" {run.stage}", "$foreground-muted")
        )
        facts = [f"ETA {duration(pace.eta)}"] if pace.eta is not None else []
        if pace.stalled:
            facts = [f"no sign of life for {duration(pace.silent)}"]
        elif pace.speed is not None and progress is not None and wide:
            facts.insert(0, f"{number(pace.speed, 3)} {progress.unit}/s")
        if self._losses.get(run.id) is not None:
            facts.append(f"loss {number(self._losses[run.id])}")
        tail = Content("  ".join(facts))
        if progress is not None:
            cells = f"{bar(progress.share, 10)} " if wide else ""
            tail = Content.assemble((cells, "$accent"), f"{percent(progress):>4}  ", tail)
        return _spread(head, tail, width)


def _spread(left: Content, right: Content, width: int) -> Content:
    room = width - right.cell_length - 2
    if room < 8:
        return left.truncate(width, ellipsis=True)
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)
