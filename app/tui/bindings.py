"""Every key of the interface in one table: screens take their keys, footer texts and help from here."""

from textual.binding import Binding, BindingType

_PAN = Binding.Group("pan", compact=True)
_ZOOM = Binding.Group("zoom", compact=True)
_TABS = Binding.Group("tabs", compact=True)
_PAGES = Binding.Group("page", compact=True)
_GRID = Binding.Group("grid", compact=True)
_CURSOR = Binding.Group("crosshair", compact=True)
_WEIGHT = Binding.Group("weight", compact=True)

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
        Binding("5", "mode('ensemble')", "Ensemble", show=False, id="mode.ensemble", tooltip="weigh finished runs together"),
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
        Binding("w", "focus_queue", "queue", id="monitor.queue", tooltip="between what runs and what waits"),
        _COPY,
    ),
    "queue": (
        Binding("K,shift+up", "screen.move_run(-1)", "sooner", key_display="K", id="queue.up",
                tooltip="before the run above it; shift+up too"),
        Binding("J,shift+down", "screen.move_run(1)", "later", key_display="J", id="queue.down",
                tooltip="behind the run below it; shift+down too"),
        Binding("h", "screen.hold_run", "hold", id="queue.hold", tooltip="nothing starts it; again: release it"),
        Binding("p", "screen.change_priority", "priority", id="queue.priority", tooltip="type another priority"),
    ),
    "runs": (
        Binding("enter", "open_run", "open", key_display="⏎", id="runs.open", tooltip="all about the run"),
        Binding("slash", "filter", "filter", key_display="/", id="runs.filter",
                tooltip="such as stage=finetune f1_mean>0.6 name~pre; tab completes"),
        Binding("s", "sort", "sort", id="runs.sort", tooltip="by the next column"),
        Binding("S", "reverse", "reverse", show=False, id="runs.reverse", tooltip="sort the other way round"),
        Binding("o", "order", "sort by ...", show=False, id="runs.order", tooltip="any setting, metric or score"),
        Binding("c", "columns", "columns", id="runs.columns", tooltip="add, remove and move columns"),
        Binding("space", "mark", "mark", key_display="space", id="runs.mark", tooltip="mark the run, or all of a group; again: unmark"),
        Binding("a", "mark_all", "mark all", show=False, id="runs.all", tooltip="mark what the filter leaves; again: unmark it"),
        Binding("A", "unmark", "clear marks", show=False, id="runs.unmark", tooltip="no run is marked"),
        Binding("equals_sign", "compare", "compare", key_display="=", id="runs.compare", tooltip="the marked runs side by side"),
        Binding("e", "ensemble", "ensemble", id="runs.ensemble", tooltip="weigh the marked runs together"),
        Binding("g", "group", "group", id="runs.group", tooltip="by any value, with count, mean and best; again: no groups"),
        Binding("z", "fold_all", "fold all", show=False, id="runs.fold", tooltip="close or open all groups"),
        Binding("v", "views", "views", id="runs.views", tooltip="columns, order, filter and groups under a name"),
        _RESUME,
        _STOP,
        _KILL,
        Binding("y", "clone", "clone", id="runs.clone", tooltip="its settings in Launch, to change and queue again"),
        Binding("t", "tag", "tag", show=False, id="runs.tag", tooltip="+best gives, -old takes away; all marked runs at once"),
        Binding("n", "note", "note", show=False, id="runs.note", tooltip="write about the run"),
        Binding("R,f2", "rename", "rename", key_display="R", show=False, id="runs.rename", tooltip="another name; its directory keeps the old one"),
        Binding("p", "pin", "pin", show=False, id="runs.pin", tooltip="pin the run; again: unpin"),
        Binding("delete,backspace", "delete_run", "delete", key_display="del", id="runs.delete",
                tooltip="take ended runs out of the list; u brings them back"),
        Binding("u", "undo", "undo", show=False, id="runs.undo", tooltip="take back the last change of a name, tag, note, pin or deletion"),
        Binding("w", "export", "export", show=False, id="runs.export", tooltip="what is shown, as CSV, JSON, Markdown or Parquet"),
        Binding("Y", "copy_id", "copy id", show=False, id="runs.copy", tooltip="copy the run's id"),
    ),
    "table": (
        Binding("up,k", "cursor(-1)", "up", show=False, id="table.up"),
        Binding("down,j", "cursor(1)", "down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="table.pageup"),
        Binding("pagedown", "page(1)", "page down", show=False, id="table.pagedown"),
        Binding("home", "first", "first run", show=False, id="table.first"),
        Binding("end,G", "last", "last run", show=False, id="table.last"),
        Binding("right", "open_or_shift", "open group, columns", show=False, id="table.right",
                tooltip="open the group, else the next columns"),
        Binding("left", "close_or_shift", "close group, columns", show=False, id="table.left",
                tooltip="close the group, else the columns before"),
        Binding("greater_than_sign", "shift(1)", "next columns", key_display=">", show=False, id="table.next"),
        Binding("less_than_sign", "shift(-1)", "columns before", key_display="<", show=False, id="table.previous"),
    ),
    "filter": (
        Binding("tab", "complete(1)", "complete", id="filter.complete", tooltip="the next word that fits"),
        Binding("shift+tab", "complete(-1)", "complete", show=False, id="filter.before", tooltip="the word before"),
        Binding("escape", "clear", "clear filter", key_display="esc", id="filter.clear"),
        Binding("down", "leave", "to the table", show=False, id="filter.leave"),
    ),
    "ask": (
        Binding("escape", "cancel", "cancel", key_display="esc", id="ask.cancel"),
    ),
    "note": (
        Binding("ctrl+s", "save", "save", key_display="^s", priority=True, id="note.save"),
        Binding("escape", "cancel", "cancel", key_display="esc", id="note.cancel", tooltip="the note stays as it was"),
    ),
    "picker": (
        Binding("up", "move(-1)", "up", show=False, id="picker.up"),
        Binding("down", "move(1)", "down", show=False, id="picker.down"),
        Binding("pageup", "move(-8)", "page up", show=False, id="picker.pageup"),
        Binding("pagedown", "move(8)", "page down", show=False, id="picker.pagedown"),
        Binding("escape", "cancel", "close", key_display="esc", id="picker.close"),
    ),
    "columns": (
        Binding("shift+up,ctrl+up", "shift(-1)", "earlier", key_display="shift+up", id="columns.up", tooltip="the column stands further left"),
        Binding("shift+down,ctrl+down", "shift(1)", "later", key_display="shift+down", id="columns.down", tooltip="the column stands further right"),
        Binding("ctrl+r", "reset", "default", key_display="^r", id="columns.reset", tooltip="the columns of the beginning"),
    ),
    "views": (
        Binding("ctrl+s", "save", "save", key_display="^s", priority=True, id="views.save", tooltip="keep what is shown under the name that is typed"),
        Binding("ctrl+x", "remove", "remove", key_display="^x", priority=True, id="views.remove", tooltip="forget the view"),
    ),
    "export": (
        Binding("ctrl+y", "copy", "copy Markdown", key_display="^y", priority=True, id="export.copy", tooltip="the table to the clipboard"),
    ),
    "run": (
        Binding("escape", "back", "back", key_display="esc", id="run.back", tooltip="to the screen before"),
        Binding("slash", "filter", "search", key_display="/", id="run.filter",
                tooltip="charts by regular expression, settings and log by a part of them"),
        Binding("left_square_bracket", "tab(-1)", "previous tab", key_display="[", group=_TABS, id="run.previous"),
        Binding("right_square_bracket", "tab(1)", "next tab", key_display="]", group=_TABS, id="run.next"),
        _RESUME,
        Binding("s,x", "stop_run", "stop", id="run.stop-page", tooltip=_STOP.tooltip),
        _KILL,
        _COPY,
        Binding("c", "copy_table('markdown')", "copy", show=False, id="run.copy-markdown",
                tooltip="what the tab shows to the clipboard, as a Markdown table"),
        Binding("C", "copy_table('csv')", "copy CSV", show=False, id="run.copy-csv",
                tooltip="what the tab shows to the clipboard, as CSV"),
        Binding("w", "write", "write", show=False, id="run.write",
                tooltip="the chosen chart as SVG, or the table as CSV, into exports/"),
    ),
    "charts": (
        Binding("x", "axis", "x axis", id="charts.axis", tooltip="step, epoch, relative time, time"),
        Binding("y", "log_y", "log y", id="charts.log", tooltip="logarithmic value axis"),
        Binding("m", "smooth(1)", "smooth", id="charts.smooth", tooltip="more exponential smoothing, then none"),
        Binding("M", "smooth(-1)", "less smoothing", show=False, id="charts.unsmooth"),
        Binding("a", "scope", "one/all", id="charts.scope", tooltip="keys act on all charts, or on the chosen one only"),
        Binding("f", "full", "full screen", id="charts.full", tooltip="the chosen chart alone; again: all"),
        Binding("g", "columns", "columns", group=_GRID, id="charts.columns", tooltip="another number of columns"),
        Binding("G", "rows", "rows", group=_GRID, id="charts.rows", tooltip="another number of rows"),
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
        Binding("ctrl+up", "zoom_y_in", "zoom values in", show=False, id="chart.in-y"),
        Binding("ctrl+down", "zoom_y_out", "zoom values out", show=False, id="chart.out-y"),
        Binding("0", "reset_scales", "whole series", show=False, id="chart.reset"),
        Binding("comma", "cursor(-1)", "crosshair left", key_display=",", group=_CURSOR, id="chart.cursor-left"),
        Binding("full_stop", "cursor(1)", "crosshair right", key_display=".", group=_CURSOR, id="chart.cursor-right"),
        Binding("less_than_sign", "cursor(-10)", "crosshair far left", key_display="<", show=False,
                id="chart.cursor-far-left"),
        Binding("greater_than_sign", "cursor(10)", "crosshair far right", key_display=">", show=False,
                id="chart.cursor-far-right"),
        Binding("h", "hide_cursor", "no crosshair", show=False, id="chart.cursor-hide"),
    ),
    "scores": (
        Binding("enter", "select_cursor", "classes", key_display="⏎", id="scores.classes",
                tooltip="the classes of this evaluation"),
    ),
    "classes": (
        Binding("o", "order", "order", id="classes.order",
                tooltip="worst F1 first, most mistakes, most videos, by code"),
        Binding("comma", "evaluation(-1)", "earlier evaluation", key_display=",", group=_CURSOR, id="classes.earlier"),
        Binding("full_stop", "evaluation(1)", "later evaluation", key_display=".", group=_CURSOR, id="classes.later"),
        Binding("e", "expand", "open all", id="classes.expand", tooltip="open every class; again: close them"),
    ),
    "checkpoints": (
        Binding("u", "use", "use in a new run", id="checkpoints.use", tooltip="Launch, with this checkpoint as init"),
        Binding("p", "pin", "pin", id="checkpoints.pin", tooltip="keep it whatever happens; again: no longer"),
        Binding("delete,backspace", "delete", "delete", key_display="del", id="checkpoints.delete",
                tooltip="remove its files; this can't be undone"),
    ),
    "lineage": (
        Binding("enter", "select", "open", key_display="⏎", id="lineage.open", tooltip="the page of that run"),
        Binding("up,k", "cursor_up", "up", show=False, id="lineage.up"),
        Binding("down,j", "cursor_down", "down", show=False, id="lineage.down"),
    ),
    "log": (
        Binding("n", "search(-1)", "next match", show=False, id="log.next", tooltip="the next match further up"),
        Binding("N", "search(1)", "match below", show=False, id="log.previous", tooltip="the next match further down"),
        Binding("e", "error(-1)", "error", id="log.error", tooltip="to the error further up"),
        Binding("E", "error(1)", "error below", show=False, id="log.error-below", tooltip="to the error further down"),
        Binding("home", "first", "first line", show=False, id="log.first", tooltip="to the begin of the file"),
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
    "ensemble": (
        Binding("a", "choose", "members", id="ensemble.choose", tooltip="choose among all finished runs with predictions"),
        Binding("f", "search('coordinate')", "find weights", id="ensemble.find",
                tooltip="each weight in turn along a grid, with an honest estimate of what that is worth"),
        Binding("g", "search('greedy')", "greedy", id="ensemble.greedy",
                tooltip="the member that helps most, again and again, with an honest estimate"),
        Binding("r", "reset", "equal", id="ensemble.reset", tooltip="every weight 1"),
        Binding("u", "undo", "undo", id="ensemble.undo", tooltip="members and weights as they were before"),
        Binding("s", "save", "save", id="ensemble.save", tooltip="queue it as a run, which writes the submission"),
        Binding("o", "open_saved", "open run", show=False, id="ensemble.open", tooltip="the page of the saved run"),
        Binding("m", "measure", "measure", show=False, id="ensemble.measure",
                tooltip="agreement as same answers, kappa, or correlation of errors"),
        Binding("l", "level", "level", show=False, id="ensemble.level", tooltip="fixes and breaks of the next level"),
        Binding("v", "view", "view", show=False, id="ensemble.view",
                tooltip="agreement, or fixes and breaks, where there is no room for both"),
        Binding("c", "copy_table('markdown')", "copy", show=False, id="ensemble.copy-markdown",
                tooltip="the table to the clipboard, as Markdown"),
        Binding("C", "copy_table('csv')", "copy CSV", show=False, id="ensemble.copy-csv",
                tooltip="the table to the clipboard, as CSV"),
        Binding("w", "write", "write", show=False, id="ensemble.write", tooltip="the table as CSV, into exports/"),
        Binding("escape", "back", "back", show=False, id="ensemble.back", tooltip="end the search"),
    ),
    "members": (
        Binding("left", "step(-0.1)", "less", key_display="←", group=_WEIGHT, id="members.less"),
        Binding("right", "step(0.1)", "more", key_display="→", group=_WEIGHT, id="members.more"),
        Binding("shift+left", "step(-0.01)", "a little less", show=False, id="members.less-fine"),
        Binding("shift+right", "step(0.01)", "a little more", show=False, id="members.more-fine"),
        Binding("0", "off", "weight 0", show=False, id="members.off"),
        Binding("space", "switch", "off/on", id="members.switch", tooltip="without a weight, or with it again"),
        Binding("enter", "type('')", "type weight", key_display="⏎", id="members.type"),
        Binding("full_stop", "type('0.')", "type 0.", show=False, id="members.type-fraction"),
        Binding("delete,backspace", "remove", "remove", show=False, key_display="del", id="members.remove",
                tooltip="out of the ensemble; the run stays, u brings it back"),
        Binding("k", "cursor_up", "up", show=False, id="members.up"),
        Binding("j", "cursor_down", "down", show=False, id="members.down"),
    ),
    "picker": (
        Binding("space", "tick", "tick", id="picker.tick"),
        Binding("enter", "screen.take", "take", key_display="⏎", id="picker.take"),
        Binding("escape", "screen.cancel", "cancel", key_display="esc", id="picker.cancel"),
        Binding("slash", "screen.filter", "filter", key_display="/", id="picker.filter"),
        Binding("k", "cursor_up", "up", show=False, id="picker.up"),
        Binding("j", "cursor_down", "down", show=False, id="picker.down"),
    ),
    "ask": (
        Binding("escape", "cancel", "cancel", key_display="esc", id="ask.cancel"),
    ),
    "confirm": (
        Binding("y,enter", "answer(True)", "yes", key_display="y", id="confirm.yes"),
        Binding("n,escape", "answer(False)", "no", key_display="n", id="confirm.no"),
    ),
}  # fmt: skip


def bindings(scope: str) -> list[BindingType]:
    """The keys of a screen or widget."""
    return list(TABLE[scope])
