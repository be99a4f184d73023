"""What an ensemble run has left behind: its report, and its submission file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from engine.data.regular import require_regular
from engine.errors import DataError
from engine.format import brief, size
from engine.store.database import Store
from engine.store.queries import artifact_of, run_row
from engine.workspace import Workspace

_MOST_BYTES = 16 << 20
_Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]  # NaN and infinity are neither
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Named(msgspec.Struct):
    name: str
    runs: list[str]
    weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class _Scores(msgspec.Struct):
    f1_mean: _Number
    levels: Annotated[list[tuple[_Number, _Number]], msgspec.Meta(max_length=64)]


class _Scored(_Named):
    f1_mean: _Number
    levels: Annotated[list[tuple[_Number, _Number]], msgspec.Meta(max_length=64)]
    without: _Number | None


class _Unscored(msgspec.Struct):
    """A report where nothing could be estimated."""

    weights: str
    members: list[_Named]
    ensemble: None


class _Report(msgspec.Struct):
    """A report with scores, as `engine.ensemble.report` writes it."""

    weights: str
    members: list[_Scored]
    ensemble: _Scores
    videos: _Count
    folds: _Count
    in_sample: _Number
    equal: _Number
    selection_noise: _Number
    best_member: str
    gain: _Number
    interval: tuple[_Number, _Number] | msgspec.UnsetType = msgspec.UNSET
    gain_interval: tuple[_Number, _Number] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class EnsembleResult:
    """The report (see `engine.ensemble.report`) and the submission's path in the workspace; None where not written."""

    report: dict[str, Any] | None = None
    submission: str | None = None


def ensemble_result(workspace: Workspace, store: Store, run_id: int) -> EnsembleResult:
    """What a run has left behind.

    Raises:
        RunError: there is no such run.
        DataError: its report is missing or broken.
    """
    directory = run_row(store, run_id).directory
    made = {kind: artifact_of(store, run_id, kind) for kind in ("report", "submission")}
    paths = {kind: f"{directory}/{one.path}" for kind, one in made.items() if one is not None}
    report = read_report(workspace.root / paths["report"]) if "report" in paths else None
    return EnsembleResult(report, paths.get("submission"))


def read_report(path: Path) -> dict[str, Any]:
    """The report of an ensemble as plain data, with everything in it that it should have.

    Raises:
        DataError: it is missing or broken, or no report.
    """
    require_regular(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"larger than {size(_MOST_BYTES)}")
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = brief(str(error), 200)
        raise DataError(f"{path}: the report cannot be read ({reason}); run the ensemble again") from error
    try:
        scored = isinstance(report, dict) and report.get("ensemble") is not None
        told = msgspec.convert(report, _Report if scored else _Unscored)
        if isinstance(told, _Report):
            _require_whole(told)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        reason = brief(str(error), 200)
        raise DataError(f"{path}: this is no report of an ensemble ({reason}); run it again") from error
    assert isinstance(report, dict)
    return report


def _require_whole(report: _Report) -> None:
    levels = len(report.ensemble.levels)
    if any(len(one.levels) != levels for one in report.members):
        raise ValueError("members and ensemble have different levels")
    if (report.interval is msgspec.UNSET) != (report.gain_interval is msgspec.UNSET):
        raise ValueError("only one of interval and gain_interval is there")
