"""What is known of live runs at a glance: settings and last values of all of them in a few questions."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from engine.store.database import Store
from engine.store.models import MetricSummary, RunParam
from engine.store.queries import live_runs, series
from engine.store.runs import BEST_METRIC
from engine.store.views import RunRow, SeriesPoint

LOSS, WAIT = "train/loss", "speed/data_wait"
_SETTINGS = ("data.fold", "training.epochs")
_POINTS = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a live run: its fold and epochs as configured, its last loss and score, its best score."""

    fold: str | None = None
    epochs: int | None = None
    loss: float | None = None
    score: float | None = None
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Of a live run: the course of its loss, and of the share of its time that it waits for data."""

    run: RunRow
    losses: tuple[SeriesPoint, ...] = ()
    waits: tuple[SeriesPoint, ...] = ()


def standings(store: Store, run_ids: Collection[int]) -> dict[int, Standing]:
    """What a line about each run says."""
    params = select(RunParam.run_id, RunParam.key, RunParam.text).where(
        RunParam.run_id.in_(run_ids), RunParam.key.in_(_SETTINGS)
    )
    summaries = select(MetricSummary.run_id, MetricSummary.key, MetricSummary.last, MetricSummary.max).where(
        MetricSummary.run_id.in_(run_ids), MetricSummary.key.in_((LOSS, BEST_METRIC))
    )
    with store.connection() as connection:
        texts = {(row.run_id, row.key): row.text for row in connection.execute(params)}
        values = {(row.run_id, row.key): (row.last, row.max) for row in connection.execute(summaries)}
    nothing = (None, None)
    return {
        run_id: Standing(
            fold=texts.get((run_id, "data.fold")),
            epochs=_whole(texts.get((run_id, "training.epochs"))),
            loss=values.get((run_id, LOSS), nothing)[0],
            score=values.get((run_id, BEST_METRIC), nothing)[0],
            best=values.get((run_id, BEST_METRIC), nothing)[1],
        )
        for run_id in run_ids
    }


def health(store: Store) -> tuple[Health, ...]:
    """Of every live run what a watchful person would look at."""
    return tuple(
        Health(
            run,
            series(store, run.id, LOSS, max_points=_POINTS).points,
            series(store, run.id, WAIT, max_points=_POINTS).points,
        )
        for run in live_runs(store)
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
