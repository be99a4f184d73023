"""Tables of runs: their order, their windows, and the indexes that keep them quick with 10,000 runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from store_helpers import add, advance, evaluation, metrics, new_run, take_in

from engine.errors import FilterError
from engine.store.database import Store
from engine.store.models import Metric, MetricSummary
from engine.store.queries import list_runs, series
from engine.store.runs import create_runs
from engine.store.views import Status


def ids(store: Store, sort: str, **window: Any) -> list[int]:
    return [run.id for run in list_runs(store, sort=sort, **window).runs]


def test_the_newest_run_is_first_unless_said_otherwise(store: Store) -> None:
    made = [add(store, name) for name in "bca"]
    assert [run.id for run in list_runs(store).runs] == made[::-1]
    assert ids(store, "created") == made
    assert ids(store, "name") == [made[2], made[0], made[1]]
    assert ids(store, "-name") == [made[1], made[0], made[2]]


def test_runs_without_a_value_come_last_in_both_directions(store: Store) -> None:
    one, two, three = (add(store) for _ in range(3))
    advance(store, one, Status.STARTING)
    advance(store, two, Status.STARTING)
    assert ids(store, "started") == [one, two, three]
    assert ids(store, "-started") == [two, one, three]
    take_in(store, two, [evaluation(1, 0.4)])
    take_in(store, three, [evaluation(1, 0.9)])
    take_in(store, one, metrics([0], [float("nan")], key="val/f1_mean"))
    assert ids(store, "f1_mean") == [two, three, one]
    assert ids(store, "-f1_mean") == [three, two, one]


def test_metrics_sort_by_their_last_value_or_the_one_that_is_said(store: Store) -> None:
    one, two = add(store), add(store)
    take_in(store, one, metrics([0, 1], [1.0, 5.0]))
    take_in(store, two, metrics([0, 1], [9.0, 4.0]))
    assert ids(store, "train/loss") == [two, one]
    assert ids(store, "train/loss.min") == [one, two]
    assert ids(store, "-train/loss.max") == [two, one]
    with pytest.raises(FilterError, match=r"sort: no run has `train/los`: did you mean `train/loss`\?"):
        list_runs(store, sort="train/los")


@pytest.mark.parametrize("sort", ["-created", "-f1_mean", "f1_mean", "val/loss", "-ended"])
def test_windows_put_together_are_the_whole_list(store: Store, sort: str) -> None:
    made = create_runs(store, [new_run(f"r{index}") for index in range(17)])
    for run_id in made[::3]:
        take_in(store, run_id, [evaluation(1, run_id / 100)])
    whole = ids(store, sort)
    assert sorted(whole) == made
    for size in (1, 4, 6, 17):
        pages = [list_runs(store, sort=sort, limit=size, offset=start) for start in range(0, 17 + size, size)]
        assert [run.id for page in pages for run in page.runs] == whole
        assert {(page.matching, page.total) for page in pages} == {(17, 17)}


def test_a_page_says_how_many_match_of_how_many_and_follows_what_is_written(store: Store) -> None:
    create_runs(store, [new_run(f"r{index}", tags=("odd",) if index % 2 else ()) for index in range(9)])
    for _ in range(2):
        page = list_runs(store, "tag=odd", limit=2)
        assert (len(page.runs), page.matching, page.total) == (2, 4, 9)
    add(store, tags=("odd",))
    page = list_runs(store, "tag=odd", limit=2)
    assert (page.matching, page.total) == (5, 10)
    assert list_runs(store, "tag=odd", offset=50).matching == 5


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """2,000 runs with parameters and metrics; SQLite, for its query plans."""
    path: Path = tmp_path_factory.mktemp("crowded") / "experiments.db"
    store = Store.open(f"sqlite:///{path}")
    made = create_runs(
        store, [new_run(f"r{index}", tags=("few",) if index < 20 else ()) for index in range(2_000)]
    )
    rows = [
        {"run_id": run_id, "key": key, "axis": "step"}
        for run_id in made
        for key in ("val/f1_mean", "val/loss")
    ]
    with store.write() as session:
        session.connection().execute(insert(Metric), rows)
        summaries = [
            {
                "metric_id": number,
                "run_id": row["run_id"],
                "key": row["key"],
                "count": 1,
                "last": number,
                "last_step": 1,
            }
            | {"min": number, "min_step": 1, "max": number, "max_step": 1}
            for number, row in enumerate(rows, 1)
        ]
        session.connection().execute(insert(MetricSummary), summaries)
    yield store
    store.close()


def plans(store: Store, *arguments: Any, **window: Any) -> list[str]:
    """How SQLite carries out each statement of a list."""
    statements: list[tuple[str, Any]] = []

    def seen(*call: Any) -> None:
        statements.append((call[2], call[3]))

    event.listen(store._reader, "before_cursor_execute", seen)
    list_runs(store, *arguments, **window)
    event.remove(store._reader, "before_cursor_execute", seen)
    connection = store._reader.raw_connection()
    cursor = connection.cursor()
    shown = []
    for statement, parameters in statements:
        if statement.startswith("SELECT"):
            steps = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            shown.append("\n".join(step[3] for step in steps))
    connection.close()
    return shown


@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("-f1_mean", "ix_metric_summary_key_max_run_id"),
        ("f1_mean", "ix_metric_summary_key_max_run_id"),
        ("-val/loss", "ix_metric_summary_key_last_run_id"),
        ("val/loss.min", "ix_metric_summary_key_min_run_id"),
    ],
)
@pytest.mark.parametrize("text", ["", "training.lr.text<1e-4", "lr<1e-4", "stage=finetune name~r"])
def test_sorting_by_a_metric_is_a_walk_along_its_index(
    crowded: Store, text: str, sort: str, index: str
) -> None:
    told = plans(crowded, text, sort)
    [walk] = [
        plan for plan in told if plan.startswith("SEARCH metric_summary_1") or "metric_summary_2" in plan
    ]
    assert walk.splitlines()[0].endswith(f"INDEX {index} (key=? AND {index.split('_')[4]}>?)"), walk
    for plan in told:
        assert "TEMP B-TREE FOR ORDER BY" not in plan, plan
        assert "SCAN metric_summary" not in plan, plan
        assert "SCAN run_param" not in plan, plan


def test_the_newest_runs_are_a_walk_too(crowded: Store) -> None:
    assert any("SCAN run USING INDEX ix_run_listed" in plan for plan in plans(crowded))
    assert not any("TEMP B-TREE" in plan for plan in plans(crowded))


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("training.lr.text<1e-4", "ix_run_param_key_number_run_id (key=? AND number<?)"),
        ("data.root~x", "ix_run_param_key_text_run_id (key=?)"),
        ("tag=few", "ix_run_tag_tag (tag=?)"),
        ("f1_mean>0.5", "ix_metric_summary_key_max_run_id (key=? AND max>?)"),
    ],
)
def test_filters_look_up_indexes(crowded: Store, text: str, index: str) -> None:
    assert any(index in plan for plan in plans(crowded, text)), plans(crowded, text)


def test_reading_a_series_looks_up_its_key(store: Store) -> None:
    run_id = add(store)
    take_in(store, run_id, metrics([0], [1.0], key="a'b\"c%\x00d"))
    assert series(store, run_id, "a'b\"c%\u2400d").count == 1


def test_a_list_may_be_longer_than_one_statement_has_parameters(crowded: Store) -> None:
    listed = ids(crowded, "f1_mean", limit=50_000)
    assert listed == sorted(listed)
    assert len(listed) == 2_000
