"""What an ensemble run has left behind: its report, and its submission file."""

import json
from dataclasses import dataclass
from typing import Any

from engine.errors import DataError
from engine.store.database import Store
from engine.store.queries import artifact_of, run_row
from engine.workspace import Workspace


@dataclass(frozen=True)
class EnsembleResult:
    """The report (see `engine.ensemble_report`) and the submission's path in the workspace; None where not written."""

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
    report = None
    if "report" in paths:
        path = workspace.root / paths["report"]
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: the report cannot be read ({error}); run the ensemble again") from error
        if not isinstance(report, dict) or not {"weights", "members", "ensemble"} <= report.keys():
            raise DataError(f"{path}: this is no report of an ensemble; run it again")
    return EnsembleResult(report, paths.get("submission"))
