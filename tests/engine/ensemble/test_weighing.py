"""Members gathered from a store are those that go together; what they are worth is what counting says."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ensemble_world import TAXONOMY, finished, truth, validation_folder

from engine.data.predictions import Predictions, write_predictions
from engine.data.taxonomy import Taxonomy
from engine.ensemble.plan import candidates, ensemble_config
from engine.ensemble.result import ensemble_result
from engine.ensemble.search import SEARCHES
from engine.ensemble.weighing import Gathered, gather, given_report, search_report, weigh
from engine.errors import ConfigError, DataError
from engine.metrics import hierarchical_scores
from engine.store.database import Store
from engine.store.queries import predicting_runs, run_detail
from engine.store.runs import delete_run
from engine.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = Store.open(workspace.store_url)
    yield opened
    opened.close()


def gathered(workspace: Workspace, store: Store, *run_ids: int) -> Gathered:
    return gather(workspace, store, run_ids, lambda *_: None)


def test_weights_are_worth_what_the_mean_of_the_files_is(workspace: Workspace, store: Store) -> None:
    ids = [finished(store, workspace, f"m{seed}", seed=seed, strength=1 + seed / 4) for seed in range(3)]
    found = gathered(workspace, store, *ids)
    values = [1.0, 0.25, 0.5]
    weighed = weigh(found, values)
    parts = [Predictions.open(validation_folder(store, workspace, run_id)) for run_id in ids]
    labels = parts[0].labels

    def scores(weights: list[float]) -> float:
        mean = sum(w * part.probabilities.astype(np.float64) for w, part in zip(weights, parts, strict=True))
        return hierarchical_scores(TAXONOMY, labels, np.asarray(mean).argmax(axis=1)).f1_mean

    assert weighed.scores.f1_mean == pytest.approx(scores(values))
    for member in range(3):
        rest = [0.0 if number == member else value for number, value in enumerate(values)]
        assert weighed.without[member] == pytest.approx(scores(rest))
        alone = [float(number == member) for number in range(3)]
        assert found.alone[member].f1_mean == pytest.approx(scores(alone))
    assert found.best == int(np.argmax([each.f1_mean for each in found.alone]))
    assert weigh(found, [0, 1, 0]).without == (weighed_of(found, 1), None, weighed_of(found, 1))
    assert not any(
        row.fixed or row.broken for level in weigh(found, np.eye(3)[found.best]).fixes for row in level
    )


def weighed_of(found: Gathered, member: int) -> float:
    return found.alone[member].f1_mean


def test_folds_of_a_model_are_one_member_out_of_fold(workspace: Workspace, store: Store) -> None:
    folds = [finished(store, workspace, f"svm-fold{fold}", stage="baseline", fold=fold) for fold in (0, 1)]
    deep = [finished(store, workspace, f"deep-fold{fold}", fold=fold, seed=2) for fold in (0, 1)]
    found = gathered(workspace, store, folds[0], deep[1], folds[1], deep[0])
    assert [member.name for member in found.members] == ["svm", "deep"]
    assert found.run_ids == (tuple(folds), (deep[1], deep[0]))
    assert found.videos == 240
    assert found.notes == ()
    assert [each.name for each in candidates(store)] == ["deep", "svm"]
    by_id = dict(zip(found.aligned.ids, found.aligned.scorer.labels_N.tolist(), strict=True))
    assert [by_id[f"v{row:05}"] for row in range(240)] == truth(240).tolist()


def test_the_members_that_go_with_most_others_stay(workspace: Workspace, store: Store) -> None:
    stranger = finished(store, workspace, "stranger", taxonomy=Taxonomy.from_codes(["0001", "0002"]))
    elsewhere = finished(store, workspace, "elsewhere", fold=1, seed=5)
    ours = [finished(store, workspace, f"m{seed}", seed=seed) for seed in (1, 2)]
    found = gathered(workspace, store, stranger, elsewhere, *ours, ours[0])
    assert [member.name for member in found.members] == ["m1", "m2"]
    assert found.notes == (
        "left out: stranger: knows other classes than m1",
        "left out: elsewhere: no validation video in common with m1 and the others",
    )
    assert [member.name for member in gathered(workspace, store, stranger).members] == ["stranger"]


def test_what_is_missing_or_broken_is_one_line_each(workspace: Workspace, store: Store) -> None:
    ok = finished(store, workspace, "ok")
    full = finished(store, workspace, "full", fold="full")
    bare = finished(store, workspace, "bare", predictions=False)
    torn = finished(store, workspace, "torn")
    (validation_folder(store, workspace, torn) / "probabilities.npy").write_bytes(b"\x93NUMPY")
    unlabelled = finished(store, workspace, "unlabelled", stage="baseline")
    kept = Predictions.open(validation_folder(store, workspace, unlabelled))
    write_predictions(
        kept.folder, kept.ids, kept.probabilities, kept.taxonomy, labels=np.full(len(kept.ids), -1)
    )
    gone = finished(store, workspace, "gone")
    delete_run(store, gone)
    other = finished(store, workspace, "other")
    folder = validation_folder(store, workspace, other)
    kept = Predictions.open(folder)
    write_predictions(
        folder, kept.ids, kept.probabilities, kept.taxonomy, labels=kept.labels, checkpoint="step-1"
    )
    lost = finished(store, workspace, "lost")
    (validation_folder(store, workspace, lost).parent.parent / "config.yaml").unlink()
    found = gathered(workspace, store, ok, full, bare, torn, unlabelled, gone, other, lost, 99)
    assert [member.name for member in found.members] == ["ok"]
    told = "\n".join(found.notes)
    for reason in (
        "full: no validation predictions (it was trained on all labelled videos)",
        "bare: no validation predictions (none are there of its checkpoint)",
        "predictions cannot be read",
        "unlabelled: its videos have no labels",
        f"no run {gone}",
        "other: no validation predictions (none are there of its checkpoint)",
        "no run 99",
        "config.yaml",
    ):
        assert reason in told
    assert len(found.notes) == 8
    assert all("\n" not in note for note in found.notes)


def test_a_run_that_classifies_nothing_or_is_not_done_is_no_member(
    workspace: Workspace, store: Store
) -> None:
    from engine.store.runs import create_runs
    from engine.store.views import NewRun

    (waiting,) = create_runs(store, [NewRun("finetune", "waiting", {"stage": "finetune"}, "0" * 64, {}, 1)])
    (other,) = create_runs(store, [NewRun("pretrain", "pretrain", {"stage": "pretrain"}, "0" * 64, {}, 1)])
    found = gathered(workspace, store, waiting, other)
    assert found.data is None
    assert "waiting is queued: only finished runs can be members" in found.notes[0]
    assert "is of stage pretrain, which classifies nothing" in found.notes[1]
    with pytest.raises(DataError, match="an ensemble needs members"):
        weigh(found, [])
    assert predicting_runs(store) == ()
    with pytest.raises(ConfigError, match="classifies nothing"):
        ensemble_config(workspace, [str(other)], [run_detail(store, other)], {"kind": "equal"}, "e")


def test_a_search_reports_the_honest_score_apart_from_the_one_it_chose_by(
    workspace: Workspace, store: Store
) -> None:
    ids = [finished(store, workspace, f"m{seed}", seed=seed, strength=0.6) for seed in range(4)]
    found = gathered(workspace, store, *ids)
    told: list[float] = []
    report = search_report(found, "coordinate", told.append)
    scorer = found.aligned.scorer
    weights = SEARCHES["coordinate"](scorer)
    assert [one["weight"] for one in report["members"]] == weights.tolist()
    assert report["in_sample"] == scorer.f1_mean(weights)
    assert report["ensemble"]["f1_mean"] < report["in_sample"]
    assert report["interval"][0] < report["ensemble"]["f1_mean"] < report["interval"][1]
    assert told[-1] == 1
    given = given_report(found, weights.tolist())
    assert given["ensemble"]["f1_mean"] == given["in_sample"] == report["in_sample"]
    assert given["weights"] == "given"


@pytest.mark.parametrize("text", ["{", "[]", '{"members": []}'])
def test_a_report_that_is_none_is_told(workspace: Workspace, store: Store, text: str) -> None:
    from engine.records import Artifact
    from engine.store.ingest import ingest

    run_id = finished(store, workspace, "e")
    assert ensemble_result(workspace, store, run_id).report is None
    made = Artifact(time=1.0, kind="report", path="artifacts/ensemble.json", bytes=1, sha256="0" * 64)
    ingest(store, run_id, [made], old_offset=1, new_offset=2)
    (validation_folder(store, workspace, run_id).parent / "ensemble.json").write_text(text)
    with pytest.raises(DataError, match=r"run (the ensemble|it) again"):
        ensemble_result(workspace, store, run_id)
