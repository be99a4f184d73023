"""Settings of the optimisation: rates, schedule, averaging, adversarial training, precision and memory."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from engine.config.base import Precision, Section

_AWP_LARGEST = 0.1


class Rates(Section):
    """Peak learning rates by part of the model."""

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, given: Any) -> Any:
        """A single number, as in `--set training.lr=3e-5`, is every part's rate."""
        single = isinstance(given, int | float) and not isinstance(given, bool)
        return dict.fromkeys(cls.model_fields, given) if single else given


class LearningRates(Rates):
    """Peak learning rates of the parts of the model; a single number is every part's."""

    text: float = Field(5e-5, ge=0, le=1, description="text encoder, shared encoder, cross-attention")
    vision: float = Field(1e-5, ge=0, le=1, description="vision backbone")
    other: float = Field(5e-4, ge=0, le=1, description="parts that start from nothing")


class PretrainRates(LearningRates):
    """Peak learning rates of the parts of the model; a single number is every part's."""

    text: float = Field(1e-4, ge=0, le=1, description="encoder")
    other: float = Field(5e-4, ge=0, le=1, description="heads and frame embeddings")


class ContrastRates(Rates):
    """Peak learning rates of the two towers; a single number is every part's."""

    text: float = Field(5e-5, ge=0, le=1, description="text tower")
    vision: float = Field(5e-6, ge=0, le=1, description="vision tower")
    scale: float = Field(1e-5, ge=0, le=1, description="logit scale")
    other: float = Field(5e-4, ge=0, le=1, description="projections, where the towers differ in size")


class Adversarial(Section):
    """Adversarial training: FGM and PGD move the word embeddings, AWP the weight matrices."""

    kind: Literal["none", "fgm", "pgd", "awp"] = Field(
        "none", description="fgm: one step; pgd: several, projected; awp: one step on the weights"
    )
    eps: float = Field(
        1.0,
        gt=0,
        le=100,
        description="norm of the perturbation; for awp relative to each matrix's own norm, such as 0.005",
    )
    alpha: float = Field(0.3, gt=0, le=100, description="norm of one pgd step")
    steps: int = Field(3, ge=1, le=100, description="pgd steps")

    @model_validator(mode="after")
    def _awp_is_relative(self) -> Self:
        if self.kind == "awp" and self.eps > _AWP_LARGEST:
            raise ValueError(f"eps is relative for awp: set adversarial.eps to at most {_AWP_LARGEST:g}")
        return self


class Training(Section):
    """The optimisation."""

    epochs: int = Field(5, ge=1, le=10000, description="passes over the training videos")
    batch_size: int = Field(64, ge=1, le=65536, description="videos per step, over all GPUs")
    accumulate: int = Field(
        1, ge=1, le=4096, description="forward passes that a step is split into, to save memory"
    )
    lr: LearningRates = LearningRates()
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="decay after the warm-up")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the steps in which rates rise from zero")
    weight_decay: float = Field(0.01, ge=0, le=1, description="none is applied to biases and layer norms")
    clip_grad_norm: float | None = Field(
        1.0, gt=0, description="gradient norm to clip to; empty: no clipping"
    )
    ema: float | None = Field(0.999, gt=0, lt=1, description="decay of the averaged weights; empty: none")
    precision: Precision = "auto"
    compile: bool = Field(False, description="torch.compile the model: slower to start, faster to run")
    checkpoint_activations: bool = Field(
        False, description="recompute activations in the backward pass: less memory, a third more time"
    )


class ClassifierTraining(Training):
    """The optimisation."""

    adversarial: Adversarial = Adversarial()
    evaluate_every: int | None = Field(
        None, ge=1, description="steps between evaluations within an epoch; empty: only at its end"
    )


class PretrainTraining(Training):
    """The optimisation."""

    epochs: int = Field(15, ge=1, le=10000, description="passes over the videos")
    batch_size: int = Field(
        128, ge=4, le=65536, description="videos per step, over all GPUs; others of the batch are negatives"
    )
    lr: PretrainRates = PretrainRates()
    ema: float | None = Field(None, gt=0, lt=1, description="decay of the averaged weights; empty: none")


class ContrastTraining(Training):
    """The optimisation."""

    epochs: int = Field(15, ge=1, le=10000, description="passes over the videos")
    batch_size: int = Field(
        256, ge=2, le=65536, description="videos per step, over all GPUs; others of the batch are negatives"
    )
    lr: ContrastRates = ContrastRates()  # type: ignore[assignment]
    ema: float | None = Field(None, gt=0, lt=1, description="decay of the averaged weights; empty: none")
