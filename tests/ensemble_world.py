"""Finished runs with real predictions beside them: what ensembles are made of, without training anything."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.document import dump_yaml
from engine.config.load import flatten, plain
from engine.config.stages import STAGES
from engine.data.predictions import write_predictions
from engine.data.taxonomy import Taxonomy
from engine.metrics import hierarchical_scores
from engine.records import Artifact, Checkpoint, Evaluation
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import run_row
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

TAXONOMY = Taxonomy.from_codes(
    [f"{top:02}{leaf:02}" for top in range(3) for leaf in range(4)], {"0002": "hotels"}
)


def truth(videos: int, taxonomy: Taxonomy = TAXONOMY, seed: int = 0) -> NDArray[np.int64]:
    """Labels of videos."""
    return np.random.default_rng(seed).integers(len(taxonomy.codes), size=videos)


def leaning(labels: NDArray[np.int64], strength: float, seed: int, classes: int = 12) -> NDArray[np.float32]:
    """Probabilities that lean towards the truth, with errors of their own."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += strength
    probabilities: NDArray[np.float32] = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return probabilities


def finished(
    store: Store,
    workspace: Workspace,
    name: str,
    *,
    strength: float = 1.0,
    seed: int = 1,
    stage: str = "finetune",
    fold: int | str = 0,
    folds: int = 2,
    videos: int = 240,
    taxonomy: Taxonomy = TAXONOMY,
    predictions: bool = True,
    ids: Sequence[str] | None = None,
    **settings: Any,
) -> int:
    """A finished run whose validation fold are every second of the videos (`folds` 2): its id."""
    config = STAGES[stage].model_validate(
        {
            "stage": stage,
            "name": name,
            "seed": seed,
            "data": {"root": "data/sample", "fold": fold, "folds": folds},
        }
        | settings
    )
    values = plain(config)
    new = NewRun(stage, name, values, "0" * 64, flatten(values), seed)
    (run_id,) = create_runs(store, [new])
    directory = workspace.root / run_row(store, run_id).directory
    (directory / "artifacts").mkdir(parents=True)
    (directory / "config.yaml").write_text(dump_yaml(values))
    for before, after in ((Status.QUEUED, Status.STARTING), (Status.STARTING, Status.RUNNING)):
        transition(store, run_id, from_={before}, to=after)
    records: list[Any] = []
    now = time.time()
    if stage == "finetune":
        (directory / "checkpoints" / "step-00000009").mkdir(parents=True)
        records.append(
            Checkpoint(time=now, step=9, epoch=1, kind="best", path="checkpoints/step-00000009", bytes=1,
                       sha256="0" * 64, f1_mean=0.5)
        )  # fmt: skip
    if predictions and fold != "full":
        labels = truth(videos, taxonomy)
        assert isinstance(fold, int)
        rows = np.flatnonzero(np.arange(videos) % folds == fold)
        found = leaning(labels, strength, seed * 1000 + 1, len(taxonomy.codes))[rows]
        names = list(ids) if ids is not None else [f"v{row:05}" for row in rows]
        meta = {"fold": fold, "checkpoint": "step-00000009"} if stage == "finetune" else {"fold": fold}
        write_predictions(
            directory / "artifacts" / "predictions-val", names, found, taxonomy, labels[rows], **meta
        )
        scores = hierarchical_scores(taxonomy, labels[rows], found.argmax(axis=1))
        records += [
            Evaluation(time=now, step=9, epoch=1, split="val", fold=fold, loss=1.0, f1_mean=scores.f1_mean,
                       levels=list(scores.levels), classes=list(scores.classes)),
            Artifact(time=now, kind="validation", path="artifacts/predictions-val", bytes=1, sha256="0" * 64,
                     meta={"split": "val"}),
        ]  # fmt: skip
    ingest(store, run_id, records, old_offset=0, new_offset=1)
    transition(store, run_id, from_={Status.RUNNING}, to=Status.FINISHED)
    return run_id


def validation_folder(store: Store, workspace: Workspace, run_id: int) -> Path:
    """Where a run's validation predictions are."""
    return workspace.root / run_row(store, run_id).directory / "artifacts" / "predictions-val"
