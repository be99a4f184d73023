"""Values of a run that no column of its row holds, as SQL: how long it took, scores by level, tags, parameters."""

import re
from typing import Any

from sqlalchemy import ColumnElement, Double, Select, and_, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from engine.store.models import LevelScore, Run, RunParam, RunTag

AnySelect = Select[*tuple[Any, ...]]
_LEVEL = re.compile(r"l([1-9])_(micro|macro|accuracy)")
_SCORES: dict[str, InstrumentedAttribute[float | None]] = {
    "micro": LevelScore.f1_micro,
    "macro": LevelScore.f1_macro,
    "accuracy": LevelScore.accuracy,
}


class SecondsTaken(GenericFunction[float]):
    """Seconds from a moment to another, or to now where that is null."""

    type = Double()
    inherit_cache = True
    name = "reeltop_seconds"


@compiles(SecondsTaken)
def _on_a_server(element: SecondsTaken, compiler: SQLCompiler, **more: Any) -> str:
    start, end = (compiler.process(part, **more) for part in element.clauses)
    return f"EXTRACT(EPOCH FROM (COALESCE({end}, now() AT TIME ZONE 'utc') - {start}))"


@compiles(SecondsTaken, "sqlite")
def _on_sqlite(element: SecondsTaken, compiler: SQLCompiler, **more: Any) -> str:
    start, end = (compiler.process(part, **more) for part in element.clauses)
    return f"((julianday(COALESCE({end}, 'now')) - julianday({start})) * 86400.0)"


DURATION: ColumnElement[float] = SecondsTaken(Run.started, Run.ended)


def level_of(name: str) -> tuple[int, InstrumentedAttribute[float | None]] | None:
    """What `l2_macro` means: the level, and which score of it; of the run's best validation pass."""
    match = _LEVEL.fullmatch(name)
    return None if match is None else (int(match[1]), _SCORES[match[2]])


def level_scores(name: str) -> AnySelect | None:
    """Run and score, for the runs that have the level's score `name`."""
    level = level_of(name)
    if level is None:
        return None
    number, score = level
    joined = and_(LevelScore.evaluation_id == Run.best_evaluation, LevelScore.level == number)
    return select(Run.id, score).join(LevelScore, joined).where(score.is_not(None))


def order_by_level(name: str, *, descending: bool) -> tuple[Select[int], list[ColumnElement[Any]]] | None:
    """All runs and their order by a level's score, those without it last; None where `name` is no level's score."""
    level = level_of(name)
    if level is None:
        return None
    number, score = level
    joined = and_(LevelScore.evaluation_id == Run.best_evaluation, LevelScore.level == number)
    chosen = select(Run.id).outerjoin(LevelScore, joined)
    return chosen, [score.is_(None), *_along((score, Run.id), descending=descending)]


def order_by_param(key: str, *, descending: bool) -> tuple[Select[int], list[ColumnElement[Any]]]:
    """All runs and their order by a config value: numbers, then words, then those that lack it."""
    chosen = select(Run.id).outerjoin(RunParam, and_(RunParam.run_id == Run.id, RunParam.key == key))
    kinds = [RunParam.text.is_(None), RunParam.number.is_(None)]
    return chosen, [*kinds, *_along((RunParam.number, RunParam.text, Run.id), descending=descending)]


def order_by_tag(*, descending: bool) -> tuple[Select[int], list[ColumnElement[Any]]]:
    """All runs and their order by their first tag, those without any last."""
    first = select(func.min(RunTag.tag)).where(RunTag.run_id == Run.id).correlate(Run).scalar_subquery()
    return select(Run.id), [first.is_(None), *_along((first, Run.id), descending=descending)]


def _along(
    columns: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...], *, descending: bool
) -> list[Any]:
    return [column.desc() if descending else column.asc() for column in columns]
