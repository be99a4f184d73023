"""The table of runs: any column, any order, groups that fold, and a window of it however many runs there are."""

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from store_helpers import add, advance, evaluation, metrics, new_run, take_in

from engine.errors import FilterError
from engine.records import LevelScores
from engine.store.database import Store
from engine.store.derived import DURATION
from engine.store.known import known_keys, known_values
from engine.store.queries import list_runs
from engine.store.runs import create_runs, transition
from engine.store.table_views import Folding, GroupRow
from engine.store.tables import matching_ids, run_table
from engine.store.views import RunRow, Status

PARAMS = {"training.lr.text": 5e-5, "training.ema": None, "model.pooling": "mean"}


@pytest.fixture
def filled(store: Store) -> Store:
    """Five runs: 1, 2, 4 with scores, 3 and 5 without."""
    create_runs(
        store,
        [
            new_run("a", params={**PARAMS}, tags=("x", "y")),
            new_run("b", params={**PARAMS, "training.lr.text": 1e-3}, tags=("x",)),
            new_run("c", params={**PARAMS, "training.lr.text": "auto"}),
            new_run("d", stage="pretrain", params={"model.pooling": "max"}),
            new_run("e", stage="extract", params={}),
        ],
    )
    for run_id, score in ((1, 0.5), (2, 0.7), (4, 0.6)):
        take_in(store, run_id, [evaluation(1, score), evaluation(2, score - 0.2)])
        take_in(store, run_id, metrics([0, 1, 2], [9.0, score, 2.0]))
    return store


def ids(store: Store, sort: str, text: str = "") -> list[int]:
    return [run.id for run in list_runs(store, text, sort).runs]


def table(store: Store, *columns: str, sort: str = "id", **more: object) -> list[object]:
    page = run_table(store, "", sort, columns, limit=100, offset=0, **more)
    return [
        tuple(page.cells[line.id].get(column) for column in columns) if isinstance(line, RunRow) else line
        for line in page.lines
    ]


def test_cells_are_settings_metrics_scores_tags_and_durations(filled: Store) -> None:
    transition(filled, 1, from_={Status.QUEUED}, to=Status.STARTING)
    cells = table(filled, "lr.text", "model.pooling", "train/loss.best", "train/loss.max", "l1_micro", "tag")
    assert cells[0] == (5e-5, "mean", 0.5, 9.0, 0.8, "x y")
    assert cells[2] == ("auto", "mean", None, None, None, None)
    assert table(filled, "training.ema")[0] == (None,)  # null is no value
    [(taken,), *others] = table(filled, "duration")
    assert isinstance(taken, float)
    assert 0 <= taken < 60
    assert all(other == (None,) for other in others)


def test_a_column_that_no_run_has_is_empty(filled: Store) -> None:
    assert table(filled, "no.such.thing") == [(None,)] * 5


def test_best_of_a_loss_is_its_lowest_and_of_a_score_its_highest(filled: Store) -> None:
    assert table(filled, "train/loss.best", "val/f1_mean.best")[1] == (0.7, 0.7)
    assert ids(filled, "-val/f1_mean.best")[0] == 2
    assert ids(filled, "train/loss.best")[0] == 1


def test_any_column_sorts_and_runs_without_it_come_last_both_ways(filled: Store) -> None:
    assert ids(filled, "training.lr.text") == [1, 2, 3, 4, 5]
    assert ids(filled, "-lr.text") == [2, 1, 3, 5, 4]  # numbers before words, those that lack it last
    assert ids(filled, "tag")[:2] == [1, 2]
    assert ids(filled, "-tag")[2:] == [5, 4, 3]
    take_in(
        filled,
        2,
        [evaluation(3, 0.9, levels=[LevelScores(level=1, f1_micro=0.2, f1_macro=0.95, accuracy=0.1)])],
    )
    assert ids(filled, "l1_micro") == [2, 1, 4, 3, 5]  # the score at the best pass, not the best score
    assert ids(filled, "-l1_macro")[0] == 2
    with pytest.raises(FilterError, match="sort: no run has `l3_nothing`"):
        ids(filled, "l3_nothing")


def test_runs_sort_and_filter_by_how_long_they_took(store: Store) -> None:
    from datetime import timedelta

    from sqlalchemy import update

    from engine.store.models import Run
    from engine.store.runs import now

    made = [add(store) for _ in range(4)]
    for run_id, seconds in zip(made[:3], (100, 10, 1000), strict=True):
        advance(store, run_id, Status.STARTING, Status.RUNNING, Status.FINISHED)
        with store.write() as session:
            begun = now() - timedelta(hours=5)
            ended = begun + timedelta(seconds=seconds)
            session.execute(update(Run).where(Run.id == run_id).values(started=begun, ended=ended))
    assert ids(store, "duration") == [2, 1, 3, 4]
    assert ids(store, "-duration") == [3, 1, 2, 4]
    assert ids(store, "id", "duration>50") == [1, 3]
    assert ids(store, "id", "duration<50") == [2]
    [(taken,), *_] = table(store, "duration")
    assert round(taken) == 100


def test_level_scores_filter_too(filled: Store) -> None:
    assert ids(filled, "id", "l1_micro>0.7") == [1, 2, 4]
    assert ids(filled, "id", "l1_micro>0.9") == []
    assert ids(filled, "id", "train/loss.best<0.65") == [1, 4]
    with pytest.raises(FilterError, match="`l1_micro` is a number"):
        ids(filled, "id", "l1_micro=high")


def test_groups_have_count_mean_and_best_and_open_one_by_one(filled: Store) -> None:
    page = run_table(filled, "", "-f1_mean", (), group="stage", limit=100, offset=0)
    groups = [line for line in page.lines if isinstance(line, GroupRow)]
    assert [(g.value, g.count, g.best) for g in groups] == [
        ("finetune", 3, 0.7),
        ("pretrain", 1, 0.6),
        ("extract", 1, None),
    ]
    assert groups[0].mean == pytest.approx(0.6)
    assert (page.length, page.matching, page.groups, page.score) == (3, 5, 3, "f1_mean")
    opened = run_table(
        filled, "", "-f1_mean", (), group="stage", folding=Folding().turned("finetune"), limit=100, offset=0
    )
    assert [line.id if isinstance(line, RunRow) else line.value for line in opened.lines] == [
        *("finetune", 2, 1, 3),
        *("pretrain", "extract"),
    ]
    assert opened.length == 6
    everything = run_table(
        filled, "", "-f1_mean", (), group="stage", folding=Folding(all_open=True), limit=100, offset=0
    )
    assert everything.length == 8


def test_windows_of_a_grouped_table_put_together_are_the_whole(filled: Store) -> None:
    folding = Folding(all_open=True).turned("pretrain")
    whole = run_table(filled, "", "name", (), group="stage", folding=folding, limit=100, offset=0).lines
    for size in (1, 2, 3, 7):
        pages = [
            run_table(filled, "", "name", (), group="stage", folding=folding, limit=size, offset=start)
            for start in range(0, 10, size)
        ]
        assert [line for page in pages for line in page.lines] == list(whole)
        assert {page.length for page in pages} == {len(whole)}


def test_groups_are_judged_by_what_is_sorted_by_and_a_low_loss_is_the_best(filled: Store) -> None:
    page = run_table(filled, "", "train/loss.min", (), group="model.pooling", limit=9, offset=0)
    mean = next(line for line in page.lines if isinstance(line, GroupRow) and line.value == "mean")
    assert (page.score, mean.best) == ("train/loss.min", 0.5)


def test_runs_with_several_tags_are_in_the_group_of_each_and_those_without_are_together(
    filled: Store,
) -> None:
    page = run_table(filled, "", "id", (), group="tag", limit=100, offset=0)
    assert [(line.value, line.run_ids) for line in page.lines if isinstance(line, GroupRow)] == [
        ("x", (1, 2)),
        ("y", (1,)),
        (None, (3, 4, 5)),
    ]


def test_a_group_by_nothing_known_says_so(filled: Store) -> None:
    with pytest.raises(FilterError, match="group: no run has `stge`: did you mean `stage`"):
        run_table(filled, "", "id", (), group="stge", limit=9, offset=0)


def test_a_filter_narrows_groups_as_it_narrows_rows(filled: Store) -> None:
    page = run_table(filled, "f1_mean>0.55", "id", (), group="stage", limit=9, offset=0)
    assert [(line.value, line.count) for line in page.lines if isinstance(line, GroupRow)] == [
        ("finetune", 1),
        ("pretrain", 1),
    ]
    assert matching_ids(filled, "f1_mean>0.55", "-f1_mean") == (2, 4)


def test_what_can_be_chosen_is_known(filled: Store) -> None:
    names = [key.name for key in known_keys(filled)]
    assert names[0] == "f1_mean"
    assert {"duration", "tag", "l1_micro", "training.lr.text", "train/loss.best", "train/loss.min"} <= set(
        names
    )
    assert known_values(filled, "status")[0] == "queued"
    assert known_values(filled, "tag") == ("x", "y")
    assert known_values(filled, "stage") == ("extract", "finetune", "pretrain")
    assert known_values(filled, "pooling") == ("max", "mean")
    assert known_values(filled, "train/loss") == ()
    assert known_values(filled, "nothing") == ()


def test_ten_thousand_runs_in_groups_are_a_window_too(store: Store) -> None:
    create_runs(store, [new_run(f"r{n}", seed=n % 7) for n in range(3000)])
    folding = Folding(all_open=True)
    page = run_table(store, "", "id", ("training.ema",), group="seed", folding=folding, limit=50, offset=2500)
    assert (page.length, len(page.lines), len(page.cells)) == (3007, 50, 50)


def test_what_is_derived_can_be_said_to_a_server_too() -> None:
    said = str(select(DURATION).compile(dialect=postgresql.dialect()))
    assert "EXTRACT(EPOCH FROM (COALESCE(run.ended, now() AT TIME ZONE 'utc') - run.started))" in said
