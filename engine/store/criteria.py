"""Conditions of a filter as SQL: each one a test of a run, made of index look-ups where an index exists."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import FilterError
from engine.format import brief
from engine.store.derived import DURATION, level_of, level_scores
from engine.store.filters import FLAG_KEYS, MOMENT_KEYS, NUMBER_KEYS, TEXT_KEYS, Condition, Term
from engine.store.models import Experiment, MetricSummary, Run, RunParam, RunTag
from engine.store.views import Intent, Status

COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "experiment": Experiment.name,
    **{
        key: getattr(Run, key)
        for key in (*TEXT_KEYS, *NUMBER_KEYS, *MOMENT_KEYS, *FLAG_KEYS)
        if key not in ("experiment", "duration")
    },
}
_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}
_CHOICES: dict[str, type[Status] | type[Intent]] = {"status": Status, "intent": Intent}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_PARAM_WORDS = {"true": "true", "false": "false", "none": "null", "null": "null"}
_MOMENTS = (
    ("%Y-%m-%d", timedelta(days=1)),
    ("%Y-%m-%dT%H:%M", timedelta(minutes=1)),
    ("%Y-%m-%dT%H:%M:%S", timedelta(seconds=1)),
)


def criteria(conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    """Tests of `run`, none of them null.

    Raises:
        FilterError: a value or an operator that does not fit its key.
    """
    return [_criterion(condition) for condition in conditions]


def _criterion(condition: Condition) -> ColumnElement[bool]:
    if condition.term.op == "!=":
        return ~_holds(replace(condition, term=replace(condition.term, op="=")))
    return _holds(condition)


def _holds(condition: Condition) -> ColumnElement[bool]:
    # Look-ups are IN, not EXISTS: taken once by their index, they cost the same whatever the order of the rows.
    term, metric = condition.term, condition.metric
    if metric is not None:
        value = getattr(MetricSummary, metric.statistic)
        fits = (MetricSummary.key == metric.key, _number_holds(value, term))
        return Run.id.in_(select(MetricSummary.run_id).where(*fits))
    if condition.params:
        fits = (RunParam.key.in_(condition.params), _param_holds(term))
        return Run.id.in_(select(RunParam.run_id).where(*fits))
    if term.key == "tag":
        return Run.id.in_(select(RunTag.run_id).where(_text_holds(RunTag.tag, term)))
    if term.key == "experiment":
        named = select(Experiment.id).where(_text_holds(Experiment.name, term))
        return func.coalesce(Run.experiment_id.in_(named), False)
    level, scores = level_of(term.key), level_scores(term.key)
    if level is not None and scores is not None:
        scored = scores.where(_number_holds(level[1], term)).with_only_columns(Run.id)
        return Run.id.in_(scored)
    if term.key == "duration":
        return func.coalesce(_number_holds(DURATION, term), False)
    column = COLUMNS[term.key]
    holds = _column_holds(column, term)
    return func.coalesce(holds, False) if column.nullable else holds


def _column_holds(column: InstrumentedAttribute[Any], term: Term) -> ColumnElement[bool]:
    if term.key in NUMBER_KEYS:
        return _number_holds(column, term)
    if term.key in MOMENT_KEYS:
        return _moment_holds(column, term)
    if term.key in FLAG_KEYS:
        flag = _FLAGS.get(term.value.lower())
        if flag is None or term.op != "=":
            raise _wrong(term, f"`{term.key}` is true or false: write {term.key}=true")
        return column == flag
    if term.op == "=" and term.key in _CHOICES:
        words = [word.value for word in _CHOICES[term.key]]
        if term.value not in words:
            raise _wrong(term, f"`{brief(term.value)}` is no {term.key}: {', '.join(words)}")
    return _text_holds(column, term)


def _text_holds(column: InstrumentedAttribute[Any], term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        return column.icontains(term.value, autoescape=True)
    return _COMPARE[term.op](column, term.value)


def _number_holds(column: InstrumentedAttribute[Any] | ColumnElement[Any], term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        raise _wrong(term, f"`~` is for text, `{brief(term.key)}` is a number: use <, <=, >, >= or =")
    number = _number(term.value)
    if number is None:
        raise _wrong(term, f"`{brief(term.key)}` is a number, `{brief(term.value)}` is none")
    return _COMPARE[term.op](column, number)


def _param_holds(term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        return RunParam.text.icontains(term.value, autoescape=True)
    if term.op != "=":
        return _number_holds(RunParam.number, term)
    is_text = RunParam.text == _PARAM_WORDS.get(term.value.lower(), term.value)
    number = _number(term.value)
    return is_text if number is None else or_(RunParam.number == number, is_text)


def _moment_holds(column: InstrumentedAttribute[Any], term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        raise _wrong(term, f"`~` is for text, `{term.key}` is a moment: use <, <=, >, >= or =")
    start, end = _span(term)
    match term.op:
        case "=":
            return (column >= start) & (column < end)
        case ">":
            return column >= end
        case ">=":
            return column >= start
        case "<":
            return column < start
        case _:
            return column < end


def _span(term: Term) -> tuple[datetime, datetime]:
    """The day, minute or second that was named, in UTC."""
    text = term.value.strip().replace(" ", "T")
    for pattern, width in _MOMENTS:
        try:
            local = datetime.strptime(text, pattern).astimezone()
            start = local.astimezone(UTC).replace(tzinfo=None)
            return start, start + width
        except (ValueError, OverflowError):
            continue
    raise _wrong(term, f"`{brief(term.value)}` is no moment: write 2026-01-31 or 2026-01-31T18:30")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number


def _wrong(term: Term, message: str) -> FilterError:
    return FilterError(f"filter, character {term.value_at + 1}: {message}", term.value_at)
