"""What there is to choose from: the keys that runs have, and the words they have for them."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from engine.store.criteria import COLUMNS
from engine.store.database import Store
from engine.store.derived import AnySelect, level_of
from engine.store.filters import FLAG_KEYS, MOMENT_KEYS, RUN_KEYS, KnownKeys, param_value
from engine.store.models import LevelScore, RunParam, RunTag
from engine.store.table_views import Key
from engine.store.views import Intent, Status

_STATISTICS = (
    ("best", "the best value"),
    ("last", "the last value"),
    ("min", "the lowest"),
    ("max", "the highest"),
)
_HELP = {
    "id": "the run's number",
    "name": "what people call it",
    "stage": "what it computes",
    "status": "where it is in its life",
    "experiment": "group of runs it belongs to",
    "created": "when it was queued",
    "started": "when it began",
    "ended": "when it came to its end",
    "duration": "how long it took",
    "tag": "its tags",
    "notes": "what people wrote about it",
    "pinned": "whether it is pinned",
    "intent": "what a person wants of it",
    "host": "the machine it ran on",
    "devices": "what it ran on there",
    "waiting_for": "why it waits",
    "error": "why it failed",
    "config_hash": "alike for equal settings",
    "git_sha": "the version of the code",
    "git_dirty": "whether the code was changed since",
    "directory": "where its files are",
    "seed": "what its random choices derive from",
    "attempt": "how often it was begun",
    "priority": "higher ones leave the queue first",
    "gpus": "how many GPUs it asks for",
    "exit_code": "how its process ended",
    "pid": "its process",
    "heartbeat": "its last sign of life",
    "f1_mean": "best mean of the levels' F1",
}


def known_keys(store: Store) -> tuple[Key, ...]:
    """All that the runs of this store can be shown, filtered, sorted and grouped by."""
    with store.connection() as connection:
        keys = KnownKeys(connection)
        found = [Key(name, "run", _HELP.get(name, "")) for name in ("f1_mean", *RUN_KEYS)]
        for level in connection.scalars(select(LevelScore.level).distinct().order_by(LevelScore.level)):
            found += [
                Key(f"l{level}_{score}", "score", f"level {level}, {help_} at the best pass")
                for score, help_ in (("micro", "micro F1"), ("macro", "macro F1"), ("accuracy", "accuracy"))
            ]
        found += [Key(name, "setting") for name in keys.params]
        for name in keys.metrics:
            found += [Key(f"{name}.{statistic}", "metric", help_) for statistic, help_ in _STATISTICS]
    return tuple(found)


def known_values(store: Store, name: str, most: int = 200) -> tuple[str, ...]:
    """Words that runs have for a key, as a filter would say them; none for what is measured."""
    if name == "status":
        return tuple(status.value for status in Status)
    if name == "intent":
        return tuple(intent.value for intent in Intent)
    if name in FLAG_KEYS:
        return ("true", "false")
    with store.connection() as connection:
        column: InstrumentedAttribute[Any]
        query: AnySelect
        if name == "tag":
            column, query = RunTag.tag, select(RunTag.tag)
        elif name in RUN_KEYS and name not in MOMENT_KEYS and name != "duration":
            column = COLUMNS[name]
            query = select(column).where(column.is_not(None))
        else:
            param = param_value(name, KnownKeys(connection))
            if param is None or level_of(name) is not None:
                return ()
            column, query = RunParam.text, select(RunParam.text).where(RunParam.key == param.key)
        values = connection.scalars(query.distinct().order_by(column).limit(most))
        return tuple(str(value) for value in values if str(value).strip())
