"""Which runs a person has chosen for an ensemble, and with which weights; every change can be taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Key = tuple[int, ...]
_MOST_UNDOS = 100
_MOST_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Runs in their order, and weights by the runs of a member: 1 where none is given."""

    runs: tuple[int, ...] = ()
    weights: Mapping[Key, float] = field(default_factory=dict)

    def of(self, members: Sequence[Key]) -> tuple[float, ...]:
        """The weights of members; where none of them has one, all count the same."""
        found = tuple(self.weights.get(member, 1.0) for member in members)
        return found if any(found) else (1.0,) * len(found)


class Weights:
    """The choice as it is, and how it was.

    Attributes:
        choice: what is shown now.
    """

    def __init__(self) -> None:
        self.choice = Choice()
        self._before: list[Choice] = []
        self._on: dict[Key, float] = {}

    def set_runs(self, runs: Sequence[int]) -> bool:
        """Other runs; whether they are other ones."""
        return self._change(replace(self.choice, runs=tuple(dict.fromkeys(runs))))

    def set_weight(
        self, members: Sequence[Key], index: int, weight: float, *, keep: bool = True
    ) -> str | None:
        """Another weight of one member, or why not; `keep` false where it goes on from a change not yet ended."""
        if not 0 <= weight <= _MOST_WEIGHT:
            return f"a weight is 0 to {_MOST_WEIGHT:.0f}"
        values = list(self.choice.of(members))
        if not weight and not any(values[:index] + values[index + 1 :]):
            return "the last member with a weight stays: give another one a weight first"
        if values[index]:
            self._on[members[index]] = values[index]
        values[index] = weight
        self.set_all(members, values, keep=keep)
        return None

    def switch(self, members: Sequence[Key], index: int) -> str | None:
        """Off, or on with the weight that it had; or why not."""
        if self.choice.of(members)[index]:
            return self.set_weight(members, index, 0.0)
        return self.set_weight(members, index, self._on.get(members[index], 1.0))

    def set_all(self, members: Sequence[Key], values: Sequence[float], *, keep: bool = True) -> bool:
        """Weights of all members; whether they are other ones."""
        weights = {**self.choice.weights, **dict(zip(members, map(float, values), strict=True))}
        return self._change(replace(self.choice, weights=weights), keep=keep)

    def undo(self) -> bool:
        """Take the last change back; false where there is none."""
        if not self._before:
            return False
        self.choice = self._before.pop()
        return True

    def to_plain(self) -> dict[str, Any]:
        """The choice as plain data."""
        return {
            "runs": list(self.choice.runs),
            "weights": [[list(key), weight] for key, weight in self.choice.weights.items()],
        }

    def restore(self, data: object) -> None:
        """The choice that `to_plain` gave; anything else is left alone."""
        if not isinstance(data, dict):
            return
        try:
            runs = tuple(int(run) for run in data["runs"])
            weights = {tuple(int(run) for run in key): float(weight) for key, weight in data["weights"]}
        except (KeyError, TypeError, ValueError):
            return
        if all(0 <= weight <= _MOST_WEIGHT for weight in weights.values()):
            self.choice = Choice(runs, weights)

    def _change(self, choice: Choice, *, keep: bool = True) -> bool:
        if choice == self.choice:
            return False
        if keep:
            self._before = [*self._before[1 - _MOST_UNDOS :], self.choice]
        self.choice = choice
        return True
