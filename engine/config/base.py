"""What the configs of all stages share: strictness, identity, data set, checkpoints."""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    Field(description="auto: bf16 where the GPU has it, else fp16; fp32 on the CPU"),
]
RunRef = Annotated[str, Field(min_length=1)]
FeaturesInput = Annotated[
    RunRef | None,
    Field(description="extract run, or feature store folder; empty: from the frames themselves"),
]


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        protected_namespaces=(),
    )


class StageConfig(Section):
    """One run of one stage."""

    stage: str = Field(description="what the run computes")
    name: str = Field("", max_length=200, description="how people call the run; the stage's name when empty")
    experiment: str | None = Field(None, max_length=200, description="group of runs it belongs to")
    seed: int = Field(802, ge=0, le=2**31 - 1, description="every random choice derives from it")
    gpus: int = Field(1, ge=0, le=64, description="GPUs to run on; 0 is the CPU only")
    priority: int = Field(0, ge=-1000, le=1000, description="higher ones leave the queue first")
    tags: list[str] = Field([], description="words to find the run by")
    notes: str = Field("", description="free text for people")

    @field_validator("name", "experiment")
    @classmethod
    def _name_is_one_printable_line(cls, name: str | None) -> str | None:
        for position, char in enumerate(name or ""):
            if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
                raise ValueError(
                    f"has the control character U+{ord(char):04X} at position {position + 1}; "
                    "use printable characters"
                )
        return name

    @field_validator("name")
    @classmethod
    def _name_cannot_be_taken_for_a_reference(cls, name: str) -> str:
        if name.isdecimal() or "@" in name or name != name.strip():
            raise ValueError("must not be a number, hold '@' or start or end with a blank")
        return name

    def model_post_init(self, _context: Any) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.stage)


class DataSet(Section):
    """Where the videos are and how broken ones are treated."""

    root: str = Field("data/sample", min_length=1, description="data set folder, relative to the workspace")
    on_error: Literal["skip", "fail"] = Field("skip", description="what a broken video does to the run")
    max_skipped: float = Field(
        0.05, ge=0, le=1, description="share of broken videos above which the run fails all the same"
    )
    workers: int = Field(
        0, ge=0, le=256, description="processes that decode frames; 0 decodes in the run itself"
    )


class Sequence(DataSet):
    """How a video becomes one sequence of tokens and frames."""

    max_frames: int = Field(16, ge=1, le=512, description="frames of a video that the model sees")
    max_tokens: int = Field(256, ge=4, le=4096, description="tokens of title, OCR and ASR together")


class Preprocessing(Section):
    """How a frame becomes the vision backbone's input."""

    statistics: Literal["backbone", "imagenet"] = Field(
        "backbone",
        description="pixel mean and deviation, short side and crop: the backbone's own; or, as in the original, "
        "ImageNet's, and 224 pixels out of 256",
    )


class Checkpoints(Section):
    """When training state is saved and how much of it is kept."""

    every_epochs: int = Field(
        1, ge=1, description="epochs between checkpoints; the last epoch always has one"
    )
    every_steps: int | None = Field(None, ge=1, description="steps between checkpoints within an epoch")
    keep: int = Field(2, ge=1, description="newest checkpoints to keep; the best is kept besides")
