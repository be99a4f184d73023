"""Records become rows exactly once, and what a resumed run reports again takes the place of what it voids."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError
from store_helpers import EPOCH, add, evaluation, metrics, take_in

from engine.records import (
    AnyRecord,
    Artifact,
    Checkpoint,
    CheckpointDeleted,
    ClassScores,
    Environment,
    LevelScores,
    Metrics,
    Progress,
    Resumed,
    State,
)
from engine.store.database import Store
from engine.store.ingest import OffsetMovedError, ingest
from engine.store.models import Metric, MetricPoint, Run
from engine.store.queries import (
    artifact_of,
    change_counter,
    checkpoint_of,
    class_scores,
    metric_summaries,
    run_detail,
    run_row,
    series,
)
from engine.store.views import Progress as ProgressView


def values_of(store: Store, run_id: int, key: str = "train/loss") -> dict[int, float | None]:
    query = (
        select(MetricPoint.step, MetricPoint.value)
        .join(Metric, Metric.id == MetricPoint.metric_id)
        .where(Metric.run_id == run_id, Metric.key == key)
        .order_by(MetricPoint.step)
    )
    with store.connection() as connection:
        return {row.step: row.value for row in connection.execute(query)}


def checkpoint(step: int, kind: str = "epoch", **changes: object) -> Checkpoint:
    fields: dict[str, object] = {
        "time": EPOCH + step,
        "step": step,
        "epoch": step // 10,
        "kind": kind,
        "path": f"checkpoints/{kind}-{step}",
        "bytes": 7,
        "sha256": "f" * 64,
    }
    return Checkpoint(**(fields | changes))


def test_points_are_stored_with_their_time_and_summed_up(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics([0, 1, 2], [3.0, 0.5, 1.0]))
    take_in(store, run_id, metrics([3], [2.0]))
    [summary] = metric_summaries(store, run_id)
    assert (summary.key, summary.axis, summary.count) == ("train/loss", "step", 4)
    assert (summary.last, summary.last_step) == (2.0, 3)
    assert (summary.min, summary.min_step, summary.max, summary.max_step) == (0.5, 1, 3.0, 0)
    drawn = series(store, run_id, "train/loss").points
    assert [(point.step, point.time, point.value) for point in drawn] == [
        (0, EPOCH, 3.0),
        (1, EPOCH + 1, 0.5),
        (2, EPOCH + 2, 1.0),
        (3, EPOCH + 3, 2.0),
    ]


def test_the_same_records_are_never_taken_in_twice(store: Store) -> None:
    run_id = add(store)
    ingest(store, run_id, metrics([0], [1.0]), old_offset=0, new_offset=50)
    counter = change_counter(store)
    with pytest.raises(OffsetMovedError):
        ingest(store, run_id, metrics([0, 1], [9.0, 9.0]), old_offset=0, new_offset=90)
    assert values_of(store, run_id) == {0: 1.0}
    assert run_row(store, run_id).records_offset == 50
    assert change_counter(store) == counter


def test_of_two_supervisors_one_takes_the_records_in(store: Store) -> None:
    run_id = add(store)
    batch = [evaluation(step, 0.5) for step in range(20)]

    def take(_: int) -> bool:
        try:
            ingest(store, run_id, batch, old_offset=0, new_offset=10)
        except OffsetMovedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]
    assert len(run_detail(store, run_id).evaluations) == 20


def test_a_batch_that_cannot_be_stored_leaves_no_half(store: Store) -> None:
    run_id = add(store)
    unstorable = Environment(time=1.0, values={"x": object()})
    with pytest.raises((StatementError, TypeError), match="not JSON serializable"):
        ingest(store, run_id, [*metrics([0], [1.0]), unstorable], old_offset=0, new_offset=9)
    assert values_of(store, run_id) == {}
    assert run_row(store, run_id).records_offset == 0


def test_not_a_number_is_a_gap_and_infinity_is_kept(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics(range(5), [1.0, math.nan, math.inf, -math.inf, 2.0]))
    assert values_of(store, run_id) == {0: 1.0, 1: None, 2: math.inf, 3: -math.inf, 4: 2.0}
    [summary] = metric_summaries(store, run_id)
    assert (summary.min, summary.max, summary.count) == (-math.inf, math.inf, 5)
    take_in(store, run_id, metrics([5], [math.nan]))
    assert metric_summaries(store, run_id)[0].last is None


def test_of_a_step_reported_again_the_last_value_wins(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics([1, 2, 2, 0], [1.0, 9.0, 2.0, 5.0]))
    assert values_of(store, run_id) == {0: 5.0, 1: 1.0, 2: 2.0}
    take_in(store, run_id, metrics([2, 1], [7.0, 8.0]))
    assert values_of(store, run_id) == {0: 5.0, 1: 8.0, 2: 7.0}
    [summary] = metric_summaries(store, run_id)
    assert (summary.count, summary.last, summary.max, summary.max_step) == (3, 7.0, 8.0, 1)


def test_an_evaluation_is_a_row_and_points_of_series(store: Store) -> None:
    run_id = add(store)
    classes = [
        ClassScores(level=2, category="2003", precision=0.1, recall=0.2, f1=0.3, support=4),
        ClassScores(level=1, category="20", precision=math.nan, recall=1.0, f1=0.0, support=0),
    ]
    levels = [LevelScores(level=level, f1_micro=0.9, f1_macro=0.8, accuracy=0.7) for level in (1, 2)]
    take_in(store, run_id, [evaluation(10, 0.85, levels=levels, classes=classes, fold=3)])
    detail = run_detail(store, run_id)
    [passed] = detail.evaluations
    assert (passed.step, passed.epoch, passed.split, passed.fold, passed.loss, passed.f1_mean) == (
        *(10, 1, "val", 3),
        *(1.5, 0.85),
    )
    assert [(score.level, score.f1_micro, score.f1_macro, score.accuracy) for score in passed.levels] == [
        (1, 0.9, 0.8, 0.7),
        (2, 0.9, 0.8, 0.7),
    ]
    first, second = class_scores(store, passed.id)
    assert (first.category, first.support, math.isnan(first.precision)) == ("20", 0, True)
    assert (second.category, second.f1) == ("2003", 0.3)
    assert {summary.key: summary.last for summary in detail.metrics} == {
        "val/f1_mean": 0.85,
        "val/loss": 1.5,
        **{f"val/l{level}_{name}": value for level in (1, 2) for name, value in
           (("f1_micro", 0.9), ("f1_macro", 0.8), ("accuracy", 0.7))},
    }  # fmt: skip


def test_a_row_shows_the_scores_of_its_best_validation_pass(store: Store) -> None:
    run_id = add(store)

    def levels(micro: float) -> list[LevelScores]:
        return [LevelScores(level=1, f1_micro=micro, f1_macro=0.0, accuracy=0.0)]

    take_in(store, run_id, [evaluation(1, 0.6, levels=levels(0.61)), evaluation(2, 0.7, levels=levels(0.71))])
    take_in(store, run_id, [evaluation(3, 0.5, levels=levels(0.51)), evaluation(4, 0.9, split="train")])
    run = run_row(store, run_id)
    assert (run.f1_mean, run.levels[0].f1_micro) == (0.7, 0.71)
    take_in(store, run_id, [Resumed(time=EPOCH, step=1, attempt=2)])
    run = run_row(store, run_id)
    assert (run.f1_mean, run.levels[0].f1_micro) == (0.6, 0.61)


def test_progress_heartbeat_and_environment_are_on_the_row(store: Store) -> None:
    run_id = add(store)
    values = {
        "host": "box",
        "devices": "gpu0",
        "git_sha": "abc",
        "git_dirty": True,
        "torch": "2.9",
        "lr": math.inf,
    }
    take_in(
        store,
        run_id,
        [Environment(time=EPOCH + 9, values=values), Progress(time=EPOCH, done=3, total=9, unit="step")],
    )
    take_in(store, run_id, [Environment(time=EPOCH + 1, values={"cuda": None})])
    detail = run_detail(store, run_id)
    assert (detail.run.host, detail.run.devices, detail.run.progress) == (
        "box",
        "gpu0",
        ProgressView(3, 9, "step"),
    )
    assert detail.env == {**values, "lr": "inf", "cuda": None}
    assert detail.run.heartbeat is not None
    assert detail.run.heartbeat.isoformat() == "2023-11-14T22:13:29"
    with store.connection() as connection:
        assert tuple(connection.execute(select(Run.git_sha, Run.git_dirty)).one()) == ("abc", True)


def test_a_runs_own_word_is_kept_beside_its_status_until_it_goes_on(store: Store) -> None:
    run_id = add(store)
    take_in(
        store, run_id, [State(time=1.0, status="running"), State(time=2.0, status="failed", error="no data")]
    )
    run = run_row(store, run_id)
    assert (run.status, run.reported_status, run.reported_error) == ("queued", "failed", "no data")
    take_in(store, run_id, [Resumed(time=3.0, step=0, attempt=2)])
    assert run_row(store, run_id).reported_status is None


def test_checkpoints_are_found_by_kind_and_epoch_until_they_are_deleted(store: Store) -> None:
    run_id = add(store)
    take_in(
        store,
        run_id,
        [
            evaluation(10, 0.5),
            checkpoint(10),
            checkpoint(10, "best", path="checkpoints/best"),
            evaluation(20, 0.6),
            checkpoint(20),
            checkpoint(20, "best", path="checkpoints/best"),
            checkpoint(25, "ema"),
        ],
    )
    best, last, first = (checkpoint_of(store, run_id, which) for which in ("best", "last", "epoch-1"))
    assert best is not None
    assert (best.step, best.path) == (20, "checkpoints/best")
    assert last is not None
    assert last.path == "checkpoints/best"
    assert first is not None
    assert first.path == "checkpoints/epoch-10"
    assert [item.checkpoint for item in run_detail(store, run_id).evaluations] == [
        "checkpoints/epoch-10",
        "checkpoints/epoch-20",
    ]
    take_in(
        store, run_id, [checkpoint(30, "last"), CheckpointDeleted(time=EPOCH, path="checkpoints/epoch-10")]
    )
    assert checkpoint_of(store, run_id, "epoch-1") is None
    newest = checkpoint_of(store, run_id, "last")
    assert newest is not None
    assert newest.kind == "last"
    assert run_detail(store, run_id).evaluations[0].checkpoint is None
    assert "checkpoints/epoch-10" not in [item.path for item in run_detail(store, run_id).checkpoints]


def test_an_artifact_reported_again_is_one_artifact(store: Store) -> None:
    run_id = add(store)
    for size in (1, 2):
        meta: dict[str, str | int | float | bool | None] = {"dim": 768, "mean": math.nan}
        record = Artifact(time=EPOCH, kind="features", path="artifacts/f", bytes=size, sha256="x", meta=meta)
        take_in(store, run_id, [record])
    [artifact] = run_detail(store, run_id).artifacts
    assert artifact_of(store, run_id, "features") == artifact
    assert (artifact.bytes, artifact.meta) == (2, {"dim": 768, "mean": "nan"})
    assert artifact_of(store, run_id, "plot") is None


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_resumed_run_never_overlaps_itself(store: Store, in_one_batch: bool) -> None:
    run_id = add(store)
    before: list[AnyRecord] = [
        *metrics(range(200), [float(step) for step in range(200)]),
        Metrics(time=EPOCH, step=int(EPOCH), values={"gpu0/util": 90.0}, system=True),
        evaluation(150, 0.9),
        checkpoint(100),
        checkpoint(150),
    ]
    after: list[AnyRecord] = [
        Resumed(time=EPOCH + 300, step=100, attempt=2),
        *metrics(range(101, 120), [-1.0] * 19),
    ]
    for batch in [[*before, *after]] if in_one_batch else [before, after]:
        take_in(store, run_id, batch)
    assert values_of(store, run_id) == {step: float(step) if step <= 100 else -1.0 for step in range(120)}
    summaries = {summary.key: summary for summary in metric_summaries(store, run_id)}
    assert sorted(summaries) == ["gpu0/util", "train/loss"]
    loss = summaries["train/loss"]
    assert (loss.count, loss.last_step, loss.max, loss.max_step, loss.min) == (120, 119, 100.0, 100, -1.0)
    assert summaries["gpu0/util"].axis == "time"
    detail = run_detail(store, run_id)
    assert (detail.evaluations, [item.step for item in detail.checkpoints]) == ((), [100])


def test_a_run_resumed_from_its_beginning_has_no_series_left_but_the_systems(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics([0, 1], [1.0, 1.0]))
    take_in(store, run_id, metrics([int(EPOCH)], [50.0], key="cpu", system=True))
    take_in(store, run_id, [Resumed(time=EPOCH, step=-1, attempt=2)])
    assert [summary.key for summary in metric_summaries(store, run_id)] == ["cpu"]
    take_in(store, run_id, metrics([0], [4.0]))
    assert values_of(store, run_id) == {0: 4.0}


def test_numbers_beyond_64_bits_do_not_stop_ingestion(store: Store) -> None:
    run_id = add(store)
    take_in(
        store, run_id, [*metrics([2**64], [1.0]), Progress(time=EPOCH, done=2**70, total=2**70, unit="x")]
    )
    assert values_of(store, run_id) == {2**63 - 1: 1.0}
    assert run_row(store, run_id).progress == ProgressView(2**63 - 1, 2**63 - 1, "x")
