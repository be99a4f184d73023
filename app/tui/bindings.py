"""Every key of the interface in one table: screens take their keys, footer texts and help from here."""

from textual.binding import Binding, BindingType

_PAN = Binding.Group("pan", compact=True)
_ZOOM = Binding.Group("zoom", compact=True)
_TABS = Binding.Group("tabs", compact=True)
_PAGES = Binding.Group("page", compact=True)

_STOP = Binding(
    "x",
    "stop_run",
    "stop",
    id="run.stop",
    tooltip="ask the run to write a checkpoint and end; resume goes on from it",
)
_KILL = Binding(
    "X", "kill_run", "kill", show=False, id="run.kill", tooltip="end the run at once, without a checkpoint"
)
_RESUME = Binding(
    "r", "resume_run", "resume", id="run.resume", tooltip="go on with a stopped, crashed or failed run"
)
_DELETE = Binding(
    "delete,backspace", "delete_run", "delete", key_display="del", id="run.delete",
    tooltip="take an ended run out of the list; its files stay",
)  # fmt: skip
_COPY = Binding("y", "copy_id", "copy id", show=False, id="run.copy", tooltip="copy the run's id")

TABLE: dict[str, tuple[Binding, ...]] = {
    "app": (
        Binding("1", "mode('monitor')", "Monitor", show=False, id="mode.monitor", tooltip="machine, queue, curves"),
        Binding("2", "mode('runs')", "Runs", show=False, id="mode.runs", tooltip="the table of all runs"),
        Binding("3", "mode('launch')", "Launch", show=False, id="mode.launch", tooltip="configure and queue runs"),
        Binding("question_mark", "help", "keys", key_display="?", id="app.help", tooltip="show or hide all keys"),
        Binding("q", "quit", "quit", id="app.quit", tooltip="close the screen; the runs go on"),
        Binding("escape", "back", "back", show=False, id="app.back", tooltip="close what is open"),
    ),
    "monitor": (
        Binding("s,x", "stop_run", "stop", id="monitor.stop", tooltip=_STOP.tooltip),
        _KILL,
        _RESUME,
        Binding("enter,o", "open_run", "open", key_display="⏎", id="monitor.open", tooltip="all about the run"),
        Binding("l", "focus_log", "log", id="monitor.log", tooltip="go to the log; again: full screen"),
        _COPY,
    ),
    "runs": (
        Binding("enter", "open_run", "open", key_display="⏎", id="runs.open", tooltip="all about the run"),
        Binding("slash", "filter", "filter", key_display="/", id="runs.filter",
                tooltip="such as stage=finetune f1_mean>0.6 name~pre"),
        Binding("s", "sort", "sort", id="runs.sort", tooltip="by the next column"),
        Binding("S", "reverse", "reverse", show=False, id="runs.reverse", tooltip="sort the other way round"),
        _RESUME,
        _STOP,
        _KILL,
        _DELETE,
        _COPY,
    ),
    "table": (
        Binding("up,k", "cursor(-1)", "up", show=False, id="table.up"),
        Binding("down,j", "cursor(1)", "down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="table.pageup"),
        Binding("pagedown", "page(1)", "page down", show=False, id="table.pagedown"),
        Binding("home", "first", "first run", show=False, id="table.first"),
        Binding("end,G", "last", "last run", show=False, id="table.last"),
    ),
    "filter": (
        Binding("escape", "clear", "clear filter", key_display="esc", id="filter.clear"),
        Binding("down", "leave", "to the table", show=False, id="filter.leave"),
    ),
    "run": (
        Binding("escape", "back", "back", key_display="esc", id="run.back", tooltip="to the screen before"),
        Binding("slash", "filter", "filter", key_display="/", id="run.filter",
                tooltip="charts by regular expression, settings by part of the name"),
        Binding("left_square_bracket", "tab(-1)", "previous tab", key_display="[", group=_TABS, id="run.previous"),
        Binding("right_square_bracket", "tab(1)", "next tab", key_display="]", group=_TABS, id="run.next"),
        _RESUME,
        _STOP,
        _KILL,
        _COPY,
    ),
    "charts": (
        Binding("g", "log_y", "log y", id="charts.log", tooltip="logarithmic value axis"),
        Binding("f", "full", "full screen", id="charts.full", tooltip="the chosen chart alone; again: all"),
        Binding("pageup", "page(-1)", "previous page", group=_PAGES, id="charts.previous"),
        Binding("pagedown", "page(1)", "next page", group=_PAGES, id="charts.next"),
    ),
    "chart": (
        Binding("left", "pan_left", "pan left", group=_PAN, id="chart.left"),
        Binding("right", "pan_right", "pan right", group=_PAN, id="chart.right"),
        Binding("up", "pan_up", "pan up", group=_PAN, show=False, id="chart.up"),
        Binding("down", "pan_down", "pan down", group=_PAN, show=False, id="chart.down"),
        Binding("plus,equals_sign", "zoom_in", "zoom in", key_display="+", group=_ZOOM, id="chart.in"),
        Binding("minus", "zoom_out", "zoom out", key_display="-", group=_ZOOM, id="chart.out"),
        Binding("0", "reset_scales", "whole series", show=False, id="chart.reset"),
    ),
    "log": (
        Binding("end,G", "follow", "follow", key_display="end", id="log.follow", tooltip="to the end, and stay there"),
        Binding("f", "full", "full screen", id="log.full", tooltip="the log alone; again: all"),
    ),
    "launch": (
        Binding("ctrl+s", "queue", "queue", key_display="^s", priority=True, id="launch.queue",
                tooltip="queue what the right side shows"),
        Binding("f5", "reload", "reload", id="launch.reload", tooltip="read the files again; changes are dropped"),
        Binding("escape", "back", "files", key_display="esc", id="launch.back", tooltip="from the form to the files"),
    ),
    "form": (
        Binding("down", "app.focus_next", "next field", show=False, id="form.next"),
        Binding("up", "app.focus_previous", "previous field", show=False, id="form.previous"),
    ),
    "choice": (
        Binding("left", "choose(-1)", "previous choice", show=False, id="choice.previous"),
        Binding("right,space", "choose(1)", "next choice", show=False, id="choice.next"),
    ),
    "confirm": (
        Binding("y,enter", "answer(True)", "yes", key_display="y", id="confirm.yes"),
        Binding("n,escape", "answer(False)", "no", key_display="n", id="confirm.no"),
    ),
}  # fmt: skip


def bindings(scope: str) -> list[BindingType]:
    """The keys of a screen or widget."""
    return list(TABLE[scope])
