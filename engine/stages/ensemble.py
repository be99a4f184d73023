"""ensemble: the weighted mean of members' probabilities, and an honest estimate of what it scores.

Shapes: M members, N videos, C classes.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import EnsembleConfig
from engine.data.predictions import write_predictions
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.ensemble.members import Member, find_members
from engine.ensemble.predictions import classified, taxonomy_of, validation_of
from engine.ensemble.report import REPORT_FILE, log_report, scored_report, unscored_report
from engine.ensemble.search import SEARCHED, equal_weights, searched, weighted_mean
from engine.ensemble.validation import Aligned, aligned
from engine.errors import ConfigError
from engine.stages.context import RunContext
from engine.training.device import choose_compute

log = logging.getLogger(__name__)


def run(config: EnsembleConfig, context: RunContext) -> None:
    """Find weights, estimate, classify the split, write the submission."""
    if context.resumed:
        context.recorder.resumed(-1)
    compute = choose_compute(config.gpus, config.precision)
    workspace = context.workspace
    members = find_members([workspace.resolve(path) for path in config.inputs.members], workspace)
    _check_given(config, members)
    validation = validation_of(members, config, context, compute)
    without = [member.name for member, found in zip(members, validation, strict=True) if not found]
    if without and config.weights.kind in SEARCHED:
        raise ConfigError(
            f"weights.kind: {config.weights.kind} needs validation predictions and {', '.join(without)} has none "
            "(it was trained on all labelled videos, or only predicts); set weights.kind to equal or given"
        )
    if without:
        log.info("no estimate: %s has no validation predictions", ", ".join(without))
        taxonomy = taxonomy_of(members[0].runs[0])
        given = config.weights.values if config.weights.kind == "given" else [1.0] * len(members)
        weights_M = np.asarray(given)
        _write_report(context, unscored_report(members, config.weights.kind, weights_M))
    else:
        found = aligned(members, validation)
        taxonomy = found.scorer.taxonomy
        weights_M = _estimate(config, context, members, found)
    if config.data.split is not None:
        ids, means = classified(members, config.data.split, config, context, compute, taxonomy)
        _submit(config, context, ids, weighted_mean(weights_M, np.stack(means)), taxonomy)


def _check_given(config: EnsembleConfig, members: Sequence[Member]) -> None:
    values = config.weights.values
    if config.weights.kind == "given" and len(values) != len(members):
        raise ConfigError(
            f"weights.values: {len(values)} weights for {len(members)} members "
            f"({', '.join(member.name for member in members)}); give one for each"
        )
    if config.weights.kind == "given" and not any(values):
        raise ConfigError("weights.values: all are 0; give at least one member a weight")


def _estimate(
    config: EnsembleConfig, context: RunContext, members: Sequence[Member], found: Aligned
) -> NDArray[np.float64]:
    """Weights, their honest score, and everything that is reported of them."""
    scorer, recorder, kind = found.scorer, context.recorder, config.weights.kind
    told: dict[str, Any] = {
        "y_true": scorer.labels_N,
        "taxonomy": scorer.taxonomy,
        "step": 0,
        "fold": found.fold,
    }
    if kind in SEARCHED:
        weights_M, honest_NC = searched(scorer, found.folds_N, kind, config.seed)
        recorder.evaluation(split="in-sample", y_pred=scorer.predict(weights_M), **told)
        honest_N = honest_NC.argmax(axis=1)
    else:
        weights_M = np.asarray(config.weights.values) if kind == "given" else equal_weights(scorer)
        honest_NC = weighted_mean(weights_M, scorer.probabilities_MNC)
        honest_N = scorer.predict(weights_M)
    honest = recorder.evaluation(split="val", y_pred=honest_N, **told)
    report = scored_report(
        members,
        kind,
        weights_M,
        scorer,
        honest_N,
        honest,
        folds=len(np.unique(found.folds_N)),
        resamples=config.bootstrap,
        seed=config.seed,
    )
    log_report(report)
    recorder.log(
        0,
        {
            "ensemble/f1_mean": honest.f1_mean,
            "ensemble/in_sample": report["in_sample"],
            "ensemble/best_member": max(one["f1_mean"] for one in report["members"]),
            "ensemble/gain": report["gain"],
        }
        | {f"ensemble/weight/{one['name']}": one["weight"] for one in report["members"]},
    )
    _write_report(context, report)
    folder = context.artifacts / "predictions-val"
    # Those of the honest estimate: an ensemble that has this one as a member must not see them flattered.
    write_predictions(folder, found.ids, honest_NC, scorer.taxonomy, labels=scorer.labels_N, fold=found.fold)
    recorder.artifact("validation", folder, split="val", videos=len(found.ids), fold=found.fold)
    return weights_M


def _write_report(context: RunContext, report: dict[str, Any]) -> None:
    path = context.artifacts / REPORT_FILE
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    f1_mean = report["ensemble"]["f1_mean"] if report["ensemble"] else None
    context.recorder.artifact("report", path, f1_mean=f1_mean, members=len(report["members"]))


def _submit(
    config: EnsembleConfig,
    context: RunContext,
    ids: Sequence[str],
    probabilities_NC: NDArray[np.float32],
    taxonomy: Taxonomy,
) -> None:
    split = config.data.split
    folder = context.artifacts / "predictions"
    write_predictions(folder, ids, probabilities_NC, taxonomy, split=split)
    submission: Path = context.artifacts / "submission.csv"
    write_submission(submission, ids, [taxonomy.codes[leaf] for leaf in probabilities_NC.argmax(axis=1)])
    context.recorder.artifact("predictions", folder, split=split, videos=len(ids))
    context.recorder.artifact("submission", submission, split=split, videos=len(ids))
