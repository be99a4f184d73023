"""The filter language: what it finds, and the one line it answers where it finds no sense."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import EPOCH, add, advance, evaluation, metrics, take_in

from engine.errors import FilterError
from engine.records import Environment
from engine.store.database import Store
from engine.store.filters import Term, parse
from engine.store.queries import list_runs, run_row
from engine.store.runs import create_runs
from engine.store.views import NewRun, Status

PARAMS_ONE = {
    "training.lr.text": 5e-5,
    "training.lr.vision": 1e-5,
    "training.ema": 0.999,
    "model.pooling": "mean",
}
PARAMS_TWO = {
    "training.lr.text": 1e-3,
    "training.lr.vision": 1e-3,
    "training.ema": None,
    "data.shuffle": True,
}


@pytest.fixture
def two_runs(store: Store) -> Store:
    """Run 1: finetune, finished, F1 0.7 then 0.6; run 2: pretrain, queued, no score."""
    one = NewRun("finetune", "model-1", {}, "h1", PARAMS_ONE, 802, experiment="folds", tags=("best", "paper"))
    two = NewRun("pretrain", "50%_off", {}, "h2", {**PARAMS_TWO, "model.path": "802"}, 1, gpus=2)
    create_runs(store, [one, two])
    advance(store, 1, Status.STARTING, Status.RUNNING)
    take_in(store, 1, [evaluation(1, 0.7), evaluation(2, 0.6), *metrics([0, 1, 2], [9.0, 1.0, 2.0])])
    take_in(store, 1, [Environment(time=EPOCH, values={"host": "Box-1"})])
    advance(store, 1, Status.FINISHED)
    return store


def found(store: Store, text: str) -> list[int]:
    page = list_runs(store, text, sort="id")
    assert page.matching == len(page.runs)
    return [run.id for run in page.runs]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2]),
        ("   ", [1, 2]),
        ("stage=finetune", [1]),
        ("stage != finetune", [2]),
        ("id>=2", [2]),
        ("seed=802 gpus<1", [1]),
        ("status=finished", [1]),
        ("state=finished", [1]),
        ("took<0", []),
        ("status!=finished", [2]),
        ("name~MODEL", [1]),
        ("name~%", [2]),
        ("name~_", [2]),
        ("name='50%_off'", [2]),
        ("host~box", [1]),
        ("host!=Box-1", [2]),
        ("experiment=folds", [1]),
        ("experiment!=folds", [2]),
        ("pinned=false", [1, 2]),
        ("pinned=yes", []),
        ("tag=best", [1]),
        ("tag=best tag=paper", [1]),
        ("tag~ap", [1]),
        ("tag!=best", [2]),
        ("f1_mean>0.65", [1]),
        ("f1_mean>=0.7 f1_mean<0.71", [1]),
        ("f1_mean!=0.7", [2]),
        ("val/f1_mean<0.65", [1]),
        ("val/f1_mean.max=0.7", [1]),
        ("train/loss=2", [1]),
        ("train/loss.min=1 train/loss.max=9 train/loss.last=2", [1]),
        ("training.lr.text<1e-4", [1]),
        ("lr.text<1e-4", [1]),
        ("lr<1e-4", [1]),
        ("lr=1e-3", [2]),
        ("lr>1e-9", [1, 2]),
        ("ema=0.999", [1]),
        ("ema=none", [2]),
        ("ema!=0.999", [2]),
        ("shuffle=True", [2]),
        ("pooling=mean", [1]),
        ("pooling~EA", [1]),
        ("path=802", [2]),
        ('name~"model" tag="best"', [1]),
        ("created>2020-01-01", [1, 2]),
        ("created<=2020-01-01T10:30", []),
        ("ended>2020-01-01", [1]),
        ("ended!=2020-01-01", [1, 2]),
    ],
)
def test_a_filter_finds_the_runs_it_describes(two_runs: Store, text: str, ids: list[int]) -> None:
    assert found(two_runs, text) == ids


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("stage=finetune f1_maen>0.6", 15, "no run has `f1_maen`: did you mean `f1_mean`?"),
        ("emma=1", 0, "did you mean `ema`?"),
        ("train/los<1", 0, "did you mean `train/loss`?"),
        ("stage=finetune nonsense", 15, "`nonsense` is not `key op value`"),
        ("stage==finetune", 0, "is not `key op value`"),
        ("stage=", 0, "is not `key op value`"),
        ('name="open', 0, "is not `key op value`"),
        ("text=1 vision~x text.y=1", 16, "no run has `text.y`"),
        ("f1_mean>high", 8, "`f1_mean` is a number, `high` is none"),
        ("f1_mean~0.6", 8, "`~` is for text"),
        ("lr<small", 3, "`lr` is a number"),
        ("seed=nan", 5, "`seed` is a number"),
        ("status=finnished", 7, "queued, starting, running"),
        ("created>yesterday", 8, "write 2026-01-31"),
        ("created~2026", 8, "is a moment"),
        ("pinned>1", 7, "write pinned=true"),
        ("bad\x1b[2Jkey=1", 0, "`bad\u241b[2Jkey`"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(
    two_runs: Store, text: str, position: int, said: str
) -> None:
    with pytest.raises(FilterError) as caught:
        list_runs(two_runs, text)
    assert said in str(caught.value)
    assert caught.value.position == position
    assert f"character {position + 1}:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_last_part_that_two_parameters_share_must_be_said_in_full(store: Store) -> None:
    add(store, params={"data.root": "a", "model.root": "b", "data.lr.x": 1, "model.lr.x": 2})
    with pytest.raises(FilterError, match=r"`root` may be data\.root, model\.root: say which"):
        list_runs(store, "root=a")
    with pytest.raises(FilterError, match=r"`lr` may be data\.lr, model\.lr: say which"):
        list_runs(store, "lr=1")
    assert list_runs(store, "data.root=a data.lr=1").matching == 1


def test_moments_are_local_and_as_wide_as_they_are_written(store: Store) -> None:
    run_id = add(store)
    local = (run_row(store, run_id).created.replace(tzinfo=None)).astimezone()
    offset = local.utcoffset() or timedelta()
    here = run_row(store, run_id).created + offset
    for pattern in ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "'%Y-%m-%d %H:%M'"):
        moment = here.strftime(pattern)
        assert list_runs(store, f"created={moment}").matching == 1
        assert list_runs(store, f"created>{moment}").matching == 0
        assert list_runs(store, f"created<{moment}").matching == 0
        assert list_runs(store, f"created>={moment} created<={moment}").matching == 1


def test_terms_keep_the_places_of_their_keys_and_values() -> None:
    assert parse(' a = 1  "b c"!="d e"') == (Term("a", "=", "1", 1, 5), Term("b c", "!=", "d e", 8, 15))


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        places = [place for term in parse(text) for place in (term.key_at, term.value_at)]
        said = ""
    except FilterError as error:
        places, said = [error.position], str(error)
    assert places == sorted(places)
    assert all(0 <= place < len(text) for place in places)
    assert "\n" not in said
