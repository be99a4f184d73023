"""predict: class probabilities of every video of a split, and the submission file.

Shapes: see `engine.data.videos`.
"""

import json
import logging
from pathlib import Path

import numpy as np
import torch

from engine.config.stages import PredictConfig
from engine.data.annotations import load_annotations
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess
from engine.data.skipping import SkipLimit
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.data.text import load_tokens
from engine.data.videos import DecodedFrames, FrameSource, StoredFrames, Videos, load_batches, plan_batches
from engine.errors import ConfigError
from engine.models.checkpoint import ClassifierSpec, load_classifier
from engine.recorder import StopRequested
from engine.stages.context import RunContext
from engine.training.device import choose_compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)


def run(config: PredictConfig, context: RunContext) -> None:
    """Write `artifacts/predictions/` (probabilities, ids, classes) and `artifacts/submission.csv`."""
    workspace = context.workspace
    compute = choose_compute(config.gpus, config.precision)
    model, spec, tokenizer = load_classifier(workspace.resolve(config.inputs.model))
    model = model.to(compute.device).eval()
    taxonomy = Taxonomy.from_dict(spec.taxonomy)
    root = workspace.resolve(config.data.root)
    annotations = (
        workspace.resolve(config.data.annotations)
        if config.data.annotations
        else root / "annotations" / f"{config.data.split}.json"
    )
    table = load_annotations(
        annotations,
        workspace.cache,
        taxonomy=taxonomy,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )
    videos = Videos(
        ids=table.ids,
        labels=table.labels,
        tokens=load_tokens(table, tokenizer, workspace.cache),
        frames=_frames(config, context, root, spec),
        max_tokens=spec.max_tokens,
    )
    if context.resumed:
        context.recorder.resumed(-1)
    log.info("%d videos of %s on %s", len(table.ids), annotations.name, compute.name)

    folder = context.artifacts / "predictions"
    folder.mkdir(exist_ok=True)
    rows = np.arange(len(table.ids))
    plan = plan_batches(videos, rows, config.batch_size, seed=config.seed, epoch=0, shuffle=False)
    skips = SkipLimit(len(rows), on_error=config.data.on_error, max_skipped=config.data.max_skipped)
    best = np.zeros(len(rows), np.int64)
    probabilities = np.lib.format.open_memmap(
        folder / "probabilities.npy", mode="w+", dtype=np.float16, shape=(len(rows), len(taxonomy.codes))
    )
    loaded = load_batches(
        videos,
        plan,
        seed=config.seed,
        epoch=None,
        workers=config.data.workers,
        pin=compute.device.type == "cuda",
    )
    speed = Speed()
    done = 0
    with torch.inference_mode():
        for batch_rows, (size, host_batch, problems) in zip(plan, loaded, strict=True):
            for problem in problems:
                skips.note(problem)
            with compute.autocast():
                logits_BC = model(host_batch.to(compute.device))
            probabilities[batch_rows] = logits_BC.softmax(dim=1).cpu().numpy()
            best[batch_rows] = logits_BC.argmax(dim=1).cpu().numpy()
            done += size.videos
            speed.add(videos=size.videos)
            if speed.due() or done == len(rows):
                context.recorder.progress(done, len(rows), unit="video")
            if context.recorder.should_stop():
                raise StopRequested
    probabilities.flush()
    log.info("%d videos, %s", done, speed.line(0, of="videos"))
    ids = [str(video) for video in table.ids]
    (folder / "ids.json").write_text(json.dumps(ids))
    (folder / "taxonomy.json").write_text(json.dumps(taxonomy.to_dict(), ensure_ascii=False))
    submission = context.artifacts / "submission.csv"
    write_submission(submission, ids, [taxonomy.codes[leaf] for leaf in best])
    meta = {"split": config.data.split, "videos": len(ids), "skipped": len(skips.problems)}
    context.recorder.artifact("predictions", folder, **meta)
    context.recorder.artifact("submission", submission, **meta)


def _frames(config: PredictConfig, context: RunContext, root: Path, spec: ClassifierSpec) -> FrameSource:
    if config.inputs.features is not None:
        store = FeatureStore.open(context.workspace.resolve(config.inputs.features))
        if store.dim != spec.frame_size:
            raise ConfigError(
                f"inputs.features: frames have {store.dim} values and the model wants {spec.frame_size}; "
                "give the features that it was trained on"
            )
        return StoredFrames(store, spec.max_frames)
    if spec.vision_config is None:
        raise ConfigError(
            "inputs.features: missing; this model was trained on stored features, so name the extract run"
        )
    preprocess = Preprocess(spec.resize, spec.crop, tuple(spec.pixel_mean), tuple(spec.pixel_std))
    return DecodedFrames(FrameFolder(root, config.data.split), preprocess, spec.max_frames)
