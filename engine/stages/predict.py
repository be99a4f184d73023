"""predict: class probabilities of every video of a split, and the submission file.

Shapes: see `engine.data.videos`.
"""

import logging

import numpy as np

from engine.classify import Reader, classify, frame_source, reading
from engine.config.stages import PredictConfig
from engine.data.annotations import load_annotations
from engine.data.predictions import write_predictions
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.models.checkpoint import load_classifier
from engine.stages.context import RunContext
from engine.training.device import choose_compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)


def run(config: PredictConfig, context: RunContext) -> None:
    """Write `artifacts/predictions/` (probabilities, ids, classes) and `artifacts/submission.csv`."""
    workspace = context.workspace
    compute = choose_compute(config.gpus, config.precision)
    model, spec, tokenizer = load_classifier(workspace.resolve(config.inputs.model))
    taxonomy = Taxonomy.from_dict(spec.taxonomy)
    split = config.data.split
    annotations = (
        workspace.resolve(config.data.annotations)
        if config.data.annotations
        else workspace.resolve(config.data.root) / "annotations" / f"{split}.json"
    )
    table = load_annotations(
        annotations,
        workspace.cache,
        taxonomy=taxonomy,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )
    frames = frame_source(spec, config.inputs.features, config.data.root, split, context)
    if context.resumed:
        context.recorder.resumed(-1)
    log.info("%d videos of %s on %s", len(table), annotations.name, compute.name)

    speed = Speed()

    def told(done: int, videos: int) -> None:
        speed.add(videos=videos)
        if speed.due() or done == len(table):
            context.recorder.progress(done, len(table), unit="video")

    (probabilities_NC,) = classify(
        [Reader(model, reading(table, spec, tokenizer, frames, context))],
        np.arange(len(table)),
        data=config.data,
        batch_size=config.batch_size,
        compute=compute,
        context=context,
        told=told,
    )
    log.info("%d videos, %s", len(table), speed.line(0, of="videos"))
    ids: list[str] = table.ids.tolist()
    folder = context.artifacts / "predictions"
    write_predictions(folder, ids, probabilities_NC, taxonomy, split=split)
    submission = context.artifacts / "submission.csv"
    write_submission(submission, ids, [taxonomy.codes[leaf] for leaf in probabilities_NC.argmax(axis=1)])
    context.recorder.artifact("predictions", folder, split=split, videos=len(ids))
    context.recorder.artifact("submission", submission, split=split, videos=len(ids))
