"""The members with their weights, what all of it is worth, and what was left out."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from app.tui import ensembles
from app.tui.bench import Bench
from app.tui.widgets.label import Label
from app.tui.widgets.member_list import MemberList
from engine.format import printable
from engine.store.views import RunDetail

_EMPTY = (
    "No members yet. An ensemble averages what finished runs predict, each with a weight.\n\n"
    "a   choose among the finished runs that have validation predictions\n"
    "2   Runs: space marks runs, 5 brings them here\n"
    "3   Launch: fine-tuning and baseline runs write such predictions of their fold"
)
_NONE_FIT = (
    "None of the chosen runs ({count}) can be a member.\n\na   choose others\nu   back to those before"
)


class EnsemblePanel(Vertical):
    """Teaches the keys while there are no members."""

    def compose(self) -> ComposeResult:
        titles = Label("", widget_id="ensemble-titles")
        yield Label("", widget_id="ensemble-empty", classes="hint")
        with Vertical(id="ensemble-members", classes="panel"):
            yield titles
            yield MemberList(titles, widget_id="ensemble-list")
            yield Label("", widget_id="ensemble-total")
        yield Label("", widget_id="ensemble-notes")

    def on_mount(self) -> None:
        self.query_one("#ensemble-members").border_title = "members"

    def show(
        self, bench: Bench, searching: tuple[str, float] | None = None, *, reading: bool = False
    ) -> None:
        """Show members and scores, or how to come by members, unless some are just being read."""
        there = bench.ready is not None
        self.query_one("#ensemble-members").display = there
        empty = self.query_one("#ensemble-empty", Label)
        empty.display = not there
        if there:
            self.query_one(MemberList).show(bench.lines())
            total = self.query_one("#ensemble-total", Label)
            text = bench.total(searching)
            # The screen is arranged anew only where the text takes more lines or fewer: that takes longest of all.
            height = text.get_height({}, total.size.width) if total.size.width else 0
            total.update(text, layout=height != total.size.height)
        else:
            count = len(bench.weights.choice.runs)
            none_fits = count > 0 and bench.gathered is not None
            empty.update("" if reading else _NONE_FIT.format(count=count) if none_fits else _EMPTY)

    def show_notes(self, notes: Sequence[str], saved: RunDetail | None) -> None:
        """Say what was left out, and how the saved run does."""
        text = ensembles.notes_text(notes, saved)
        label = self.query_one("#ensemble-notes", Label)
        label.display = bool(text.plain)
        label.update(text)

    def show_loading(self, name: str, share: float) -> None:
        """Say what is being loaded."""
        label = self.query_one("#ensemble-notes", Label)
        label.display = True
        label.update(f"loading {printable(name)}  {share:.0%}")
