"""A comparison as text: the same lines for the screen, the command line, and what is copied or exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.comparison import ClassChange, Comparison, Fact, class_changes
from engine.format import number, printable, score, setting
from engine.store.views import ClassScore

BEST = "▲ best"
_SHA_CELLS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its cells by run id, the runs that are best in it, and of a score its values."""

    key: str
    cells: Mapping[int, str]
    best: frozenset[int] = frozenset()
    values: Mapping[int, float] = field(default_factory=dict)

    def marked(self, run_id: int) -> str:
        """The run's cell, with the word where it is the best."""
        cell = self.cells.get(run_id, "")
        return f"{cell} {BEST}" if run_id in self.best else cell


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading; `alike` lines more are the same in all runs and left out."""

    name: str
    lines: tuple[Line, ...] = field(default=())
    alike: int = 0

    @property
    def heading(self) -> str:
        """The section's name, and how much it leaves out."""
        if not self.lines and not self.alike:
            return f"{self.name}: nothing recorded"
        if not self.lines:
            return f"{self.name}: all {self.alike} the same"
        return f"{self.name}: {self.alike} more are the same" if self.alike else self.name


def sections(comparison: Comparison, *, everything: bool = False) -> tuple[Section, ...]:
    """Scores, and of settings, inputs and environment what differs, or everything."""
    scores = Section(
        "scores",
        tuple(_score_line(one.name, one.values, one.best) for one in comparison.scores if one.values),
    )
    return (
        scores,
        _section("config", comparison.config, everything),
        _section("inputs", comparison.inputs, everything),
        _section("environment", comparison.environment, everything),
    )


def column_title(comparison: Comparison, run_id: int) -> str:
    """`12 model-1`, safe to show."""
    one = comparison.run(run_id)
    return f"{run_id} {printable(one.run.name)}" if one is not None else str(run_id)


def class_title(category: str, names: Mapping[str, str]) -> str:
    """`2003 hotels`, safe to show."""
    name = names.get(category)
    return printable(f"{category} {name}" if name else category)


def signed(change: float | None) -> str:
    """A gain or a loss of F1: `+0.1200`, `-` when unknown."""
    return "-" if change is None else f"{change:+.4f}"


def f1_text(entry: ClassScore | None) -> str:
    """A class's F1, `-` when unknown."""
    return "-" if entry is None or entry.f1 != entry.f1 else score(entry.f1)


def changes_by_run(comparison: Comparison, base: int) -> dict[int, tuple[ClassChange, ...]]:
    """Gains and losses by class of every other run that has scores of classes, against the base; empty without its."""
    ours = comparison.run(base)
    if ours is None or not ours.classes:
        return {}
    others = [one for one in comparison.runs if one.run.id != base and one.classes]
    return {one.run.id: class_changes(ours, one) for one in others}


def _section(name: str, facts: Sequence[Fact], everything: bool) -> Section:
    shown = [fact for fact in facts if fact.differs or everything]
    lines = tuple(Line(printable(fact.key), _cells(fact)) for fact in shown)
    return Section(name, lines, len(facts) - len(shown))


def _score_line(name: str, values: Mapping[int, float], best: Sequence[int]) -> Line:
    shown = number if name == "loss" else score
    return Line(name, {run_id: shown(value) for run_id, value in values.items()}, frozenset(best), values)


def _cells(fact: Fact) -> dict[int, str]:
    """Values short enough to read; in full where they would look alike and are not."""
    cells = {run_id: setting(value) for run_id, value in fact.values.items()}
    short = {run_id: cell[:_SHA_CELLS] for run_id, cell in cells.items()} if fact.key == "git_sha" else cells
    if len(set(short.values())) >= len({repr(value) for value in fact.values.values()}):
        return short
    return {run_id: printable(str(value)) for run_id, value in fact.values.items()}
