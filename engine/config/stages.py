"""The config of every stage: the single source of YAML checks, `--set`, forms and help texts."""

from typing import Annotated, Literal

from pydantic import Field

from engine.config.base import (
    Checkpoints,
    DataSet,
    FeaturesInput,
    Precision,
    Preprocessing,
    RunRef,
    Section,
    Sequence,
    StageConfig,
)


class ExtractData(DataSet):
    """Which videos to extract."""

    splits: list[Literal["labeled", "unlabeled", "test"]] = Field(
        ["labeled", "unlabeled", "test"],
        min_length=1,
        description="splits to extract; absent ones are left out",
    )
    max_frames: int = Field(32, ge=1, le=512, description="frames kept of each video, spread over its length")


class VisionModel(Section):
    """The frame encoder."""

    vision: str = Field(min_length=1, description="folder or hub name of the vision backbone")
    preprocessing: Preprocessing = Preprocessing()


class ExtractConfig(StageConfig):
    """Frames to frame embeddings with a vision backbone."""

    stage: Literal["extract"] = Field(description="frames to frame embeddings")
    data: ExtractData = ExtractData()
    model: VisionModel
    batch_frames: int = Field(256, ge=1, le=65536, description="frames per forward pass")
    shard_videos: int = Field(1024, ge=1, description="videos per shard: what a killed run redoes at most")
    precision: Precision = "auto"


class FinetuneData(Sequence):
    """Which videos to train on, and which to validate on."""

    fold: Annotated[int, Field(ge=0)] | Literal["full"] = Field(
        0, description="validation fold; `full` trains on all labelled videos and has no validation score"
    )
    folds: int = Field(5, ge=2, le=100, description="number of folds")
    split_seed: int = Field(802, ge=0, description="seed of the folds: equal for runs that are compared")


class SingleStream(Section):
    """VisualBERT-style classifier: text and frames in one encoder."""

    kind: Literal["single_stream"] = Field("single_stream", description="model family")
    text: str = Field(
        "models/sample/bert", min_length=1, description="folder or hub name of the text encoder"
    )
    vision: str | None = Field(
        None, description="folder or hub name of the vision backbone; needed where no features are given"
    )
    pooling: Literal["masked_mean", "mean_all"] = Field(
        "masked_mean", description="mean over real positions, or over padding too as in the original"
    )
    preprocessing: Preprocessing = Preprocessing()


class FinetuneInputs(Section):
    """Runs whose outputs this one builds on."""

    features: FeaturesInput = None
    init: RunRef | None = Field(None, description="run whose weights to start from, such as model-1@best")


class LearningRates(Section):
    """Peak learning rates of the parts of the model."""

    text: float = Field(5e-5, ge=0, le=1, description="text encoder, shared encoder")
    vision: float = Field(1e-5, ge=0, le=1, description="vision backbone")
    other: float = Field(5e-4, ge=0, le=1, description="parts that start from nothing")


class Adversarial(Section):
    """Adversarial training on the word embeddings."""

    kind: Literal["none", "fgm"] = Field("none", description="fgm: one step along the gradient")
    eps: float = Field(1.0, gt=0, le=100, description="norm of the perturbation")


class Training(Section):
    """The optimisation."""

    epochs: int = Field(5, ge=1, le=10000, description="passes over the training videos")
    batch_size: int = Field(64, ge=1, le=65536, description="videos per step")
    lr: LearningRates = LearningRates()
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="decay after the warm-up")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the steps in which rates rise from zero")
    weight_decay: float = Field(0.01, ge=0, le=1, description="none is applied to biases and layer norms")
    clip_grad_norm: float | None = Field(
        1.0, gt=0, description="gradient norm to clip to; empty: no clipping"
    )
    ema: float | None = Field(0.999, gt=0, lt=1, description="decay of the averaged weights; empty: none")
    adversarial: Adversarial = Adversarial()
    precision: Precision = "auto"


class FinetuneConfig(StageConfig):
    """Train a classifier on labelled videos."""

    stage: Literal["finetune"] = Field(description="train a classifier on labelled videos")
    data: FinetuneData = FinetuneData()
    model: SingleStream = SingleStream()
    inputs: FinetuneInputs = FinetuneInputs()
    training: Training = Training()
    checkpoints: Checkpoints = Checkpoints()


class PredictData(DataSet):
    """Which videos to classify."""

    split: Literal["labeled", "unlabeled", "test"] = Field("test", description="split whose frames are read")
    annotations: str | None = Field(
        None, description="annotations file, where it is not the split's own in the data set"
    )


class PredictInputs(Section):
    """Runs whose outputs this one builds on."""

    model: RunRef = Field(description="run whose checkpoint classifies, such as model-1@best")
    features: FeaturesInput = None


class PredictConfig(StageConfig):
    """Classify videos and write the submission file."""

    stage: Literal["predict"] = Field(description="classify videos, write the submission")
    data: PredictData = PredictData()
    inputs: PredictInputs
    batch_size: int = Field(128, ge=1, le=65536, description="videos per forward pass")
    precision: Precision = "auto"


STAGES: dict[str, type[StageConfig]] = {
    "extract": ExtractConfig,
    "finetune": FinetuneConfig,
    "predict": PredictConfig,
}
