"""Which finished runs a plan can take instead of computing the same again.

A finished run stands in for a planned one when both have the same config (but for names and places), the same inputs
with the same checkpoints, and nothing that it read or wrote has changed or gone since.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from engine.config.references import in_order, references_of
from engine.errors import RunError
from engine.store.database import Store
from engine.store.queries import finished_by_hash, run_detail
from engine.store.views import NewRun, RunDetail, Status
from engine.supervisor.needs import output_of
from engine.supervisor.rows import Source
from engine.workspace import Workspace

_OUTPUTS = ("features", "predictions", "submission", "validation")
_MODEL_FILES = ("config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt", "tokenizer.json")
Input = tuple[str, str, int, str | None]  # role, folder (or empty), run (or 0), checkpoint
Newest = Callable[[Path], float]


def mark_reused(workspace: Workspace, store: Store, runs: Sequence[NewRun]) -> list[NewRun]:
    """The plan with `reuses` set where a finished run stands in for a planned one."""
    finished = finished_by_hash(store)
    newest = cache(_newest)
    asked: dict[int, set[tuple[str, str | None]]] = {}
    for run in runs:
        for given in run.inputs:
            if given.in_batch:
                asked.setdefault(given.source_run, set()).add((given.role, given.which))
    reused: dict[int, int] = {}
    for index, run in enumerate(runs):
        if run.config_hash not in finished:
            continue
        inputs = _inputs_of_plan(workspace, run, reused)
        if inputs is None:
            continue
        for run_id in finished[run.config_hash]:
            if _stands_in(
                workspace, store, run_detail(store, run_id), inputs, asked.get(index, set()), newest
            ):
                reused[index] = run_id
                break
    return [replace(run, reuses=reused.get(index)) for index, run in enumerate(runs)]


def _stands_in(
    workspace: Workspace,
    store: Store,
    found: RunDetail,
    inputs: Sequence[Input],
    needed: set[tuple[str, str | None]],
    newest: Newest,
) -> bool:
    if found.run.started is None or _inputs_of_run(workspace, found) != inputs:
        return False
    started = found.run.started.replace(tzinfo=UTC)
    return not _changed_since(
        workspace, found.run.stage, found.config, inputs, started, newest
    ) and _outputs_are_there(workspace, store, found, needed)


def _inputs_of_plan(workspace: Workspace, run: NewRun, reused: Mapping[int, int]) -> list[Input] | None:
    """Inputs of a planned run; None where it builds on a run that will be made anew."""
    by_role: dict[str, list[tuple[int, str | None]]] = {}
    for given in run.inputs:
        source = reused.get(given.source_run) if given.in_batch else given.source_run
        if source is None:
            return None
        by_role.setdefault(given.role, []).append((source, given.which))
    return list(_inputs(workspace, run.config, by_role))


def _inputs_of_run(workspace: Workspace, found: RunDetail) -> list[Input]:
    by_role: dict[str, list[tuple[int, str | None]]] = {}
    for given in found.inputs:
        by_role.setdefault(given.role, []).append((given.source_run, given.which))
    return list(_inputs(workspace, found.config, by_role))


def _inputs(
    workspace: Workspace, config: Mapping[str, Any], by_role: Mapping[str, Sequence[tuple[int, str | None]]]
) -> Iterator[Input]:
    for role, given in config.get("inputs", {}).items():
        for one in in_order(references_of(given), by_role.get(role, ())):
            if isinstance(one, str):
                yield role, str(workspace.resolve(one)), 0, None
            else:
                yield role, "", *one


def _changed_since(
    workspace: Workspace,
    stage: str,
    config: Mapping[str, Any],
    inputs: Sequence[Input],
    moment: datetime,
    newest: Newest,
) -> bool:
    """Whether data, models or folders that the run reads were written after `moment`; what is not there was not."""
    paths = [Path(folder) for _, folder, _, _ in inputs if folder]
    limit = moment.timestamp()
    data = config.get("data", {})
    if "root" in data:
        root, splits = workspace.resolve(data["root"]), _splits_read(stage, data)
        paths += _data_paths(root, splits)
        reads_frames = not any(role == "features" for role, *_ in inputs)
        if reads_frames and any(newest(root / "zip_frames" / split) > limit for split in splits):
            return True
    if data.get("annotations"):
        paths.append(workspace.resolve(data["annotations"]))
    for name in (config.get("model", {}).get("text"), config.get("model", {}).get("vision")):
        if name:
            paths += [workspace.resolve(name) / file for file in _MODEL_FILES]
    return any(_written(path) > limit for path in paths)


def _data_paths(root: Path, splits: Sequence[str]) -> Iterator[Path]:
    yield root / "categories.json"
    yield root / "zip_frames"
    yield root / "zip_feats"
    for split in splits:
        yield root / "annotations" / f"{split}.json"
        yield root / "zip_frames" / split
        yield root / "zip_feats" / f"{split}.zip"


def _splits_read(stage: str, data: Mapping[str, Any]) -> list[str]:
    named = data.get("splits") or [*data.get("predict", ()), data.get("split")]
    labelled = ["labeled"] if stage in ("finetune", "baseline", "ensemble") else []
    return [split for split in [*labelled, *named] if split]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _newest(folder: Path) -> float:
    """When anything below a folder was last written: a zip replaced in place leaves no trace in its folder's time."""
    found = _written(folder)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                found = max(found, _newest(path) if entry.is_dir(follow_symlinks=False) else _written(path))
    except OSError:
        pass
    return found


def _outputs_are_there(
    workspace: Workspace, store: Store, found: RunDetail, needed: set[tuple[str, str | None]]
) -> bool:
    """What the plan asks of the run, and what it was made for, is still on disk."""
    run = found.run
    folder = workspace.root / run.directory
    wanted = [made.path for made in found.artifacts if made.kind in _OUTPUTS]
    if found.checkpoints:
        needed = needed | {("model", None)}
    for role, which in needed:
        source = Source(role, which, run.id, run.name, run.directory, Status.FINISHED, deleted=False)
        try:
            wanted.append(output_of(store, source))
        except RunError:
            return False
    return all((folder / path).exists() for path in wanted)
