"""A pipeline file: several runs and what each needs of the others."""

from typing import Annotated, Any

from pydantic import Field

from engine.config.base import Section


class PipelineRun(Section):
    """One run of a pipeline."""

    config: str = Field(min_length=1, description="stage file, relative to the pipeline file")
    inputs: dict[str, str | list[str] | None] = Field(
        {}, description="role to a run of this pipeline, or to any run; empty: none, whatever the file names"
    )
    set: dict[str, Any] = Field({}, description="settings by dotted key, over those of the file")
    matrix: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="dotted key to values: the run is made once for every combination"
    )


class PipelineConfig(Section):
    """Runs by name."""

    name: str = Field(min_length=1, max_length=200, description="the experiment that groups the runs")
    runs: dict[str, PipelineRun] = Field(min_length=1, description="the runs, by name")
