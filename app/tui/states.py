"""How a run's state is shown: always a glyph and its word; the colour only repeats them."""

from textual.content import Content

from engine.format import printable
from engine.store.views import Intent, Progress, RunRow, Status

GLYPHS = {
    Status.QUEUED: "◌",
    Status.STARTING: "◔",
    Status.RUNNING: "●",
    Status.FINISHED: "✓",
    Status.STOPPED: "■",
    Status.FAILED: "✗",
    Status.CRASHED: "↯",
    Status.SKIPPED: "⊘",
    Status.CANCELLED: "⊘",
}
COLOURS = {
    Status.QUEUED: "foreground-muted",
    Status.STARTING: "text-warning",
    Status.RUNNING: "text-accent",
    Status.FINISHED: "text-success",
    Status.STOPPED: "text-warning",
    Status.FAILED: "text-error",
    Status.CRASHED: "text-error",
    Status.SKIPPED: "foreground-muted",
    Status.CANCELLED: "foreground-muted",
}
_SPARKS = "▁▂▃▄▅▆▇█"


def state_word(run: RunRow, *, share: bool = True) -> str:
    """The state in a word, with how much is done, or what is asked of the run instead: `running 54%`, `stopping`."""
    if not run.status.ended and run.intent is not Intent.RUN:
        return "stopping" if run.intent is Intent.STOP else "being killed"
    if run.held and run.status is Status.QUEUED:
        return "held"
    if share and run.status is Status.RUNNING and run.progress is not None:
        return f"{run.status} {percent(run.progress)}"
    return str(run.status)


def state_label(run: RunRow, *, share: bool = True) -> Content:
    """Glyph and word."""
    return Content.styled(f"{GLYPHS[run.status]} {state_word(run, share=share)}", f"${COLOURS[run.status]}")


def title(run: RunRow) -> str:
    """`12 model-1`, safe to show."""
    return f"{run.id} {printable(run.name)}"


def percent(progress: Progress) -> str:
    """Whole percent, rounded down: 100% is the end and nothing before it."""
    return f"{int(progress.share * 100)}%"


def bar(share: float | None, width: int) -> str:
    """A bar of `width` cells, `share` of it full."""
    full = 0 if share is None else round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def sparkline(values: list[float | None], width: int) -> str:
    """A line of `width` cells at most; gaps are blanks."""
    if not values or width < 1:
        return ""
    step = max(1.0, len(values) / width)
    chosen = [values[min(len(values) - 1, int(index * step))] for index in range(min(width, len(values)))]
    known = [value for value in chosen if value is not None and abs(value) < 1e300]
    if not known:
        return " " * len(chosen)
    low, span = min(known), max(known) - min(known)
    cells = []
    for value in chosen:
        if value is None or abs(value) >= 1e300:
            cells.append(" ")
        else:
            cells.append(_SPARKS[int((value - low) / span * (len(_SPARKS) - 1))] if span > 0 else _SPARKS[0])
    return "".join(cells)
