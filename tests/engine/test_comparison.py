"""Runs beside each other: what differs, who is best, which classes gain, and what makes scores incomparable."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.comparison import class_changes, class_names, compare
from engine.comparison_text import changes_by_run, sections
from engine.errors import RunError
from engine.records import (
    AnyRecord,
    Artifact,
    ClassScores,
    Environment,
    Evaluation,
    LevelScores,
    Metrics,
    Progress,
)
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, delete_run, transition
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

NAN = float("nan")
CONFIG = {
    "stage": "finetune",
    "data": {"root": "data", "fold": 0},
    "model": {"kind": "single_stream", "pooling": None},
    "training": {"epochs": 5, "ema": 0.999, "lr": {"text": 5e-5}},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    yield opened
    opened.close()


def add(store: Store, name: str, config: dict[str, Any] | None = None, **changes: Any) -> int:
    """A queued run."""
    made = NewRun("finetune", name, {**(config or CONFIG), "name": name}, "0" * 64, {}, 802, **changes)
    return create_runs(store, [made])[0]


def report(store: Store, run_id: int, *records: AnyRecord) -> None:
    """Bring the run to life and take in what it reports."""
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    transition(store, run_id, from_={Status.STARTING}, to=Status.RUNNING)
    ingest(store, run_id, records, old_offset=0, new_offset=1)


def classes(**f1: float) -> list[ClassScores]:
    """Scores of classes by code (`c2003=0.4`), with ten videos each."""
    return [
        ClassScores(
            level=len(code[1:]) // 2, category=code[1:], precision=value, recall=value, f1=value, support=10
        )
        for code, value in f1.items()
    ]


def evaluation(
    step: int, f1_mean: float, scores: list[ClassScores] | None = None, **changes: Any
) -> Evaluation:
    """A validation pass."""
    levels = [
        LevelScores(level=1, f1_micro=f1_mean + 0.1, f1_macro=f1_mean, accuracy=0.8),
        LevelScores(level=2, f1_micro=f1_mean - 0.1, f1_macro=f1_mean - 0.2, accuracy=0.5),
    ]
    values = {"loss": 1.0, "fold": 0, "split": "val", "epoch": 1} | changes
    return Evaluation(
        time=1e9 + step, step=step, f1_mean=f1_mean, levels=levels, classes=scores or [], **values
    )


def differing(facts: Any) -> dict[str, list[Any]]:
    return {fact.key: list(fact.values.values()) for fact in facts if fact.differs}


def test_only_settings_that_differ_are_marked_so_and_names_are_none(store: Store) -> None:
    other = json.loads(json.dumps(CONFIG))
    other["training"] |= {"ema": 0.9999, "schedule": "cosine"}
    other["model"] |= {"layers": None}  # an older program lacks the setting: as good as none
    ids = [add(store, "one"), add(store, "two", other)]
    found = compare(store, ids)
    assert differing(found.config) == {"training.ema": [0.999, 0.9999], "training.schedule": ["cosine"]}
    keys = [fact.key for fact in found.config]
    assert "training.lr.text" in keys
    assert "name" not in keys
    assert next(fact for fact in found.config if fact.key == "training.schedule").values == {ids[1]: "cosine"}


def test_true_and_one_differ_but_equal_numbers_do_not(store: Store) -> None:
    ids = [
        add(store, "one", {"a": True, "b": 1, "c": [1, 2]}),
        add(store, "two", {"a": 1, "b": 1.0, "c": [1, 2]}),
    ]
    assert differing(compare(store, ids).config) == {"a": [True, 1]}


def test_scores_are_those_of_the_best_pass_and_the_best_of_each_row_is_marked(store: Store) -> None:
    one, two = add(store, "one"), add(store, "two")
    report(store, one, evaluation(10, 0.70, loss=0.9), evaluation(20, 0.60, loss=0.5))
    report(store, two, evaluation(10, 0.65, loss=1.2), evaluation(20, 0.65, loss=0.1, split="test"))
    scores = {row.name: row for row in compare(store, [one, two]).scores}
    assert scores["f1_mean"].values == {one: 0.70, two: 0.65}
    assert scores["f1_mean"].best == (one,)
    assert scores["loss"].values == {one: 0.9, two: 1.2}
    assert scores["loss"].best == (one,)  # the lowest
    assert scores["l2 macro"].values[two] == pytest.approx(0.45)
    assert scores["l1 accuracy"].best == ()  # all the same: nobody is best


def test_what_is_not_a_number_is_no_score_and_never_best(store: Store) -> None:
    one, two, three = (add(store, name) for name in ("one", "two", "three"))
    report(store, one, evaluation(10, NAN, loss=math.inf), evaluation(20, 0.5, loss=NAN))
    report(store, two, evaluation(10, 0.4, loss=2.0))
    report(store, three, evaluation(10, NAN))
    scores = {row.name: row for row in compare(store, [one, two, three]).scores}
    assert scores["f1_mean"].values == {one: 0.5, two: 0.4}
    assert scores["f1_mean"].best == (one,)
    assert scores["loss"].values == {two: 2.0, three: 1.0}


def test_classes_gain_and_lose_by_size_and_those_of_one_run_alone_come_last(store: Store) -> None:
    one, two = add(store, "one"), add(store, "two")
    report(store, one, evaluation(1, 0.5, classes(c20=0.5, c2003=0.40, c2007=0.60, c1104=0.5, c1111=0.2)))
    report(store, two, evaluation(1, 0.5, classes(c20=0.5, c2003=0.52, c2007=0.40, c1104=NAN, c0301=0.9)))
    found = compare(store, [one, two])
    changes = class_changes(found.runs[0], found.runs[1])
    assert [(each.category, each.change and round(each.change, 6)) for each in changes] == [
        ("2007", -0.2), ("2003", 0.12), ("20", 0.0), ("1104", None), ("1111", None), ("0301", None),
    ]  # fmt: skip
    assert {each.category: each.support for each in changes}["0301"] == 10
    assert list(changes_by_run(found, two)) == [one]
    assert changes_by_run(found, 99) == {}


def test_code_machine_and_packages_differ_one_by_one(store: Store) -> None:
    one, two = add(store, "one"), add(store, "two")
    common = {"command": "python -m engine.run runs/1", "cwd": "/w", "python": "3.11.9", "torch": "2.9"}
    report(
        store,
        one,
        Environment(time=1e9, values={**common, "git_sha": "a" * 40, "git_dirty": False,
                                      "packages": "numpy==2.1\nrich==14.0\ntorch==2.9"}),
        Artifact(time=1e9, kind="patch", path="artifacts/git.patch", bytes=1, sha256="c" * 64, meta={}),
    )  # fmt: skip
    report(
        store,
        two,
        Environment(time=1e9, values={**common, "command": "other", "git_sha": "b" * 40, "git_dirty": True,
                                      "packages": "numpy==2.2\nrich==14.0\nscipy==1.14"}),
    )  # fmt: skip
    facts = compare(store, [one, two]).environment
    assert differing(facts) == {
        "git_sha": ["a" * 40, "b" * 40],
        "git_dirty": [False, True],
        "patch": ["c" * 12],
        "package numpy": ["2.1", "2.2"],
        "package scipy": ["1.14"],
    }
    assert facts[0].key == "git_sha"
    assert "package torch" not in {fact.key for fact in facts}  # it has a line of its own


def test_inputs_are_named_by_run_and_checkpoint_or_by_path(store: Store) -> None:
    features = add(store, "features")
    one = add(store, "one", {**CONFIG, "inputs": {"features": "3", "init": None}},
              inputs=(NewInput("features", features), NewInput("init", features, "last")))  # fmt: skip
    two = add(store, "two", {**CONFIG, "inputs": {"features": "somewhere/else", "init": None}})
    assert differing(compare(store, [one, two]).inputs) == {
        "features": [f"{features} features", "somewhere/else"],
        "init": [f"{features} features@last", None],
    }


def test_scores_of_different_videos_are_told_apart(store: Store) -> None:
    one, two, three, four = (add(store, name) for name in ("one", "two", "three", "four"))
    report(store, one, evaluation(1, 0.5, classes(c20=0.5), fold=0))
    report(store, two, evaluation(1, 0.5, classes(c20=0.5), fold=None))
    report(store, three, evaluation(1, 0.5, classes(c20=0.5, c11=0.3), fold=0))
    assert compare(store, [one, two]).notes == (
        f"scored on different videos: {one} on fold 0, {two} on all folds",
    )
    assert "by class differ" in compare(store, [one, three]).notes[0]
    assert compare(store, [one, four]).notes == (f"{four} four has no validation scores",)


def test_a_run_that_is_gone_is_an_error_or_left_out_and_told(store: Store) -> None:
    one, two = add(store, "one"), add(store, "two")
    transition(store, two, from_={Status.QUEUED}, to=Status.CANCELLED)
    delete_run(store, two)
    with pytest.raises(RunError, match=f"no run {two}"):
        compare(store, [one, two])
    left = compare(store, [one, two, one, 77], skip_gone=True)
    assert [each.run.id for each in left.runs] == [one]
    assert left.gone == (two, 77)


def test_epochs_lie_where_progress_and_settings_say(store: Store) -> None:
    one, two, three = (add(store, name) for name in ("one", "two", "three"))
    report(store, one, Progress(time=1e9, done=10, total=400, unit="step"))
    report(store, two, evaluation(100, 0.5, epoch=2), Metrics(time=1e9, step=150, values={"train/loss": 1.0}))
    found = compare(store, [one, two, three])
    assert [each.steps_per_epoch for each in found.runs] == [80.0, 50.0, None]


def test_class_names_come_from_the_predictions_else_from_the_data(store: Store, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    one, two, broken = (add(store, name) for name in ("one", "two", "broken"))
    for run_id, name in ((one, "one"), (broken, "broken")):
        folder = workspace.run_dir(run_id, name) / "artifacts" / "validation"
        folder.mkdir(parents=True)
        names = {"taxonomy": {"names": {"20": "travel"}}, "confusion": {}}
        for file, data in names.items():
            (folder / f"{file}.json").write_text(json.dumps(data) if run_id == one else "{", encoding="utf-8")
        made = Artifact(
            time=1e9, kind="validation", path="artifacts/validation", bytes=1, sha256="0" * 64, meta={}
        )
        report(store, run_id, made)
    assert class_names(workspace, store, [broken, two]) == {}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "categories.json").write_text('{"20": "trips", "2003": "hotels"}', encoding="utf-8")
    assert class_names(workspace, store, [one, broken, two]) == {"20": "travel", "2003": "hotels"}


def test_sections_hide_what_is_alike_until_asked(store: Store) -> None:
    ids = [add(store, "one"), add(store, "two", {**CONFIG, "seed": 1})]
    shown = {section.name: section for section in sections(compare(store, ids))}
    assert [line.key for line in shown["config"].lines] == ["seed"]
    assert shown["config"].heading == "config: 8 more are the same"
    assert shown["environment"].heading == "environment: nothing recorded"
    everything = {section.name: section for section in sections(compare(store, ids), everything=True)}
    assert len(everything["config"].lines) == 9
    assert everything["config"].heading == "config"


def test_values_that_differ_never_look_alike(store: Store) -> None:
    ids = [add(store, "one", {"x": 0.123456789}), add(store, "two", {"x": 0.123456780})]
    (line,) = next(part for part in sections(compare(store, ids)) if part.name == "config").lines
    assert len(set(line.cells.values())) == 2


def test_a_list_that_one_run_alone_has_reads_as_it_would_be_typed(store: Store) -> None:
    ids = [add(store, "one", {"predict": ["test", "val"], "scale": 1.0}), add(store, "two", {"scale": 2.0})]
    lines = next(part for part in sections(compare(store, ids)) if part.name == "config").lines
    assert {line.key: dict(line.cells) for line in lines} == {
        "predict": {ids[0]: "test, val"},
        "scale": {ids[0]: "1", ids[1]: "2"},
    }
