"""What the ensemble screen knows: members, their weights, and what these are worth."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textual.content import Content

from app.tui import ensembles
from app.tui.ensemble_lines import MemberLine, lines_of_members
from app.tui.weights import Key, Weights
from engine.ensemble.text import SEARCH_NAMES

if TYPE_CHECKING:
    from engine.ensemble.weighing import Gathered, Weighed


@dataclass
class Bench:
    """Plain state: the screen fills it from keys and threads, and draws it.

    Attributes:
        weighed: the newest scores that are known; those before the last change are `before`.
        found: what the last search found of these members.
        sure: the report of the weights for which an interval was last computed.
    """

    weights: Weights = field(default_factory=Weights)
    gathered: "Gathered | None" = None
    weighed: "Weighed | None" = None
    before: "Weighed | None" = None
    found: dict[str, Any] | None = None
    sure: dict[str, Any] | None = None

    def take(self, gathered: "Gathered | None") -> None:
        """Other members: nothing is known of them yet."""
        self.gathered = gathered
        self.weighed = self.before = None
        self.found = self.sure = None

    @property
    def ready(self) -> "Gathered | None":
        """The members, where there are any."""
        return self.gathered if self.gathered is not None and self.gathered.data is not None else None

    @property
    def members(self) -> tuple[Key, ...]:
        """The runs of each member."""
        return self.gathered.run_ids if self.gathered is not None else ()

    @property
    def now(self) -> tuple[float, ...]:
        """The weights as they are."""
        return self.weights.choice.of(self.members)

    @property
    def kind(self) -> str:
        """How the weights came about: by the search that found them, else equal or given."""
        if self.found is not None and ensembles.weights_of(self.found) == self.now:
            return str(self.found["weights"])
        return "equal" if len({weight for weight in self.now if weight}) == 1 else "given"

    @property
    def unscored(self) -> bool:
        """The weights are others than those whose scores are known."""
        return self.ready is not None and (self.weighed is None or self.weighed.weights != self.now)

    @property
    def unsure(self) -> bool:
        """The weights are others than those whose interval is known."""
        return self.ready is not None and (self.sure is None or ensembles.weights_of(self.sure) != self.now)

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of the weights as they are: the search's where it found them; None where it is not made yet."""
        if self.kind in SEARCH_NAMES:
            return self.found
        return None if self.unsure else self.sure

    def changed(self) -> None:
        """The weights have just been changed: what was shown is the score before."""
        if self.weighed is not None and self.weighed.weights != self.now:
            self.before = self.weighed

    def lines(self) -> tuple[MemberLine, ...]:
        """The members as they are drawn."""
        gathered = self.ready
        return lines_of_members(gathered, self.now, self.weighed) if gathered is not None else ()

    def total(self, searching: tuple[str, float] | None) -> Content:
        """What all of it is worth; `searching` is the kind of a search that goes on, and how far it has come."""
        gathered, weighed = self.ready, self.weighed
        if gathered is None or weighed is None:
            return Content("scoring")
        known = self.sure is not None and ensembles.weights_of(self.sure) == weighed.weights
        lines = [ensembles.total_text(gathered, weighed, self.before, self.sure if known else None)]
        if searching is not None:
            lines.append(ensembles.searching_text(*searching))
        elif self.found is not None:
            changed = ensembles.weights_of(self.found) != self.now
            lines.append(ensembles.found_text(self.found, changed=changed))
        else:
            lines.append(ensembles.basis_text(gathered))
        return Content("\n").join(lines)
