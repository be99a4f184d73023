"""The filter language: `stage=finetune f1_mean>0.6 lr<1e-4 tag=best name~pre` as criteria on runs.

Terms are `key op value`, all of them must hold. Keys are columns of a run, `tag`, `f1_mean` (the best), a metric's key
(its last value; `.min`, `.max`, `.last` say which), or a config parameter: its full dotted key, its last part where
only one key ends so, or the name of a group (`lr` is any of `training.lr.text`, `training.lr.vision`). Operators are
`=`, `!=`, `>`, `>=`, `<`, `<=`, and `~` for text that has the value in it. Values with blanks are quoted. Moments are
local. `!=` holds for runs that lack the key, too.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import FilterError
from engine.format import printable
from engine.store.models import Experiment, MetricSummary, Run, RunParam, RunTag
from engine.store.runs import BEST_METRIC
from engine.store.views import Intent, Status

_TERM = re.compile(
    r"""\s*(?P<key>"[^"]*"|'[^']*'|[^\s=!<>~"']+)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*"""
    r"""(?P<value>"[^"]*"(?=\s|$)|'[^']*'(?=\s|$)|[^\s"'=<>~!]\S*)"""
)
_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}
_TEXT: tuple[str, ...] = (
    "name",
    "stage",
    "status",
    "intent",
    "host",
    "devices",
    "waiting_for",
    "error",
    "notes",
)
_TEXT += ("config_hash", "git_sha", "directory")
_NUMBERS = ("id", "seed", "attempt", "priority", "gpus", "exit_code", "pid")
_MOMENTS = ("created", "started", "ended", "heartbeat")
_FLAGS = ("pinned", "git_dirty")
_WORDS: dict[str, type[Status] | type[Intent]] = {"status": Status, "intent": Intent}
COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    name: getattr(Run, name) for name in _TEXT + _NUMBERS + _MOMENTS + _FLAGS
}
_STATISTICS: dict[str, InstrumentedAttribute[float | None]] = {
    "last": MetricSummary.last,
    "min": MetricSummary.min,
    "max": MetricSummary.max,
}
_DATE_FORMATS = (
    ("%Y-%m-%d", timedelta(days=1)),
    ("%Y-%m-%dT%H:%M", timedelta(minutes=1)),
    ("%Y-%m-%dT%H:%M:%S", timedelta(seconds=1)),
)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition; positions are offsets in the filter's text."""

    key: str
    op: str
    value: str
    key_at: int
    value_at: int


class KnownKeys:
    """The keys that runs of the store have, looked up as they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def has_metric(self, key: str) -> bool:
        """Whether any run has logged the metric."""
        return self._any(MetricSummary.key, key)

    def has_param(self, key: str) -> bool:
        """Whether any run has the config parameter."""
        return self._any(RunParam.key, key)

    @cached_property
    def metrics(self) -> frozenset[str]:
        """Every metric."""
        return self._distinct(MetricSummary.key)

    @cached_property
    def params(self) -> frozenset[str]:
        """Every config parameter, by its full dotted key."""
        return self._distinct(RunParam.key)

    def _any(self, column: InstrumentedAttribute[str], key: str) -> bool:
        return self._connection.execute(select(column).where(column == key).limit(1)).first() is not None

    def _distinct(self, column: InstrumentedAttribute[str]) -> frozenset[str]:
        """By skipping along the index: one look-up a key, not one a row."""
        keys = select(func.min(column).label("key")).cte(recursive=True)
        following = select(func.min(column)).where(column > keys.c.key).scalar_subquery()
        keys = keys.union_all(select(following).where(keys.c.key.is_not(None)))
        return frozenset(self._connection.scalars(select(keys.c.key).where(keys.c.key.is_not(None))))


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number that each run has of a metric: its `last`, `min` or `max`."""

    key: str
    statistic: str

    @property
    def column(self) -> InstrumentedAttribute[float | None]:
        """The column of `metric_summary` that holds it."""
        return _STATISTICS[self.statistic]


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a filter; none for an empty one.

    Raises:
        FilterError: something that is no term, at its position.
    """
    terms: list[Term] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TERM.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            wrong = printable(text[at:].split()[0])
            raise FilterError(
                f"filter, character {at + 1}: `{wrong}` is not `key op value`: "
                "write name~word, f1_mean>0.6 or tag=best",
                at,
            )
        terms.append(
            Term(
                _unquoted(match["key"]),
                match["op"],
                _unquoted(match["value"]),
                match.start("key"),
                match.start("value"),
            )
        )
        at = match.end()
    return tuple(terms)


def metric_value(name: str, keys: KnownKeys) -> MetricValue | None:
    """What `f1_mean`, `val/loss` or `val/loss.min` means; None where no run has such a metric."""
    if name == "f1_mean":
        return MetricValue(BEST_METRIC, "max")
    if keys.has_metric(name):
        return MetricValue(name, "last")
    key, _, statistic = name.rpartition(".")
    return MetricValue(key, statistic) if statistic in _STATISTICS and keys.has_metric(key) else None


def criteria(terms: tuple[Term, ...], keys: KnownKeys) -> list[ColumnElement[bool]]:
    """Conditions on `run`, each complete in itself.

    Raises:
        FilterError: an unknown or ambiguous key, or a value of the wrong kind.
    """
    return [_criterion(term, keys) for term in terms]


def unknown_key(name: str, keys: KnownKeys, position: int, use: str) -> FilterError:
    """The error for a key that nothing has, with the nearest that something has."""
    parts = {part for key in keys.params for part in key.split(".")}
    candidates = [
        *COLUMNS,
        "tag",
        "experiment",
        "f1_mean",
        *sorted(keys.metrics),
        *sorted(keys.params),
        *sorted(parts),
    ]
    near = difflib.get_close_matches(name, dict.fromkeys(candidates), n=1, cutoff=0.4)
    hint = f"did you mean `{printable(near[0])}`?" if near else "see `reeltop ls` for what runs have"
    return FilterError(f"{use}: no run has `{printable(name)}`: {hint}", position)


def _criterion(term: Term, keys: KnownKeys) -> ColumnElement[bool]:
    if term.op == "!=":
        return ~_holds(Term(term.key, "=", term.value, term.key_at, term.value_at), keys)
    return _holds(term, keys)


def _holds(term: Term, keys: KnownKeys) -> ColumnElement[bool]:
    if term.key in COLUMNS:
        return (
            func.coalesce(_column_holds(term), False) if COLUMNS[term.key].nullable else _column_holds(term)
        )
    if term.key == "tag":
        return Run.id.in_(select(RunTag.run_id).where(_text_holds(RunTag.tag, term)))
    if term.key == "experiment":
        named = Run.experiment_id.in_(select(Experiment.id).where(_text_holds(Experiment.name, term)))
        return func.coalesce(named, False)
    metric = metric_value(term.key, keys)
    if metric is not None:
        compared = _COMPARE[_numeric_op(term)](metric.column, _number(term))
        having = select(MetricSummary.run_id).where(MetricSummary.key == metric.key, compared)
    else:
        having = select(RunParam.run_id).where(RunParam.key.in_(_param_keys(term, keys)), _param_holds(term))
    return Run.id.in_(having)


def _column_holds(term: Term) -> ColumnElement[bool]:
    column = COLUMNS[term.key]
    if term.key in _MOMENTS:
        return _moment_holds(column, term)
    if term.key in _FLAGS:
        flag = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            term.value.lower()
        )
        if flag is None or term.op != "=":
            raise _wrong(term, f"`{term.key}` is true or false: write {term.key}=true")
        return column == flag
    if term.key in _NUMBERS:
        return _COMPARE[_numeric_op(term)](column, _number(term))
    if term.op == "=" and term.key in _WORDS:
        words = [word.value for word in _WORDS[term.key]]
        if term.value not in words:
            raise _wrong(term, f"`{printable(term.value)}` is no {term.key}: {', '.join(words)}")
    return _text_holds(column, term)


def _text_holds(column: InstrumentedAttribute[Any], term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        return column.icontains(term.value, autoescape=True)
    return _COMPARE[term.op](column, term.value)


def _moment_holds(column: InstrumentedAttribute[Any], term: Term) -> ColumnElement[bool]:
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
        case "<=":
            return column < end
    raise _wrong(term, f"`~` is for text, `{term.key}` is a moment: use <, <=, >, >= or =")


def _span(term: Term) -> tuple[datetime, datetime]:
    text = term.value.strip().replace(" ", "T")
    for pattern, width in _DATE_FORMATS:
        try:
            local = datetime.strptime(text, pattern).astimezone()
            start = local.astimezone(UTC).replace(tzinfo=None)
            return start, start + width
        except (ValueError, OverflowError):
            continue
    raise _wrong(term, f"`{printable(term.value)}` is no moment: write 2026-01-31 or 2026-01-31T18:30")


def _param_keys(term: Term, keys: KnownKeys) -> list[str]:
    if keys.has_param(term.key):
        return [term.key]
    ending = sorted(key for key in keys.params if key.endswith(f".{term.key}"))
    groups = {
        key[: at + len(term.key) + 1] for key in keys.params if (at := f".{key}".find(f".{term.key}.")) >= 0
    }
    found = ending or sorted(groups)
    if len(found) > 1:
        raise FilterError(
            f"filter, character {term.key_at + 1}: `{printable(term.key)}` may be {', '.join(found)}: say which",
            term.key_at,
        )
    if ending:
        return ending
    if not groups:
        raise unknown_key(term.key, keys, term.key_at, f"filter, character {term.key_at + 1}")
    prefix = groups.pop()
    return sorted(key for key in keys.params if key.startswith(prefix))


def _param_holds(term: Term) -> ColumnElement[bool]:
    if term.op == "~":
        return RunParam.text.icontains(term.value, autoescape=True)
    if term.op != "=":
        return _COMPARE[term.op](RunParam.number, _number(term))
    text = {"true": "true", "false": "false", "none": "null", "null": "null"}.get(
        term.value.lower(), term.value
    )
    try:
        return or_(RunParam.number == float(term.value), RunParam.text == text)
    except ValueError:
        return RunParam.text == text


def _numeric_op(term: Term) -> str:
    if term.op == "~":
        raise _wrong(term, f"`~` is for text, `{printable(term.key)}` is a number: use <, <=, >, >= or =")
    return term.op


def _number(term: Term) -> float:
    try:
        number = float(term.value)
    except ValueError:
        number = float("nan")
    if number != number:
        raise _wrong(term, f"`{printable(term.key)}` is a number, `{printable(term.value)}` is none")
    return number


def _wrong(term: Term, message: str) -> FilterError:
    return FilterError(f"filter, character {term.value_at + 1}: {message}", term.value_at)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else text
