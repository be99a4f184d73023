"""What a stage gets besides its config."""

from dataclasses import dataclass
from pathlib import Path

from engine.recorder import Recorder
from engine.workspace import Workspace


@dataclass(frozen=True)
class RunContext:
    """A run as its stage sees it: `resumed` says that an earlier attempt may have left a checkpoint to go on from."""

    run_dir: Path
    workspace: Workspace
    recorder: Recorder
    resumed: bool

    @property
    def checkpoints(self) -> Path:
        """Folder for checkpoints, made if missing."""
        folder = self.run_dir / "checkpoints"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def artifacts(self) -> Path:
        """Folder for other outputs, made if missing."""
        folder = self.run_dir / "artifacts"
        folder.mkdir(exist_ok=True)
        return folder
