"""What the members of an ensemble predict: what their runs wrote, the rest by a forward pass, once for the same frames.

Shapes: N videos, C classes.
"""

import logging
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.classify import Reader, classify, frame_source, reading
from engine.config.stages import EnsembleConfig, FinetuneConfig, Split
from engine.data.annotations import AnnotationTable, load_annotations
from engine.data.predictions import Predictions, write_predictions
from engine.data.splits import split_rows
from engine.data.taxonomy import Taxonomy
from engine.ensemble.members import Member, MemberRun
from engine.ensemble.validation import other_classes, written_validation
from engine.errors import DataError
from engine.models.checkpoint import WEIGHTS_FILE, load_classifier, load_spec
from engine.stages.context import RunContext
from engine.training.device import Compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)


def validation_of(
    members: Sequence[Member], config: EnsembleConfig, context: RunContext, compute: Compute
) -> list[list[Predictions]]:
    """Of each member, predictions of the videos that its runs did not train on, with their labels.

    A list is empty where there are none: all was trained on, or nobody knows what was.

    Raises:
        DataError: they are broken, or cannot be made.
    """
    found: dict[int, Predictions] = {}
    missing: dict[str, list[MemberRun]] = {}
    for run in [run for member in members for run in member.runs]:
        source = run.classifier or run
        written = written_validation(source)
        if written is not None:
            found[id(run)] = written
        elif source.checkpoint is not None and source.fold != "full":
            missing.setdefault(_fold_key(source), []).append(run)
    for group in missing.values():
        sources = [run.classifier or run for run in group]
        data = _finetune(sources[0]).data
        table = _annotations(data.root, "labeled", taxonomy_of(sources[0]), config, context)
        _, rows = split_rows(table.labels, data.fold, data.folds, data.split_seed)
        made = _cached(sources, table, rows, "labeled", data.root, config, context, compute)
        found |= {id(run): one for run, one in zip(group, made, strict=True)}
    return [[found[id(run)] for run in member.runs if id(run) in found] for member in members]


def classified(
    members: Sequence[Member],
    split: Split,
    config: EnsembleConfig,
    context: RunContext,
    compute: Compute,
    taxonomy: Taxonomy,
) -> tuple[list[str], list[NDArray[np.float32]]]:
    """Ids of the split's videos, and each member's probabilities [N, C] of them: the mean over its folds.

    Raises:
        DataError: a run wrote predictions of other videos, or none, or knows other classes.
    """
    table = _annotations(config.data.root, split, taxonomy, config, context)
    ids: list[str] = table.ids.tolist()
    runs = [run for member in members for run in member.runs]
    for run in runs:
        if taxonomy_of(run).codes != taxonomy.codes:
            raise other_classes(run.config.name, runs[0].config.name)
    made: dict[int, NDArray[Any]] = {}
    groups: dict[str, list[MemberRun]] = {}
    for run in runs:
        if run.checkpoint is None:
            made[id(run)] = _written(run, split, ids)
        else:
            groups.setdefault(_frames_key(run), []).append(run)
    for group in groups.values():
        rows = np.arange(len(table))
        found = _cached(group, table, rows, split, config.data.root, config, context, compute)
        made |= {id(run): one.probabilities for run, one in zip(group, found, strict=True)}
    means = [
        np.mean([np.asarray(made[id(run)], np.float32) for run in member.runs], axis=0) for member in members
    ]
    return ids, means


def taxonomy_of(run: MemberRun) -> Taxonomy:
    """The classes that a run knows.

    Raises:
        DataError: its checkpoint or its predictions are not whole.
    """
    if run.checkpoint is not None:
        return Taxonomy.from_dict(load_spec(run.checkpoint).taxonomy)
    artifacts = run.run_dir / "artifacts"
    folders = [artifacts / "predictions", artifacts / "predictions-val"]
    return Predictions.open(next((folder for folder in folders if folder.is_dir()), folders[0])).taxonomy


def _written(run: MemberRun, split: Split, ids: Sequence[str]) -> NDArray[np.float32]:
    """What a run without checkpoint wrote of the split, in the order of `ids`."""
    names = ["predictions"] if split == "test" else [f"predictions-{split}", "predictions"]
    folders = [run.run_dir / "artifacts" / name for name in names]
    predictions = Predictions.open(next((folder for folder in folders if folder.is_dir()), folders[0]))
    place = {video: position for position, video in enumerate(predictions.ids)}
    missing = [video for video in ids if video not in place]
    if missing:
        raise DataError(
            f"{predictions.folder}: has no prediction of {len(missing)} of the {len(ids)} videos of {split} (such as "
            f"{missing[0]}); classify that split with {run.config.name} first, or leave it out"
        )
    return predictions.probabilities[[place[video] for video in ids]].astype(np.float32)


def _cached(
    group: Sequence[MemberRun],
    table: AnnotationTable,
    rows: NDArray[np.int64],
    split: Split,
    root: str,
    config: EnsembleConfig,
    context: RunContext,
    compute: Compute,
) -> list[Predictions]:
    """Predictions of runs that look at the same frames; those that are not in the cache are made together."""
    cache = context.workspace.cache / "predictions"
    folders = [cache / _key(run, table, rows, root, compute) for run in group]
    missing = [number for number, folder in enumerate(folders) if not folder.is_dir()]
    if missing:
        readers = []
        frames = None
        for number in missing:
            checkpoint = group[number].checkpoint
            assert checkpoint is not None
            model, spec, tokenizer = load_classifier(checkpoint)
            frames = frames or frame_source(spec, _features(group[number]), root, split, context)
            readers.append(Reader(model, reading(table, spec, tokenizer, frames, context)))
        names = ", ".join(group[number].config.name for number in missing)
        log.info("%d videos of %s by %s on %s", len(rows), split, names, compute.name)
        speed = Speed()

        def told(done: int, videos: int) -> None:
            speed.add(videos=videos)
            if speed.due() or done == len(rows):
                context.recorder.progress(done, len(rows), unit="video")

        results = classify(
            readers,
            rows,
            data=config.data,
            batch_size=config.batch_size,
            compute=compute,
            context=context,
            told=told,
        )
        ids: list[str] = table.ids[rows].tolist()
        labels = table.labels[rows] if split == "labeled" else None
        for number, probabilities_NC in zip(missing, results, strict=True):
            fold = group[number].fold
            write_predictions(
                folders[number],
                ids,
                probabilities_NC,
                table.taxonomy,
                labels=labels,
                fold=fold if isinstance(fold, int) else None,
            )
    return [Predictions.open(folder) for folder in folders]


def _key(run: MemberRun, table: AnnotationTable, rows: NDArray[np.int64], root: str, compute: Compute) -> str:
    assert run.checkpoint is not None
    stat = (run.checkpoint / WEIGHTS_FILE).stat()
    parts = [run.checkpoint, stat.st_size, stat.st_mtime_ns, table.fingerprint, _features(run), root]
    digest = blake2b("\n".join(map(str, [*parts, compute.precision])).encode(), digest_size=12)
    digest.update(rows.tobytes())
    return digest.hexdigest()


def _annotations(
    root: str, split: Split, taxonomy: Taxonomy, config: EnsembleConfig, context: RunContext
) -> AnnotationTable:
    return load_annotations(
        context.workspace.resolve(root) / "annotations" / f"{split}.json",
        context.workspace.cache,
        taxonomy=taxonomy,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )


def _finetune(run: MemberRun) -> FinetuneConfig:
    assert isinstance(run.config, FinetuneConfig)
    return run.config


def _features(run: MemberRun) -> str | None:
    return _finetune(run).inputs.features


def _frames_key(run: MemberRun) -> str:
    """Equal for runs that look at the same frames of a video."""
    assert run.checkpoint is not None
    spec = load_spec(run.checkpoint)
    pixels = (spec.resize, spec.crop) if _features(run) is None else None
    return repr((_features(run), pixels, spec.max_frames))


def _fold_key(run: MemberRun) -> str:
    """Equal for runs that look at the same frames of the same validation videos, and know the same classes."""
    data = _finetune(run).data
    fold = (data.root, data.fold, data.folds, data.split_seed)
    return repr((_frames_key(run), fold, taxonomy_of(run).codes))
