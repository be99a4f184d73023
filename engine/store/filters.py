"""The filter language: what `stage=finetune f1_mean>0.6 lr<1e-4 tag=best name~pre` says, before it is a query.

Terms are `key op value`, all of them must hold. Keys are columns of a run, `tag`, `f1_mean` (the best), a metric's key
(its last value; `.min`, `.max`, `.last`, `.best` say which), `l1_micro`, `l2_macro` (scores by level at the best pass),
`duration` (seconds), or a config parameter: its full dotted key, its last part where
only one key ends so, or the name of a group (`lr` is any of `training.lr.text`, `training.lr.vision`). Operators are
`=`, `!=`, `>`, `>=`, `<`, `<=`, and `~` for text that has the value in it. Values with blanks are quoted. Moments are
local. `!=` holds for runs that lack the key, too.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute

from engine.errors import FilterError
from engine.format import brief, printable
from engine.store.derived import level_of
from engine.store.models import MetricSummary, RunParam
from engine.store.runs import BEST_METRIC

TEXT_KEYS = (
    *("name", "stage", "status", "intent", "experiment", "host", "devices", "waiting_for", "error", "notes"),
    *("config_hash", "git_sha", "directory"),
)
NUMBER_KEYS = ("id", "seed", "attempt", "priority", "gpus", "exit_code", "pid", "duration")
MOMENT_KEYS = ("created", "started", "ended", "heartbeat")
FLAG_KEYS = ("pinned", "git_dirty")
SHOWN_AS = {"state": "status", "took": "duration", "note": "notes"}  # what tables call them, for people
RUN_KEYS = (*TEXT_KEYS, *NUMBER_KEYS, *MOMENT_KEYS, *FLAG_KEYS, "tag")
STATISTICS = ("last", "min", "max", "best")
_MAX_LENGTH = 10_000
_MAX_TERMS = 100  # SQLite takes a thousand nested expressions
_LESS_IS_BETTER = re.compile(r"loss|error|perplexity|grad|time|seconds")
_TERM = re.compile(
    r"""\s*(?P<key>"[^"]*"|'[^']*'|[^\s=!<>~"']+)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*"""
    r"""(?P<value>"[^"]*"(?=\s|$)|'[^']*'(?=\s|$)|[^\s"'=<>~!]\S*)"""
)
_HAS_METRIC = select(MetricSummary.key).where(MetricSummary.key == bindparam("named")).limit(1)
_HAS_PARAM = select(RunParam.key).where(RunParam.key == bindparam("named")).limit(1)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition as written; positions are offsets in the filter's text."""

    key: str
    op: str
    value: str
    key_at: int = 0
    value_at: int = 0


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number that each run has of a metric: its `last`, `min` or `max`."""

    key: str
    statistic: str


@dataclass(frozen=True, slots=True)
class ParamValue:
    """The value that each run has of a config parameter."""

    key: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A term whose key is known to mean a column of the run, one metric, or any of some parameters."""

    term: Term
    metric: MetricValue | None = None
    params: tuple[str, ...] = ()


class KnownKeys:
    """The keys that runs of the store have, looked up as they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def has_metric(self, key: str) -> bool:
        """Whether any run has logged the metric."""
        return self._connection.execute(_HAS_METRIC, {"named": key}).first() is not None

    def has_param(self, key: str) -> bool:
        """Whether any run has the config parameter."""
        return self._connection.execute(_HAS_PARAM, {"named": key}).first() is not None

    @cached_property
    def metrics(self) -> list[str]:
        """Every metric."""
        return self._distinct(MetricSummary.key)

    @cached_property
    def params(self) -> list[str]:
        """Every config parameter, by its full dotted key."""
        return self._distinct(RunParam.key)

    def _distinct(self, column: InstrumentedAttribute[str]) -> list[str]:
        """By skipping along the index: one look-up a key, not one a row."""
        keys = select(func.min(column).label("key")).cte(recursive=True)
        following = select(func.min(column)).where(column > keys.c.key).scalar_subquery()
        keys = keys.union_all(select(following).where(keys.c.key.is_not(None)))
        return sorted(self._connection.scalars(select(keys.c.key).where(keys.c.key.is_not(None))))


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a filter; none for an empty one.

    Raises:
        FilterError: something that is no term, at its position.
    """
    if len(text) > _MAX_LENGTH:
        raise FilterError(f"filter: {len(text):,} characters are more than {_MAX_LENGTH:,}; say it with less")
    terms: list[Term] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TERM.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            wrong = brief(text[at:].split()[0])
            raise FilterError(
                f"filter, character {at + 1}: `{wrong}` is not `key op value`: "
                "write name~word, f1_mean>0.6 or tag=best",
                at,
            )
        key, value = _unquoted(match["key"]), _unquoted(match["value"])
        key = SHOWN_AS.get(key, key)
        terms.append(Term(key, match["op"], value, match.start("key"), match.start("value")))
        if len(terms) > _MAX_TERMS:
            raise FilterError(f"filter: more than {_MAX_TERMS} conditions; say it with fewer", match.start())
        at = match.end()
    return tuple(terms)


def resolve(terms: tuple[Term, ...], keys: KnownKeys) -> tuple[Condition, ...]:
    """What the keys of `terms` mean in this store.

    Raises:
        FilterError: an unknown or ambiguous key, at its position.
    """
    return tuple(_resolved(term, keys) for term in terms)


def metric_value(name: str, keys: KnownKeys) -> MetricValue | None:
    """What `f1_mean`, `val/loss` or `val/loss.min` means; None where no run has such a metric."""
    if name == "f1_mean":
        return MetricValue(BEST_METRIC, "max")
    if keys.has_metric(name):
        return MetricValue(name, "last")
    key, _, statistic = name.rpartition(".")
    if statistic not in STATISTICS or not keys.has_metric(key):
        return None
    if statistic == "best":
        statistic = "min" if less_is_better(key) else "max"
    return MetricValue(key, statistic)


def less_is_better(key: str) -> bool:
    """Whether a low value of the metric is a good one, by its name."""
    return _LESS_IS_BETTER.search(key.rpartition("/")[2]) is not None


def param_value(name: str, keys: KnownKeys) -> ParamValue | None:
    """What `training.lr.text`, or `lr.text` where one key alone ends so, means; None where it names no one key."""
    if keys.has_param(name):
        return ParamValue(name)
    ending = [key for key in keys.params if key.endswith(f".{name}")]
    return ParamValue(ending[0]) if len(ending) == 1 else None


def unknown_key(name: str, keys: KnownKeys, position: int, use: str) -> FilterError:
    """The error for a key that nothing has, with the nearest that something has."""
    parts = sorted({part for key in keys.params for part in key.split(".")})
    candidates = dict.fromkeys([*RUN_KEYS, "f1_mean", *keys.metrics, *keys.params, *parts])
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.4)
    hint = f"did you mean `{printable(near[0])}`?" if near else "`reeltop show RUN` has what there is"
    return FilterError(f"{use}: no run has `{brief(name)}`: {hint}", position)


def _resolved(term: Term, keys: KnownKeys) -> Condition:
    if term.key in RUN_KEYS or level_of(term.key) is not None:
        return Condition(term)
    metric = metric_value(term.key, keys)
    return Condition(term, metric) if metric else Condition(term, params=_param_keys(term, keys))


def _param_keys(term: Term, keys: KnownKeys) -> tuple[str, ...]:
    if keys.has_param(term.key):
        return (term.key,)
    ending = [key for key in keys.params if key.endswith(f".{term.key}")]
    groups = {
        key[: at + len(term.key) + 1] for key in keys.params if (at := f".{key}".find(f".{term.key}.")) >= 0
    }
    found = ending or sorted(group.removesuffix(".") for group in groups)
    where = f"filter, character {term.key_at + 1}"
    if not found:
        raise unknown_key(term.key, keys, term.key_at, where)
    if len(found) > 1:
        raise FilterError(f"{where}: `{brief(term.key)}` may be {', '.join(found)}: say which", term.key_at)
    return tuple(ending) or tuple(key for key in keys.params if key.startswith(f"{found[0]}."))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else text
