"""Short forms of runs and records for the tests of the store."""

from collections.abc import Sequence
from typing import Any

from engine.records import AnyRecord, ClassScores, Evaluation, LevelScores, Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import run_row
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status

EPOCH = 1_700_000_000.0


def new_run(name: str = "model", **changes: Any) -> NewRun:
    """A run to be queued; every field may be changed."""
    fields: dict[str, Any] = {
        "stage": "finetune",
        "name": name,
        "config": {"training": {"lr": {"text": 5e-5}}},
        "config_hash": "abc",
        "params": {
            "training.lr.text": 5e-5,
            "training.lr.vision": 1e-5,
            "training.ema": 0.999,
            "data.root": "data",
        },
        "seed": 802,
    }
    return NewRun(**(fields | changes))


def add(store: Store, name: str = "model", **changes: Any) -> int:
    """Queue one run and return its id."""
    return create_runs(store, [new_run(name, **changes)])[0]


def advance(store: Store, run_id: int, *states: Status) -> None:
    """Move a run through `states`."""
    for state in states:
        assert transition(store, run_id, from_=[run_row(store, run_id).status], to=state)


def take_in(store: Store, run_id: int, records: Sequence[AnyRecord]) -> None:
    """Ingest records after what was ingested; an offset stands for each record."""
    offset = run_row(store, run_id).records_offset
    ingest(store, run_id, records, old_offset=offset, new_offset=offset + len(records))


def metrics(
    steps: Sequence[int], values: Sequence[float], key: str = "train/loss", **more: Any
) -> list[AnyRecord]:
    """One record a step."""
    return [
        Metrics(time=EPOCH + step, step=step, values={key: value}, **more)
        for step, value in zip(steps, values, strict=True)
    ]


def evaluation(step: int, f1_mean: float, **changes: Any) -> Evaluation:
    """A validation pass with one level and one class."""
    fields: dict[str, Any] = {
        "time": EPOCH + step,
        "step": step,
        "epoch": 1,
        "split": "val",
        "loss": 1.5,
        "f1_mean": f1_mean,
        "levels": [LevelScores(level=1, f1_micro=0.8, f1_macro=0.7, accuracy=0.75)],
        "classes": [ClassScores(level=1, category="20", precision=0.5, recall=0.6, f1=0.55, support=9)],
    }
    return Evaluation(**(fields | changes))
