"""A run of a stage carried out in the test's own process."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.config.base import StageConfig
from engine.recorder import Recorder
from engine.records import RECORDS_FILE, AnyRecord, read_records
from engine.stages.context import RunContext
from engine.workspace import Workspace


class StopAfter(Recorder):
    """Asked to stop once it has logged `step`."""

    def __init__(self, run_dir: Path, step: int | None) -> None:
        super().__init__(run_dir)
        self.stop_step = step

    def log(self, step: int, values: Any) -> None:
        super().log(step, values)
        if step == self.stop_step:
            self.request_stop()


class Run:
    """One run's directory, carried out in this process."""

    def __init__(self, world: Path, directory: Path, config: StageConfig) -> None:
        self.directory = directory
        self.workspace = Workspace.open(world)
        self.config = config

    def go(self, *, resumed: bool = False, stop_after: int | None = None) -> "Run":
        """Run the stage; `stop_after` asks it to stop when it has logged that step."""
        stage = importlib.import_module(f"engine.stages.{self.config.stage}")
        with StopAfter(self.directory, stop_after) as recorder:
            stage.run(self.config, RunContext(self.directory, self.workspace, recorder, resumed))
        return self

    @property
    def records(self) -> list[AnyRecord]:
        """Everything it reported."""
        return list(read_records(self.directory / RECORDS_FILE, 0).records)


NewRun = Callable[..., Run]
