"""Taking in what a run has reported: records become rows, in one transaction with the offset they were read to."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, assert_never

from sqlalchemy import Connection, delete, insert, select, update

from engine.errors import StoreError
from engine.records import (
    AnyRecord,
    Artifact,
    Checkpoint,
    CheckpointDeleted,
    Environment,
    Evaluation,
    Metrics,
    Progress,
    Resumed,
    State,
)
from engine.store import models
from engine.store.database import Store
from engine.store.models import ClassScore, LevelScore, MetricSummary, Run, RunConfig, storable
from engine.store.points import STEP_AXIS, SYSTEM_AXIS, NewPoints, append, cut_after
from engine.store.runs import BEST_METRIC
from engine.store.views import Status

_BEST_SPLIT = BEST_METRIC.split("/")[0]
_INT64 = 2**63 - 1
_YEAR_9999 = 253_370_764_800.0


class OffsetMovedError(StoreError):
    """The records were taken in already, by another supervisor: read on from the offset in the store."""


def ingest(
    store: Store, run_id: int, records: Sequence[AnyRecord], *, old_offset: int, new_offset: int
) -> None:
    """Take in `records`, which lie between the two offsets of the run's record file, exactly once.

    Raises:
        OffsetMovedError: the store has read to another offset than `old_offset`; nothing is written.
    """
    if not records and old_offset == new_offset:
        return
    with store.write() as session:
        connection = session.connection()
        moved = connection.execute(
            update(Run)
            .where(Run.id == run_id, Run.records_offset == old_offset)
            .values(records_offset=new_offset)
        )
        if moved.rowcount != 1:
            raise OffsetMovedError(
                f"run {run_id}: its records from {old_offset} on were taken in by somebody else"
            )
        batch = _Batch(connection, run_id)
        for record in records:
            batch.take(record)
        batch.finish()


class _Batch:
    """What has been read and not yet written, in the order of the records where order matters."""

    def __init__(self, connection: Connection, run_id: int) -> None:
        self._connection = connection
        self._run_id = run_id
        self._series: dict[str, NewPoints] = {}  # by key as reported
        self._points: dict[str, NewPoints] = {}  # by key as stored
        self._columns: dict[str, Any] = {}
        self._env: dict[str, Any] = {}
        self._heartbeat = -math.inf
        self._scored = False

    def take(self, record: AnyRecord) -> None:
        """Note or write one record."""
        self._heartbeat = max(self._heartbeat, record.time)
        match record:
            case Metrics():
                axis = SYSTEM_AXIS if record.system else STEP_AXIS
                self._note(axis, record.step, record.time, record.values)
            case Progress():
                self._columns["progress_done"] = _int64(record.done)
                self._columns["progress_total"] = _int64(record.total)
                self._columns["progress_unit"] = record.unit
            case Evaluation():
                self._evaluation(record)
            case Checkpoint():
                self._checkpoint(record)
            case CheckpointDeleted():
                self._checkpoint_deleted(record)
            case Artifact():
                self._artifact(record)
            case State():
                over = record.status != Status.RUNNING.value
                self._columns["reported_status"] = record.status if over else None
                self._columns["reported_error"] = record.error if over else None
            case Environment():
                self._environment(record.values)
            case Resumed():
                self._resumed(record.step)
            case _:
                assert_never(record)

    def finish(self) -> None:
        """Write what is left, and the run's row."""
        self._write_points()
        if self._scored:
            self._columns["best_evaluation"] = self._best_evaluation()
        if self._env:
            of_run = RunConfig.run_id == self._run_id
            stored = self._connection.scalar(select(RunConfig.env).where(of_run)) or {}
            self._connection.execute(update(RunConfig).where(of_run).values(env=stored | self._env))
        if math.isfinite(self._heartbeat):
            latest = _moment(self._heartbeat)
            stored_at = self._connection.scalar(select(Run.heartbeat).where(Run.id == self._run_id))
            if stored_at is None or latest > stored_at:
                self._columns["heartbeat"] = latest
        if self._columns:
            self._connection.execute(update(Run).where(Run.id == self._run_id).values(self._columns))

    def _note(self, axis: str, step: int, time: float, values: Mapping[str, float | None]) -> None:
        at = _int64(step)
        for key, value in values.items():
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = self._points.setdefault(storable(key), NewPoints(axis))
            series.points.append((at, time, value if value == value else None))

    def _write_points(self) -> None:
        if self._points:
            append(self._connection, self._run_id, self._points)
            self._points, self._series = {}, {}

    def _evaluation(self, record: Evaluation) -> None:
        levels = {scores.level: scores for scores in record.levels}
        classes = {(scores.level, storable(scores.category)): scores for scores in record.classes}
        values = {"f1_mean": record.f1_mean}
        if record.loss is not None:
            values["loss"] = record.loss
        for level, scores in levels.items():
            values[f"l{level}_f1_micro"] = scores.f1_micro
            values[f"l{level}_f1_macro"] = scores.f1_macro
            values[f"l{level}_accuracy"] = scores.accuracy
        self._note(
            STEP_AXIS,
            record.step,
            record.time,
            {f"{record.split}/{name}": value for name, value in values.items()},
        )
        evaluation_id = self._connection.execute(
            insert(models.Evaluation).returning(models.Evaluation.id),
            {
                "run_id": self._run_id,
                "time": _moment(record.time),
                "step": _int64(record.step),
                "epoch": record.epoch,
                "split": record.split,
                "fold": record.fold,
                "loss": _number(record.loss),
                "f1_mean": _number(record.f1_mean),
            },
        ).scalar_one()
        if levels:
            rows: list[dict[str, Any]] = [
                {
                    "evaluation_id": evaluation_id,
                    "level": scores.level,
                    "f1_micro": _number(scores.f1_micro),
                    "f1_macro": _number(scores.f1_macro),
                    "accuracy": _number(scores.accuracy),
                }
                for scores in levels.values()
            ]
            self._connection.execute(insert(LevelScore), rows)
        if classes:
            rows = [
                {
                    "evaluation_id": evaluation_id,
                    "level": scores.level,
                    "category": scores.category,
                    "precision": _number(scores.precision),
                    "recall": _number(scores.recall),
                    "f1": _number(scores.f1),
                    "support": scores.support,
                }
                for scores in classes.values()
            ]
            self._connection.execute(insert(ClassScore), rows)
        self._scored = self._scored or record.split == _BEST_SPLIT

    def _checkpoint(self, record: Checkpoint) -> None:
        table = models.Checkpoint
        known = select(table.pinned).where(
            table.run_id == self._run_id, table.path == record.path, table.deleted_at.is_(None)
        )
        pinned = bool(self._connection.scalar(known.limit(1)))  # a resumed run reports its checkpoint again
        self._connection.execute(
            delete(table).where(
                table.run_id == self._run_id, table.path == record.path, table.kind == record.kind
            )
        )
        checkpoint_id = self._connection.execute(
            insert(table).returning(table.id),
            {
                "run_id": self._run_id,
                "time": _moment(record.time),
                "step": _int64(record.step),
                "epoch": record.epoch,
                "kind": record.kind,
                "path": record.path,
                "bytes": record.bytes,
                "sha256": record.sha256,
                "f1_mean": _number(record.f1_mean),
                "pinned": pinned,
            },
        ).scalar_one()
        self._connection.execute(
            update(models.Evaluation)
            .where(
                models.Evaluation.run_id == self._run_id,
                models.Evaluation.step == record.step,
                models.Evaluation.checkpoint_id.is_(None),
            )
            .values(checkpoint_id=checkpoint_id)
        )

    def _checkpoint_deleted(self, record: CheckpointDeleted) -> None:
        table = models.Checkpoint
        self._connection.execute(
            update(table)
            .where(table.run_id == self._run_id, table.path == record.path, table.deleted_at.is_(None))
            .values(deleted_at=_moment(record.time))
        )

    def _artifact(self, record: Artifact) -> None:
        table = models.Artifact
        self._connection.execute(
            delete(table).where(
                table.run_id == self._run_id, table.path == record.path, table.kind == record.kind
            )
        )
        self._connection.execute(
            insert(table),
            {
                "run_id": self._run_id,
                "time": _moment(record.time),
                "kind": record.kind,
                "path": record.path,
                "bytes": record.bytes,
                "sha256": record.sha256,
                "meta": _plain(record.meta),
            },
        )

    def _environment(self, values: Mapping[str, Any]) -> None:
        self._env |= _plain(values)
        for column in ("host", "devices", "git_sha"):
            if values.get(column) is not None:
                self._columns[column] = str(values[column])
        if values.get("git_dirty") is not None:
            self._columns["git_dirty"] = bool(values["git_dirty"])

    def _resumed(self, step: int) -> None:
        self._write_points()
        cut_after(self._connection, self._run_id, step)
        for table in (models.Evaluation, models.Checkpoint):
            self._connection.execute(delete(table).where(table.run_id == self._run_id, table.step > step))
        self._columns |= {"reported_status": None, "reported_error": None}
        self._scored = True

    def _best_evaluation(self) -> int | None:
        """The pass that the best point of the F1-mean's series came from."""
        best = (
            select(models.Evaluation.id)
            .join(MetricSummary, MetricSummary.run_id == models.Evaluation.run_id)
            .where(
                models.Evaluation.run_id == self._run_id,
                models.Evaluation.split == _BEST_SPLIT,
                models.Evaluation.step == MetricSummary.max_step,
                MetricSummary.key == BEST_METRIC,
            )
            .order_by(models.Evaluation.id.desc())
            .limit(1)
        )
        return self._connection.scalar(best)


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(max(0.0, min(time, _YEAR_9999)), UTC).replace(tzinfo=None)


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else value


def _int64(value: int) -> int:
    return max(-_INT64, min(_INT64, value))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity: they are kept as words."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
