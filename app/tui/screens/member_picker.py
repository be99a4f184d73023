"""Which finished runs are members: a list to tick, the folds of a model as one."""

from collections.abc import Collection, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.bindings import bindings
from app.tui.columns import fit
from app.tui.screens.dialog import Dialog
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from engine.ensemble.plan import Candidate
from engine.format import moment, printable, score

_EMPTY = (
    "No finished run has validation predictions yet.\n\n"
    "Fine-tuning and baseline runs write them of their fold; 3 launches one."
)


class _Ticks(OptionList):
    BINDINGS = bindings("picker")

    def action_tick(self) -> None:
        self.action_select()


class MemberPicker(Dialog[tuple[int, ...]]):
    """Space ticks, enter takes what is ticked, esc leaves everything as it was."""

    AUTO_FOCUS = "_Ticks"

    def __init__(self, candidates: Sequence[Candidate], chosen: Collection[int]) -> None:
        super().__init__()
        self._candidates = tuple(candidates)
        self._in_sight = list(candidates)
        self._others = [run_id for run_id in chosen if run_id not in _ids(candidates)]
        self._chosen = [run_id for run_id in chosen if run_id in _ids(candidates)]

    def compose(self) -> ComposeResult:
        with Vertical(id="picker-box"):
            yield Label("Members of the ensemble", classes="dialog-title")
            yield FilterBar("part of a name or stage    enter keeps, esc clears", widget_id="picker-filter")
            yield _Ticks(id="picker-list", markup=False)
            yield self.key_line("picker")

    def on_mount(self) -> None:
        self._show()

    def action_take(self) -> None:
        """Close with what is ticked."""
        self.dismiss((*self._others, *self._chosen))

    def action_filter(self) -> None:
        """Type a part of a name."""
        self.query_one(FilterBar).open()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        wanted = event.text.strip().casefold()
        self._in_sight = [
            one
            for one in self._candidates
            if wanted in one.name.casefold() or any(wanted in run.stage for run in one.runs)
        ]
        self._show()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.query_one(FilterBar).close_if_empty()
        self.query_one(_Ticks).focus()

    @on(OptionList.OptionSelected)
    def _ticked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        ids = [run.id for run in self._in_sight[event.option_index].runs]
        if set(ids) <= set(self._chosen):
            self._chosen = [run_id for run_id in self._chosen if run_id not in ids]
        else:
            self._chosen += [run_id for run_id in ids if run_id not in self._chosen]
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        ticks = self.query_one(_Ticks)
        cursor = ticks.highlighted or 0
        width = max(40, (ticks.size.width or 70) - 2)
        if self._in_sight:
            ticks.set_options([Option(self._line(one, width)) for one in self._in_sight])
            ticks.highlighted = min(cursor, len(self._in_sight) - 1)
        else:
            text = "No candidate has this in its name." if self._candidates else _EMPTY
            ticks.set_options([Option(Content(text), disabled=True)])
        count = sum(set(_ids([one])) <= set(self._chosen) for one in self._candidates)
        self.query_one("#picker-box").border_subtitle = f"{count} of {len(self._candidates)}"

    def _line(self, one: Candidate, width: int) -> Content:
        ids = _ids([one])
        taken = sum(run_id in self._chosen for run_id in ids)
        glyph = "●" if taken == len(ids) else "◔" if taken else "○"
        folds = f"{len(ids)} folds" if len(ids) > 1 else f"run {one.runs[0].id}"
        room = max(10, width - 2 - 11 - 10 - 9 - 13)
        return Content.assemble(
            (f"{glyph} ", "$text-accent" if taken else "$foreground-muted"),
            (fit(printable(one.name), room), "bold" if taken else ""),
            f" {fit(printable(one.runs[0].stage), 10)}{fit(folds, 10)}{score(one.f1_mean):>8} ",
            (f"{moment(one.runs[0].created)[5:16]:>12}", "$foreground-muted"),
        )


def _ids(candidates: Sequence[Candidate]) -> set[int]:
    return {run.id for one in candidates for run in one.runs}
