"""Mode 5: finished runs weighed against each other, scored at every change, and saved as a run."""

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import ScreenResume
from textual.timer import Timer

from app.tui import ensembles
from app.tui.bindings import bindings
from app.tui.ensemble_lines import weight_text
from app.tui.screens.ask import Ask
from app.tui.screens.ensemble_saving import EnsembleSaving
from app.tui.screens.ensemble_work import (
    Candidates,
    Found,
    Loaded,
    Loading,
    Scored,
    Searching,
    Sure,
)
from app.tui.widgets.agreement_view import AgreementView
from app.tui.widgets.ensemble_panel import EnsemblePanel
from app.tui.widgets.fixes_view import FixesView
from app.tui.widgets.member_list import MemberList
from engine.format import printable

_PAUSE_SECONDS = 0.5  # after the last change


class Ensemble(EnsembleSaving):
    """Weights change by key and mouse; scores follow from a thread, the newest weights first."""

    MODE = "ensemble"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    BINDINGS = bindings("ensemble")
    BINDING_GROUP_TITLE = "Ensemble"
    AUTO_FOCUS = "MemberList"

    def __init__(self) -> None:
        super().__init__()
        self._marks: tuple[int, ...] = ()
        self._loaded: tuple[int, ...] = ()
        self._asked = 0
        self._scoring = False
        self._dragged = False
        self._unread = False
        self._timer: Timer | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(id="ensemble-body"):
            yield EnsemblePanel()
            with Horizontal(id="ensemble-below"):
                yield AgreementView(widget_id="ensemble-agreement")
                yield FixesView(widget_id="ensemble-fixes")

    def on_mount(self) -> None:
        if not self.reeltop.marked:
            self.bench.weights.restore(self.reeltop.memory.get("ensemble"))
        self._show()
        self.show_notes()

    def on_screen_resume(self, _event: ScreenResume) -> None:
        marks = tuple(self.reeltop.marked)
        new = [run_id for run_id in marks if run_id not in self._marks]
        self._marks = marks
        if new:
            self.bench.weights.set_runs((*self.bench.weights.choice.runs, *new))
        self._load_if_new()

    def show_trouble(self, trouble: str | None) -> None:
        super().show_trouble(trouble)
        if trouble is None and self._unread and self.is_mounted:
            self._unread = False
            self._load_if_new()

    def action_choose(self) -> None:
        """List the runs that could be members, to be ticked."""
        self.look_for_candidates()

    def action_search(self, kind: str) -> None:
        """Search for weights in a thread."""
        gathered = self.bench.ready
        if gathered is None:
            self.no_members()
        elif self.searching:
            self.notify("a search goes on already; esc ends it", severity="warning", markup=False)
        else:
            self.search(self._asked, kind, gathered)
            self._show(searching=(kind, 0.0))

    def action_reset(self) -> None:
        """Every weight 1."""
        if members := self.bench.members:
            self.bench.weights.set_all(members, [1.0] * len(members))
            self._weights_changed()

    def action_undo(self) -> None:
        """Members and weights as they were before the last change."""
        if self.bench.weights.undo():
            self._load_if_new()
            self._weights_changed()
        else:
            self.notify("nothing to take back", severity="warning", markup=False)

    async def action_back(self) -> None:
        """End the search, else as everywhere."""
        if self.searching:
            self.stop_search()
            self._show()
        else:
            await self.reeltop.action_back()

    def action_measure(self) -> None:
        """The next measure of agreement."""
        self.query_one(AgreementView).next_measure()

    def action_level(self) -> None:
        """Fixes and breaks of the next level."""
        self.query_one(FixesView).next_level()

    def action_turn(self) -> None:
        """Breaks on top, or fixes."""
        self.query_one(FixesView).turn()

    def action_view(self) -> None:
        """Agreement, or fixes and breaks."""
        self.toggle_class("-agreement")

    @on(MemberList.Weighed)
    def _weight_wanted(self, event: MemberList.Weighed) -> None:
        weights, goes_on = self.bench.weights, self._dragged
        before = weights.choice
        problem = weights.set_weight(self.bench.members, event.index, event.weight, keep=not goes_on)
        self._dragged = event.dragging and (goes_on or weights.choice != before)
        self._weights_changed(None if event.dragging else problem, goes_on=goes_on)

    @on(MemberList.Switched)
    def _switch_wanted(self, event: MemberList.Switched) -> None:
        self._weights_changed(self.bench.weights.switch(self.bench.members, event.index))

    @on(MemberList.Removed)
    def _removal_wanted(self, event: MemberList.Removed) -> None:
        gone = self.bench.members[event.index]
        weights = self.bench.weights
        weights.set_runs([run_id for run_id in weights.choice.runs if run_id not in gone])
        self._load_if_new()

    @on(MemberList.Typing)
    def _typing_wanted(self, event: MemberList.Typing) -> None:
        members, index = self.bench.members, event.index
        begin = event.text or weight_text(self.bench.now[index])

        def answered(text: str | None) -> None:
            if text is not None and members == self.bench.members:
                self._weights_changed(self.bench.weights.set_weight(members, index, float(text)))

        question = f"Weight of {printable(event.name)}"
        self.app.push_screen(
            Ask(question, "0 to 1000; 0 leaves it out", begin, ensembles.not_a_weight), answered
        )

    @on(Candidates)
    def _candidates_found(self, message: Candidates) -> None:
        from app.tui.screens.member_picker import MemberPicker

        if self.is_current:
            self.app.push_screen(MemberPicker(message.found, self.bench.weights.choice.runs), self._picked)

    def _picked(self, run_ids: tuple[int, ...] | None) -> None:
        if run_ids is not None and self.bench.weights.set_runs(run_ids):
            self._load_if_new()

    @on(Loading)
    def _loading(self, message: Loading) -> None:
        if message.asked == self._asked:
            self.query_one(EnsemblePanel).show_loading(message.name, message.done / max(1, message.total))

    @on(Loaded)
    def _members_loaded(self, message: Loaded) -> None:
        if message.asked != self._asked:
            return
        self.stop_search()
        self.reading = False
        self.bench.take(message.gathered)
        self.show_notes()
        self._show()
        if self.bench.ready is not None:
            self.query_one(AgreementView).show(message.gathered)
            self.query_one(MemberList).focus()
            self._weights_changed()

    @on(Scored)
    def _scored(self, message: Scored) -> None:
        self._scoring = False
        gathered = self.bench.ready
        if gathered is not None and message.asked == self._asked:
            self.bench.weighed = message.weighed
            self.query_one(FixesView).show(message.weighed.fixes, gathered.members[gathered.best].name)
            self._show()
        self._score_if_new()

    @on(Sure)
    def _made_sure(self, message: Sure) -> None:
        if message.asked == self._asked:
            self.bench.sure = message.report
            self._show()

    @on(Searching)
    def _search_goes_on(self, message: Searching) -> None:
        if self.searching:
            self._show(searching=(message.kind, message.share))

    @on(Found)
    def _search_ended(self, message: Found) -> None:
        if message.report is not None and message.asked == self._asked:
            self.bench.found = message.report
            self.bench.weights.set_all(self.bench.members, ensembles.weights_of(message.report))
            self._weights_changed()

    def failed(self, name: str, reason: str) -> None:
        self._scoring = self._scoring and name != "score"
        if name == "load":
            self._loaded, self._unread, self.reading = (), True, False
            self._show()
            self.show_notes()
            if not self.reeltop.opened:
                return  # the store is on its way
        super().failed(name, reason)

    def _load_if_new(self) -> None:
        """Load the chosen runs where they are not those that are shown, or being loaded."""
        runs = self.bench.weights.choice.runs
        if runs == self._loaded:
            return
        self._loaded = runs
        self._asked += 1
        self._remember()
        self.reading = bool(runs)
        if runs:
            self.load(self._asked, runs)
            self._show()
            self.query_one(EnsemblePanel).show_loading("the chosen runs", 0.0)
        else:
            self.stop_search()
            self.bench.take(None)
            self.show_notes()
            self._show()

    def _weights_changed(self, problem: str | None = None, *, goes_on: bool = False) -> None:
        """Show them at once, and have them scored; the score before is kept unless a change goes on."""
        if problem is not None:
            self.notify(problem, severity="warning", markup=False)
        if self.bench.ready is None:
            return
        if not goes_on:
            self.bench.changed()
        self._show()
        self._score_if_new()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_SECONDS, self._settle)

    def _score_if_new(self) -> None:
        """One after the other: what changes meanwhile is scored when this is done."""
        if not self._scoring and self.bench.unscored and (gathered := self.bench.ready) is not None:
            self._scoring = True
            self.score(self._asked, gathered, self.bench.now)

    def _settle(self) -> None:
        """What can wait until a person is done with the keys: to remember the weights, and how sure their score is."""
        self._remember()
        if self.bench.unsure and (gathered := self.bench.ready) is not None:
            self.make_sure(self._asked, gathered, self.bench.now)

    def _remember(self) -> None:
        self.reeltop.remember("ensemble", self.bench.weights.to_plain())

    def _show(self, searching: tuple[str, float] | None = None) -> None:
        self.query_one(EnsemblePanel).show(self.bench, searching, reading=self.reading)
        self.query_one("#ensemble-below").display = self.bench.ready is not None
