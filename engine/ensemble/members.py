"""Members of an ensemble: finished runs, the folds of one model together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config.base import StageConfig
from engine.config.load import CONFIG_FILE, load_run_config, plain
from engine.config.stages import FinetuneConfig, PredictConfig
from engine.errors import DataError
from engine.folds import model_of, name_together, together
from engine.workspace import Workspace


@dataclass(frozen=True)
class MemberRun:
    """One finished run: a classifier's checkpoint, or the predictions that it wrote where `checkpoint` is None.

    Attributes:
        classifier: of a predict run, the run whose checkpoint classified, where it is in a run's directory.
    """

    run_dir: Path
    config: StageConfig
    checkpoint: Path | None
    model: str
    classifier: "MemberRun | None" = None

    @property
    def fold(self) -> object:
        """The fold that it did not train on: a number, `full` where there is none, None where it is not known."""
        if self.classifier is not None:
            return self.classifier.fold
        return getattr(getattr(self.config, "data", None), "fold", None)


@dataclass(frozen=True)
class Member:
    """One voice in the ensemble: a run, or the runs of several folds. No two members have the same name."""

    name: str
    runs: list[MemberRun]


def find_members(paths: Sequence[Path], workspace: Workspace) -> list[Member]:
    """Members in the order given; runs of different folds of one model are one.

    Args:
        paths: checkpoint folders, or folders of predictions, in their runs' directories.

    Raises:
        DataError: a path is neither.
    """
    runs = [_member_run(path, workspace) for path in paths]
    groups = together([run.model for run in runs], [run.fold for run in runs])
    members = [[runs[position] for position in group] for group in groups]
    names = [name_together([run.config.name for run in own]) for own in members]
    times = Counter(names)
    return [
        Member(name if times[name] == 1 else own[0].run_dir.name, own)
        for name, own in zip(names, members, strict=True)
    ]


def _member_run(path: Path, workspace: Workspace) -> MemberRun:
    if path.parent.name not in ("checkpoints", "artifacts"):
        raise DataError(
            f"inputs.members: {path} is in no run's directory; name runs, or checkpoint folders of runs"
        )
    run_dir = path.parent.parent
    config = load_run_config(run_dir)
    checkpoint = path if path.parent.name == "checkpoints" else None
    if checkpoint is not None and not isinstance(config, FinetuneConfig):
        raise DataError(f"inputs.members: {config.name} is of stage {config.stage}, which classifies nothing")
    classifier = None
    if isinstance(config, PredictConfig):
        made_by = workspace.resolve(config.inputs.model)
        if made_by.parent.name == "checkpoints" and (made_by.parent.parent / CONFIG_FILE).is_file():
            classifier = _member_run(made_by, workspace)
    return MemberRun(run_dir, config, checkpoint, _model_of(config, workspace), classifier)


def _model_of(config: StageConfig, workspace: Workspace) -> str:
    settings = plain(config)
    inputs = {role: _stands_for(given, workspace) for role, given in settings.get("inputs", {}).items()}
    return model_of(settings, inputs)


def _stands_for(given: Any, workspace: Workspace) -> Any:
    """The model of a run that has a fold of its own, so that it is the same for all folds; else the path as it is."""
    if isinstance(given, list):
        return [_stands_for(one, workspace) for one in given]
    if given is None:
        return None
    run_dir = workspace.resolve(given).parent.parent
    if not (run_dir / CONFIG_FILE).is_file():
        return given
    source = load_run_config(run_dir)
    return _model_of(source, workspace) if hasattr(getattr(source, "data", None), "fold") else given
