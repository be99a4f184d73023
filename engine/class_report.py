"""How good a run is class by class: scores, names, and what each class is taken for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.confusions import Confusions, confusions_of
from engine.errors import DataError
from engine.store.database import Store
from engine.store.queries import class_scores, run_detail
from engine.store.views import ClassScore, EvaluationRow
from engine.workspace import Workspace

ORDERS = ("worst F1 first", "most mistakes first", "most videos first", "by code")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer, and how often it was given."""

    category: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class of one evaluation; `name` is empty and `mistakes` are none where they are not known."""

    level: int
    category: str
    name: str
    precision: float
    recall: float
    f1: float
    support: int
    mistakes: tuple[Mistake, ...] = ()

    @property
    def missed(self) -> int:
        """Videos of the class that were taken for another."""
        missed = self.support * (1 - self.recall)
        return round(missed) if math.isfinite(missed) else 0


@dataclass(frozen=True, slots=True)
class ClassReport:
    """The classes of a run's best evaluation; `problem` says why there are no confusions where there are none."""

    evaluation: EvaluationRow | None
    classes: tuple[ClassLine, ...]
    problem: str | None = None


def class_report(workspace: Workspace, store: Store, run_id: int) -> ClassReport:
    """The classes of the best evaluation, worst first within each level.

    Raises:
        RunError: there is no such run.
    """
    evaluation = best_evaluation(run_detail(store, run_id).evaluations)
    if evaluation is None:
        return ClassReport(None, (), "no evaluation yet")
    problem = None
    try:
        confusions = confusions_of(workspace, store, run_id)
    except DataError as error:
        confusions, problem = Confusions(), str(error)
    if problem is None and not confusions.wrong:
        problem = (
            "no confusions: they come with the predictions that a run makes of its validation part at its end"
        )
    lines = class_lines(class_scores(store, evaluation.id), confusions)
    return ClassReport(evaluation, tuple(ordered(lines, ORDERS[0])), problem)


def best_evaluation(evaluations: Sequence[EvaluationRow]) -> EvaluationRow | None:
    """The validation pass with the highest F1-mean, the earlier of equals; of another split where there is none."""
    of_validation = [row for row in evaluations if row.split == "val"]
    known = [row for row in of_validation or evaluations if not math.isnan(row.f1_mean)]
    return max(known, key=lambda row: row.f1_mean, default=None)


def class_lines(classes: Sequence[ClassScore], confusions: Confusions) -> tuple[ClassLine, ...]:
    """Scores with names and mistakes, most frequent first."""
    names = confusions.names
    return tuple(
        ClassLine(
            level=entry.level,
            category=entry.category,
            name=names.get(entry.category, ""),
            precision=entry.precision,
            recall=entry.recall,
            f1=entry.f1,
            support=entry.support,
            mistakes=tuple(
                Mistake(category, names.get(category, ""), number)
                for category, number in confusions.wrong.get(entry.category, ())
            ),
        )
        for entry in classes
    )


def ordered(lines: Sequence[ClassLine], order: str) -> list[ClassLine]:
    """The lines by level, within each in one of `ORDERS`."""

    def place(line: ClassLine) -> tuple[float, ...]:
        if order == "worst F1 first":
            return (math.inf if math.isnan(line.f1) else line.f1, -line.support)
        if order == "most mistakes first":
            return (-line.missed, line.f1)
        if order == "most videos first":
            return (-line.support,)
        return ()

    return sorted(lines, key=lambda line: (line.level, *place(line), line.category))


def worst_mistakes(lines: Sequence[ClassLine], level: int, most: int) -> list[tuple[ClassLine, Mistake]]:
    """The most frequent mistakes at a level: the class and what it was taken for."""
    pairs = [(line, mistake) for line in lines if line.level == level for mistake in line.mistakes]
    return sorted(pairs, key=lambda pair: -pair[1].count)[:most]


def parent_of(line: ClassLine, lines: Sequence[ClassLine]) -> ClassLine | None:
    """The class above: one level up, whose code the line's begins with."""
    above = (one for one in lines if one.level == line.level - 1 and line.category.startswith(one.category))
    return max(above, key=lambda one: len(one.category), default=None)
