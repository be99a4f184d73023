"""The config of every stage: the single source of YAML checks, `--set`, forms and help texts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
from engine.config.training import ClassifierTraining, ContrastTraining, PretrainTraining

Split = Literal["labeled", "unlabeled", "test"]
Fold = Annotated[
    Annotated[int, Field(ge=0)] | Literal["full"],
    Field(description="validation fold; `full` trains on all labelled videos and has no validation score"),
]
Part = Literal["text", "frames", "vision", "video", "cross", "classifier"]
VisionInput = Annotated[
    RunRef | None,
    Field(description="contrast run whose vision tower to use, such as contrast@last; empty: model.vision"),
]


class ExtractData(DataSet):
    """Which videos to extract."""

    splits: list[Split] = Field(
        ["labeled", "unlabeled", "test"],
        min_length=1,
        description="splits to extract; absent ones are left out",
    )
    max_frames: int = Field(32, ge=1, le=512, description="frames kept of each video, spread over its length")


class VisionModel(Section):
    """The frame encoder."""

    vision: str = Field(min_length=1, description="folder or hub name of the vision backbone")
    preprocessing: Preprocessing = Preprocessing()


class ExtractInputs(Section):
    """Runs whose outputs this one builds on."""

    vision: VisionInput = None


class ExtractConfig(StageConfig):
    """Frames to frame embeddings with a vision backbone."""

    stage: Literal["extract"] = Field(description="frames to frame embeddings")
    data: ExtractData = ExtractData()
    model: VisionModel
    inputs: ExtractInputs = ExtractInputs()
    batch_frames: int = Field(256, ge=1, le=65536, description="frames per forward pass")
    shard_videos: int = Field(1024, ge=1, description="videos per shard: what a killed run redoes at most")
    precision: Precision = "auto"


class PretrainData(Sequence):
    """Which videos to learn from; labels are never looked at."""

    splits: list[Split] = Field(
        ["unlabeled", "labeled"],
        min_length=1,
        description="splits to learn from; absent ones are left out",
    )


class PretrainModel(Section):
    """Text and frames in one encoder."""

    text: str = Field(
        "models/sample/bert", min_length=1, description="folder or hub name of the text encoder"
    )


class PretrainInputs(Section):
    """Runs whose outputs this one builds on."""

    features: RunRef = Field(description="extract run, or feature store folder")
    init: RunRef | None = Field(None, description="pretrain run whose weights to start from")


Weight = Annotated[float, Field(ge=0, le=1000)]
Rate = Annotated[float, Field(gt=0, lt=1)]


class MaskedLanguage(Section):
    """Masked language modelling."""

    weight: Weight = Field(1.0, description="weight of the loss; 0 switches the task off")
    rate: Rate = Field(0.3, description="share of the text tokens to predict")


class MaskedFrame(Section):
    """Masked frame modelling."""

    weight: Weight = Field(0.5, description="weight of the loss; 0 switches the task off")
    rate: Rate = Field(
        0.15, description="share of the frames drawn; nine in ten of them are set to zero and predicted"
    )
    normalize: bool = Field(False, description="compare unit vectors instead of raw embeddings")
    temperature: float = Field(1.0, gt=0, le=100, description="divides the similarities; 1: none")


class FrameTextMatch(Section):
    """Whether frames and text belong together."""

    weight: Weight = Field(1.0, description="weight of the loss; 0 switches the task off")
    rate: Rate = Field(0.5, description="share of the videos that get another video's frames")


class FrameTextContrast(Section):
    """Title against frames, OCR and ASR."""

    weight: Weight = Field(1.0, description="weight of the loss; 0 switches the task off")
    temperature: Literal["learned", "fixed", "none"] = Field(
        "learned", description="learned starts at 0.07, fixed stays there, none is the original's"
    )


class MaskModality(Section):
    """One modality masked whole, predicted from the other."""

    weight: Weight = Field(1.0, description="weight of the text loss; frames weigh half; 0: task off")


class PretrainTasks(Section):
    """The five tasks; those with weight 0 are switched off."""

    mlm: MaskedLanguage = MaskedLanguage()
    mfm: MaskedFrame = MaskedFrame()
    ftm: FrameTextMatch = FrameTextMatch()
    ftc: FrameTextContrast = FrameTextContrast()
    mmm: MaskModality = MaskModality()

    @property
    def joint(self) -> bool:
        """Whether a task is on that needs text and frames together, neither of them masked whole."""
        return any(task.weight > 0 for task in (self.mlm, self.mfm, self.ftm))

    @property
    def masking(self) -> bool:
        """Whether a task is on that predicts something hidden, or judges a pair."""
        return self.joint or self.mmm.weight > 0

    @model_validator(mode="after")
    def _one_is_on(self) -> Self:
        if not self.masking and self.ftc.weight == 0:
            raise ValueError("all five are switched off: give one of them a weight above 0")
        return self


class PretrainConfig(StageConfig):
    """Single-stream pre-training: five tasks on unlabelled videos."""

    stage: Literal["pretrain"] = Field(description="learn text and frames from unlabelled videos")
    data: PretrainData = PretrainData()
    model: PretrainModel = PretrainModel()
    inputs: PretrainInputs
    tasks: PretrainTasks = PretrainTasks()
    training: PretrainTraining = PretrainTraining()
    checkpoints: Checkpoints = Checkpoints()


class ContrastData(PretrainData):
    """Which videos to learn from; labels are never looked at."""

    max_frames: int = Field(4, ge=1, le=512, description="frames of a video that the vision tower sees")
    max_tokens: int = Field(64, ge=4, le=4096, description="tokens of the title")


class ContrastModel(Section):
    """The two towers."""

    text: str = Field("models/sample/bert", min_length=1, description="folder or hub name of the text tower")
    vision: str = Field(
        "models/sample/clip", min_length=1, description="folder or hub name of the vision tower"
    )
    preprocessing: Preprocessing = Preprocessing()


class ContrastConfig(StageConfig):
    """Video-text contrastive pre-training of the vision tower."""

    stage: Literal["contrast"] = Field(description="learn frames and titles from one another")
    data: ContrastData = ContrastData()
    model: ContrastModel = ContrastModel()
    training: ContrastTraining = ContrastTraining()
    checkpoints: Checkpoints = Checkpoints()


class Labelled(Section):
    """Which labelled videos validate."""

    fold: Fold = 0
    folds: int = Field(5, ge=2, le=100, description="number of folds")
    split_seed: int = Field(802, ge=0, description="seed of the folds: equal for runs that are compared")


class FinetuneData(Sequence, Labelled):
    """Which videos to train on, and which to validate on."""


class Classifier(Section):
    """The classifier: text and frames in one encoder, or in two that look at each other."""

    kind: Literal["single_stream", "two_stream"] = Field(
        "single_stream", description="model family: VisualBERT style, or LXMERT style"
    )
    text: str = Field(
        "models/sample/bert", min_length=1, description="folder or hub name of the text encoder"
    )
    vision: str | None = Field(
        None, description="folder or hub name of the vision backbone; needed where no features are given"
    )
    pooling: Literal["masked_mean", "mean_all"] = Field(
        "masked_mean", description="mean over real positions, or over padding too as in the original"
    )
    video_layers: int = Field(6, ge=0, le=48, description="two_stream: layers over the frames")
    cross_layers: int = Field(3, ge=1, le=48, description="two_stream: cross-attention layers")
    trainable_vision_layers: int | None = Field(
        None, ge=0, description="last layers of the vision backbone that are trained; empty: all of it"
    )
    freeze: list[Part] = Field([], description="parts of the model that keep their first weights")
    init_parts: list[Part] | None = Field(
        None, description="parts to take from inputs.init; empty: all of it, and all must fit"
    )
    preprocessing: Preprocessing = Preprocessing()


class FinetuneInputs(Section):
    """Runs whose outputs this one builds on."""

    features: FeaturesInput = None
    init: RunRef | None = Field(None, description="run whose weights to start from, such as pretrain@last")
    vision: VisionInput = None


class FinetuneConfig(StageConfig):
    """Train a classifier on labelled videos."""

    stage: Literal["finetune"] = Field(description="train a classifier on labelled videos")
    data: FinetuneData = FinetuneData()
    model: Classifier = Classifier()
    inputs: FinetuneInputs = FinetuneInputs()
    training: ClassifierTraining = ClassifierTraining()
    checkpoints: Checkpoints = Checkpoints()


class BaselineData(DataSet, Labelled):
    """Which videos to train on, which to validate on, and which to classify."""

    predict: list[Split] = Field(
        ["test"], description="splits to classify besides the validation fold; absent ones are left out"
    )


class LinearModel(Section):
    """TF-IDF of all text, and a linear classifier over it."""

    kind: Literal["linear_svm", "logistic_regression"] = Field(
        "linear_svm", description="the linear classifier"
    )
    characters: int = Field(3, ge=0, le=8, description="longest character n-grams; 0: no characters")
    words: int = Field(1, ge=0, le=4, description="longest word n-grams; 0: no words")
    max_features: int = Field(
        100_000, ge=1, le=10_000_000, description="n-grams kept of characters and of words: the most frequent"
    )
    regularization: float = Field(
        1.0, gt=0, le=1e6, description="inverse strength of regularisation (C of scikit-learn)"
    )
    frames: float = Field(
        1.0, ge=0, le=100, description="weight of the mean frame embedding beside the text; 0: text only"
    )


class BaselineInputs(Section):
    """Runs whose outputs this one builds on."""

    features: RunRef | None = Field(
        None, description="extract run, or feature store folder; empty: text only"
    )


class BaselineConfig(StageConfig):
    """TF-IDF and a linear classifier: the line that deep models must beat."""

    stage: Literal["baseline"] = Field(description="TF-IDF and a linear classifier, in seconds")
    gpus: int = Field(0, ge=0, le=0, description="it runs on the CPU")
    data: BaselineData = BaselineData()
    model: LinearModel = LinearModel()
    inputs: BaselineInputs = BaselineInputs()


class PredictData(DataSet):
    """Which videos to classify."""

    split: Split = Field("test", description="split whose frames are read")
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


class EnsembleData(DataSet):
    """Which videos to classify."""

    split: Split | None = Field(
        "test", description="split to classify and write the submission of; empty: only validate"
    )


class EnsembleWeights(Section):
    """How members are weighted."""

    kind: Literal["equal", "given", "bagged", "greedy", "coordinate"] = Field(
        "bagged",
        description="on validation: bagged, greedy selection on resampled videos, averaged; greedy, forward "
        "selection; coordinate, each weight in turn",
    )
    values: list[Annotated[float, Field(ge=0, le=1000)]] = Field(
        [], description="given: one weight for each member, in their order"
    )


class EnsembleInputs(Section):
    """Runs whose outputs this one builds on."""

    members: list[RunRef] = Field(
        min_length=1,
        description="finetune, baseline, predict or ensemble runs; the folds of one model count as one member",
    )


class EnsembleConfig(StageConfig):
    """Weighted mean of members' probabilities, with an honest estimate of its score."""

    stage: Literal["ensemble"] = Field(description="average members' probabilities")
    data: EnsembleData = EnsembleData()
    inputs: EnsembleInputs
    weights: EnsembleWeights = EnsembleWeights()
    bootstrap: int = Field(200, ge=0, le=10000, description="resamples for the interval; 0: none")
    batch_size: int = Field(128, ge=1, le=65536, description="videos per forward pass of a member")
    precision: Precision = "auto"


STAGES: dict[str, type[StageConfig]] = {
    "extract": ExtractConfig,
    "pretrain": PretrainConfig,
    "contrast": ContrastConfig,
    "finetune": FinetuneConfig,
    "baseline": BaselineConfig,
    "predict": PredictConfig,
    "ensemble": EnsembleConfig,
}
