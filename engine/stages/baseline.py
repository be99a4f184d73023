"""baseline: TF-IDF of all text and a linear classifier, in seconds: the line that every deep model must beat.

Shapes: N videos, C classes, V frame embedding size.
"""

import logging
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import BaselineConfig
from engine.data.annotations import AnnotationTable, load_annotations
from engine.data.features import FeatureStore
from engine.data.predictions import write_predictions
from engine.data.splits import split_rows
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.errors import ConfigError
from engine.linear_baseline import TextClassifier, VideoFeatures
from engine.linear_saving import save_text_classifier
from engine.recorder import StopRequested
from engine.stages.context import RunContext

log = logging.getLogger(__name__)
_TOGETHER = 8192  # videos whose texts and features are in memory at once while they are classified


def run(config: BaselineConfig, context: RunContext) -> None:
    """Fit, score the validation fold, classify the other splits."""
    if context.resumed:
        context.recorder.resumed(-1)
    if not (config.model.characters or config.model.words):
        raise ConfigError("model.characters and model.words: both are 0, so no text is seen; set one of them")
    table = _annotations(config, context, "labeled", None)
    assert table is not None
    store = _features(config, context)
    train_rows, valid_rows = split_rows(
        table.labels, config.data.fold, config.data.folds, config.data.split_seed
    )
    # The test split last: the newest predictions are what others take.
    splits = sorted(dict.fromkeys(config.data.predict), key=lambda split: split == "test")
    total = 2 + len(splits)
    began = time.perf_counter()
    videos = _videos(table, store, train_rows)
    classifier = TextClassifier.fit(videos, table.labels[train_rows], config.model, config.seed)
    seconds = time.perf_counter() - began
    log.info(
        "%s: %d training and %d validation videos, %d classes, %d features, fitted in %.1f s",
        config.name,
        len(train_rows),
        len(valid_rows),
        len(table.taxonomy.codes),
        classifier.linear.weights_KC.shape[0],
        seconds,
    )
    context.recorder.log(0, {"fit/seconds": seconds, "fit/temperature": classifier.temperature})
    save_text_classifier(classifier, context.artifacts / "model")
    context.recorder.artifact("model", context.artifacts / "model")
    _step(context, 1, total)
    if len(valid_rows):
        _validate(config, context, classifier, table, _videos(table, store, valid_rows), valid_rows)
    _step(context, 2, total)
    for number, split in enumerate(splits, 3):
        _classify(config, context, classifier, table.taxonomy, store, split)
        _step(context, number, total)


def _step(context: RunContext, done: int, total: int) -> None:
    context.recorder.progress(done, total, unit="step")
    if context.recorder.should_stop() and done < total:
        raise StopRequested


def _annotations(
    config: BaselineConfig, context: RunContext, split: str, taxonomy: Taxonomy | None
) -> AnnotationTable | None:
    """A split's annotations; None where a split to classify is not there."""
    path = context.workspace.resolve(config.data.root) / "annotations" / f"{split}.json"
    if taxonomy is not None and not path.exists():
        log.info("no %s: split left out", path.name)
        return None
    return load_annotations(
        path,
        context.workspace.cache,
        taxonomy=taxonomy,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )


def _features(config: BaselineConfig, context: RunContext) -> FeatureStore | None:
    if config.inputs.features is None or not config.model.frames:
        return None
    return FeatureStore.open(context.workspace.resolve(config.inputs.features))


def _videos(table: AnnotationTable, store: FeatureStore | None, rows: NDArray[np.int64]) -> VideoFeatures:
    """Texts of some of the videos, and their mean frames, NaN where there are none."""
    texts = [f"{table.title(row)}\n{table.ocr(row)}\n{table.asr(row)}" for row in rows.tolist()]
    if store is None:
        return VideoFeatures(texts)
    frames_NV = np.full((len(rows), store.dim), np.nan, np.float32)
    ids = table.ids[rows]
    for place, count in enumerate(store.counts(ids)):
        if count > 0:
            frames_NV[place] = store.read(str(ids[place])).astype(np.float32).mean(axis=0)
    return VideoFeatures(texts, frames_NV)


def _validate(
    config: BaselineConfig,
    context: RunContext,
    classifier: TextClassifier,
    table: AnnotationTable,
    videos: VideoFeatures,
    rows: NDArray[np.int64],
) -> None:
    probabilities_NC = classifier.probabilities(videos, len(table.taxonomy.codes))
    labels = table.labels[rows]
    likely = np.maximum(probabilities_NC[np.arange(len(rows)), labels], 1e-7)
    fold = config.data.fold
    assert fold != "full"
    scores = context.recorder.evaluation(
        split="val",
        fold=fold,
        step=0,
        y_true=labels,
        y_pred=probabilities_NC.argmax(axis=1),
        taxonomy=table.taxonomy,
        loss=float(-np.log(likely).mean()),
    )
    log.info(
        "val f1_mean %.4f %s",
        scores.f1_mean,
        " ".join(f"l{level.level} {level.f1_micro:.4f}/{level.f1_macro:.4f}" for level in scores.levels),
    )
    folder = context.artifacts / "predictions-val"
    write_predictions(
        folder,
        table.ids[rows].tolist(),
        probabilities_NC,
        table.taxonomy,
        labels=labels,
        fold=fold,
        f1_mean=scores.f1_mean,
    )
    context.recorder.artifact("validation", folder, split="val", videos=len(rows), fold=fold)


def _classify(
    config: BaselineConfig,
    context: RunContext,
    classifier: TextClassifier,
    taxonomy: Taxonomy,
    store: FeatureStore | None,
    split: str,
) -> None:
    table = _annotations(config, context, split, taxonomy)
    if table is None:
        return
    probabilities_NC = np.zeros((len(table), len(taxonomy.codes)), np.float32)
    for start in range(0, len(table), _TOGETHER):
        rows = np.arange(start, min(start + _TOGETHER, len(table)))
        probabilities_NC[rows] = classifier.probabilities(_videos(table, store, rows), len(taxonomy.codes))
        if context.recorder.should_stop():
            raise StopRequested
    folder = context.artifacts / ("predictions" if split == "test" else f"predictions-{split}")
    ids: list[str] = table.ids.tolist()
    write_predictions(folder, ids, probabilities_NC, taxonomy, split=split)
    context.recorder.artifact("predictions", folder, split=split, videos=len(ids))
    if split == "test":
        submission: Path = context.artifacts / "submission.csv"
        write_submission(submission, ids, [taxonomy.codes[leaf] for leaf in probabilities_NC.argmax(axis=1)])
        context.recorder.artifact("submission", submission, split=split, videos=len(ids))
