"""Members of an ensemble: finished runs, folds of one model together, and their predictions, made where missing.

Shapes: N videos, C classes.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.classify import Reader, classify, frame_source, reading
from engine.config.base import StageConfig
from engine.config.load import load_run_config, plain
from engine.config.stages import EnsembleConfig, FinetuneConfig, Split
from engine.data.annotations import AnnotationTable, load_annotations
from engine.data.predictions import Predictions, write_predictions
from engine.data.splits import split_rows
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.models.checkpoint import WEIGHTS_FILE, ClassifierSpec, load_classifier, load_spec
from engine.stages.context import RunContext
from engine.training.device import Compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)
_SAME_MODEL = {"name", "experiment", "tags", "notes", "priority", "gpus"}


@dataclass(frozen=True)
class MemberRun:
    """One finished run: a classifier's checkpoint, or the predictions that it wrote where `checkpoint` is None."""

    run_dir: Path
    config: StageConfig
    checkpoint: Path | None

    @property
    def fold(self) -> object:
        """Its validation fold, None where it has none."""
        return getattr(getattr(self.config, "data", None), "fold", None)

    def same_model(self) -> str:
        """Equal for runs that differ in nothing but their fold."""
        settings = {key: value for key, value in plain(self.config).items() if key not in _SAME_MODEL}
        if "fold" in settings.get("data", {}):
            settings["data"] = settings["data"] | {"fold": None}
        return json.dumps([settings, self.fold == "full"], sort_keys=True)


@dataclass(frozen=True)
class Member:
    """One voice in the ensemble: a run, or the runs of several folds."""

    name: str
    runs: list[MemberRun]


def find_members(paths: Sequence[Path]) -> list[Member]:
    """Members in the order given; runs of different folds of one model are one.

    Args:
        paths: checkpoint folders, or folders of predictions, in their runs' directories.

    Raises:
        DataError: a path is neither.
    """
    members: list[Member] = []
    by_model: dict[str, Member] = {}
    for path in paths:
        run = _member_run(path)
        same = by_model.get(run.same_model())
        if same is not None and isinstance(run.fold, int) and run.fold not in [one.fold for one in same.runs]:
            same.runs.append(run)
            continue
        member = Member(run.config.name, [run])
        members.append(member)
        by_model[run.same_model()] = member
    return members


def _member_run(path: Path) -> MemberRun:
    if path.parent.name == "checkpoints":
        run_dir, checkpoint = path.parent.parent, path
    elif path.parent.name == "artifacts":
        run_dir, checkpoint = path.parent.parent, None
    else:
        raise DataError(
            f"inputs.members: {path} is in no run's directory; name runs, or checkpoint folders of runs"
        )
    config = load_run_config(run_dir)
    if checkpoint is not None and not isinstance(config, FinetuneConfig):
        raise DataError(f"inputs.members: {config.name} is a {config.stage} run: it classifies nothing")
    return MemberRun(run_dir, config, checkpoint)


def validation_of(
    member: Member, config: EnsembleConfig, context: RunContext, compute: Compute
) -> list[Predictions]:
    """Predictions of the videos that each of the member's runs did not train on, with their labels.

    Returns an empty list where there are none: all was trained on, or the run predicts only.

    Raises:
        DataError: they are broken, or cannot be made.
    """
    found = []
    for run in member.runs:
        folder = run.run_dir / "artifacts" / "predictions-val"
        if folder.is_dir():
            predictions = Predictions.open(folder)
            if run.checkpoint is None or predictions.meta.get("checkpoint") == run.checkpoint.name:
                found.append(predictions)
                continue
        if run.checkpoint is not None and run.fold != "full":
            found.append(_classified_fold(run, config, context, compute))
    return [predictions for predictions in found if predictions.labels is not None]


def _classified_fold(
    run: MemberRun, config: EnsembleConfig, context: RunContext, compute: Compute
) -> Predictions:
    assert isinstance(run.config, FinetuneConfig)
    data = run.config.data
    spec = _spec(run)
    path = context.workspace.resolve(data.root) / "annotations" / "labeled.json"
    table = _annotations(path, Taxonomy.from_dict(spec.taxonomy), config, context)
    _, rows = split_rows(table.labels, data.fold, data.folds, data.split_seed)
    (found,) = _cached([run], table, rows, "labeled", data.root, config, context, compute)
    return found


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
        DataError: a run wrote predictions of other videos, or none.
    """
    path = context.workspace.resolve(config.data.root) / "annotations" / f"{split}.json"
    table = _annotations(path, taxonomy, config, context)
    ids: list[str] = table.ids.tolist()
    runs = [run for member in members for run in member.runs]
    made: dict[int, NDArray[Any]] = {}
    rows = np.arange(len(table))
    # Those that look at the same frames are run together, so that every frame is read and decoded once.
    groups: dict[str, list[MemberRun]] = {}
    for run in runs:
        if run.checkpoint is not None:
            groups.setdefault(_frames_key(run), []).append(run)
    for group in groups.values():
        found = _cached(group, table, rows, split, config.data.root, config, context, compute)
        made |= {id(run): one.probabilities for run, one in zip(group, found, strict=True)}
    for run in runs:
        if run.checkpoint is None:
            made[id(run)] = _written(run, split, ids)
    means = [
        np.mean([np.asarray(made[id(run)], np.float32) for run in member.runs], axis=0) for member in members
    ]
    return ids, means


def _written(run: MemberRun, split: Split, ids: Sequence[str]) -> NDArray[np.float32]:
    """What a run without checkpoint wrote of the split, in the order of `ids`."""
    names = ["predictions"] if split == "test" else [f"predictions-{split}", "predictions"]
    folder = next(
        (run.run_dir / "artifacts" / name for name in names if (run.run_dir / "artifacts" / name).is_dir()),
        run.run_dir / "artifacts" / names[0],
    )
    predictions = Predictions.open(folder)
    place = {video: position for position, video in enumerate(predictions.ids)}
    missing = [video for video in ids if video not in place]
    if missing:
        raise DataError(
            f"{folder}: has no prediction of {len(missing)} of the {len(ids)} videos of {split} (such as "
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
    """Predictions of the runs of one group; those that are not in the cache are made together."""
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
            meta = {"fold": group[number].fold} if isinstance(group[number].fold, int) else {}
            write_predictions(folders[number], ids, probabilities_NC, table.taxonomy, labels=labels, **meta)  # type: ignore[arg-type]
    return [Predictions.open(folder) for folder in folders]


def _key(run: MemberRun, table: AnnotationTable, rows: NDArray[np.int64], root: str, compute: Compute) -> str:
    assert run.checkpoint is not None
    stat = (run.checkpoint / WEIGHTS_FILE).stat()
    parts = [run.checkpoint, stat.st_size, stat.st_mtime_ns, table.fingerprint, _features(run), root]
    digest = blake2b("\n".join(map(str, [*parts, compute.precision])).encode(), digest_size=12)
    digest.update(rows.tobytes())
    return digest.hexdigest()


def _annotations(
    path: Path, taxonomy: Taxonomy, config: EnsembleConfig, context: RunContext
) -> AnnotationTable:
    return load_annotations(
        path,
        context.workspace.cache,
        taxonomy=taxonomy,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )


def _spec(run: MemberRun) -> ClassifierSpec:
    assert run.checkpoint is not None
    return load_spec(run.checkpoint)


def _features(run: MemberRun) -> str | None:
    assert isinstance(run.config, FinetuneConfig)
    return run.config.inputs.features


def _frames_key(run: MemberRun) -> str:
    spec = _spec(run)
    pixels = (spec.resize, spec.crop) if _features(run) is None else None
    return repr((_features(run), pixels, spec.max_frames))
