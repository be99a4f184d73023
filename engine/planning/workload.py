"""What a run has to compute and to hold: parameters, operations and activations, counted by formula.

A backward pass costs twice a forward one (Kaplan et al. 2020). Activations follow Korthikanti et al. 2022
(arXiv:2205.05198): a layer keeps 18 D + 4 I bytes a position in 16 bits, twice that in 32; attention itself keeps none,
as its fused kernels recompute it.

D hidden size, I size of the feed-forward blocks, L positions, T text tokens, F frames, S = F + 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.data.quick_count import count_classes, count_videos
from engine.planning import model_cost, shapes
from engine.planning.model_cost import cross_layer_operations, frame_operations, layer_operations
from engine.planning.shapes import TextShape, UnknownModelError, VisionShape
from engine.workspace import Workspace

# As the challenge's data: 12 of 32 frames are there on average, and texts fill two thirds of 256 tokens in batches
# that are padded to their longest.
MEAN_FRAMES = 12
TEXT_SHARE = 2 / 3
TITLE_SHARE = 1 / 6
_MASTER, _GRADIENT, _ADAM = 4, 4, 8  # bytes a weight: fp32 weights, their gradients, AdamW's two means
_HALF = 2


@dataclass(frozen=True)
class Described:
    """A run to look at: its config, and by role what it builds on: runs, or folders."""

    stage: str
    config: Mapping[str, Any]
    sources: Mapping[str, Sequence["Described | str"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """A run's cost, but for the speed of the machine.

    Attributes:
        parameters: of the model; 0 where it has none.
        trained: those that the optimiser moves.
        operations: of the whole run.
        memory: bytes on one device, without what the libraries themselves take.
        frames: frames decoded in the whole run.
        videos: those it reads, once.
        assumed: how many of which split were taken for granted, in words; empty where the data set is there.
    """

    parameters: int
    trained: int
    operations: float
    memory: float
    frames: float = 0.0
    videos: int = 0
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Model:
    """A classifier's parts: `encoder` without the vision backbone."""

    text: TextShape
    vision: VisionShape | None
    encoder: int
    forward: float  # operations of a video of the usual length, without vision
    longest: int  # positions of the longest video
    layers: int


def workload(workspace: Workspace, run: Described) -> Workload:
    """What the run costs.

    Raises:
        UnknownModelError: a model's size, or the stage's cost, cannot be told.
    """
    count = _COUNT.get(run.stage)
    if count is None:
        raise UnknownModelError(f"{run.stage}: no model")
    data = run.config["data"]
    named = workspace.resolve(data["annotations"]) if data.get("annotations") else None
    videos = count_videos(_annotations(workspace, data), _splits(run), named)
    return replace(count(workspace, run, videos.number), videos=videos.number, assumed=videos.assumed)


def reduced(config: Mapping[str, Any]) -> bool:
    """Whether the run computes in 16 bits."""
    precision = config.get("training", config).get("precision", "auto")
    return precision in ("bf16", "fp16") or (precision == "auto" and config["gpus"] > 0)


def _extract(workspace: Workspace, run: Described, videos: int) -> Workload:
    config = run.config
    vision = _vision_of(workspace, run)
    frames = videos * min(config["data"]["max_frames"], MEAN_FRAMES)
    weights = vision.parameters * _MASTER
    batch = config["batch_frames"] * vision.tokens * _kept(vision.hidden, vision.inner, config)
    pixels = config["batch_frames"] * vision.channels * vision.image**2 * 5
    return Workload(vision.parameters, 0, frames * frame_operations(vision), weights + batch + pixels, frames)


def _finetune(workspace: Workspace, run: Described, videos: int) -> Workload:
    config, training, data = run.config, run.config["training"], run.config["data"]
    model = _classifier(workspace, run)
    folds = data["folds"]
    train, valid = (videos, 0) if data["fold"] == "full" else (videos * (folds - 1) / folds, videos / folds)
    attack = training["adversarial"]
    passes = 1 + {"none": 0, "pgd": attack["steps"]}.get(attack["kind"], 1)
    frames = min(data["max_frames"], MEAN_FRAMES) if model.vision else 0
    vision = frames * frame_operations(model.vision) if model.vision else 0.0
    last = config["model"]["trainable_vision_layers"]
    frozen = set(config["model"]["freeze"])
    moved = 0
    if model.vision and "vision" not in frozen:
        moved = model.vision.trained_parameters(last)
    share = moved / model.vision.parameters if model.vision else 0.0
    trained = moved + (0 if "text" in frozen else model.encoder)
    operations = training["epochs"] * (
        train * (3 * passes * model.forward + (1 + 2 * share) * vision) + valid * (model.forward + vision)
    )
    parameters = model.encoder + (model.vision.parameters if model.vision else 0)
    batch = _videos_a_pass(config)
    activations = batch * model.longest * model.layers * _kept(model.text.hidden, model.text.inner, config)
    if model.vision:
        layers = model.vision.layers * share
        tokens = batch * data["max_frames"] * model.vision.tokens
        activations += tokens * max(1.0, layers) * _kept(model.vision.hidden, model.vision.inner, config)
        activations += batch * data["max_frames"] * model.vision.channels * model.vision.image**2 * 5
    table = model.text.vocabulary * model.text.hidden * _MASTER
    attacked = {"none": 0, "awp": _MASTER * model.encoder}.get(attack["kind"], 2 * table)
    memory = _weights(config, parameters, trained) + activations + attacked
    return Workload(parameters, trained, operations, memory, training["epochs"] * (train + valid) * frames)


def _pretrain(workspace: Workspace, run: Described, videos: int) -> Workload:
    config, data, tasks = run.config, run.config["data"], run.config["tasks"]
    text = shapes.text_shape(workspace, config["model"]["text"])
    frame_size = _frame_size(workspace, run)
    parameters = model_cost.pretrain_parameters(text, frame_size)
    tokens, frames = TEXT_SHARE * data["max_tokens"], min(data["max_frames"], MEAN_FRAMES)
    title = TITLE_SHARE * data["max_tokens"]
    forward = 0.0
    asked = 0.0  # tokens that the vocabulary head predicts
    if any(tasks[name]["weight"] > 0 for name in ("mlm", "mfm", "ftm", "mmm")):
        forward += text.layers * layer_operations(text.hidden, text.inner, tokens + frames)
        asked = 3 / 4 * tasks["mlm"]["rate"] * tokens + 1 / 8 * tokens
    if tasks["ftc"]["weight"] > 0:
        forward += text.layers * layer_operations(text.hidden, text.inner, title)
        forward += text.layers * layer_operations(text.hidden, text.inner, tokens - title + frames)
    head = 2 * text.hidden * (text.hidden + text.vocabulary)
    operations = config["training"]["epochs"] * videos * 3 * (forward + asked * head)
    batch = _videos_a_pass(config)
    longest = 2 * (data["max_tokens"] + data["max_frames"])
    activations = batch * longest * text.layers * _kept(text.hidden, text.inner, config)
    scale = data["max_tokens"] / tokens
    logits = batch * asked * scale * text.vocabulary * (2 * _MASTER + _HALF)
    memory = _weights(config, parameters, parameters) + activations + logits
    return Workload(parameters, parameters, operations, memory)


def _contrast(workspace: Workspace, run: Described, videos: int) -> Workload:
    config, training, data = run.config, run.config["training"], run.config["data"]
    text = shapes.text_shape(workspace, config["model"]["text"])
    vision = _vision_of(workspace, run)
    parameters = model_cost.dual_encoder_parameters(text, vision)
    frames = min(data["max_frames"], MEAN_FRAMES)
    tokens = TEXT_SHARE * data["max_tokens"]
    forward = text.layers * layer_operations(text.hidden, text.inner, tokens) + frames * frame_operations(
        vision
    )
    batch = _videos_a_pass(config)
    activations = batch * data["max_tokens"] * text.layers * _kept(text.hidden, text.inner, config)
    seen = batch * data["max_frames"]
    activations += seen * vision.tokens * vision.layers * _kept(vision.hidden, vision.inner, config)
    activations += seen * vision.channels * vision.image**2 * 5
    memory = _weights(config, parameters, parameters) + activations
    epochs = training["epochs"]
    return Workload(parameters, parameters, epochs * videos * 3 * forward, memory, epochs * videos * frames)


def _predict(workspace: Workspace, run: Described, videos: int) -> Workload:
    return _classify(workspace, _described(run, "model"), videos, run.config, run.sources.get("features"))


def _ensemble(workspace: Workspace, run: Described, videos: int) -> Workload:
    config = run.config
    members = [
        member
        for member in run.sources.get("members", ())
        if isinstance(member, Described) and member.stage == "finetune"
    ]
    if not members:
        return Workload(0, 0, 0.0, 0.0)
    costs = [_classify(workspace, member, videos, config, None) for member in members]
    return Workload(
        sum(cost.parameters for cost in costs),
        0,
        sum(cost.operations for cost in costs),
        max(cost.memory for cost in costs),
        max(cost.frames for cost in costs),
    )


_COUNT = {
    "extract": _extract,
    "pretrain": _pretrain,
    "contrast": _contrast,
    "finetune": _finetune,
    "predict": _predict,
    "ensemble": _ensemble,
}


def _classify(
    workspace: Workspace,
    trained: Described,
    videos: float,
    config: Mapping[str, Any],
    features: Sequence[Described | str] | None,
) -> Workload:
    """A trained model's forward passes over so many videos, in batches as `config` has them."""
    model = _classifier(workspace, trained)
    shown = trained.config["data"]["max_frames"]
    decoded = min(shown, MEAN_FRAMES) if model.vision and not features else 0
    forward = model.forward + (decoded * frame_operations(model.vision) if model.vision else 0.0)
    parameters = model.encoder + (model.vision.parameters if model.vision else 0)
    kept = model.longest * _kept(model.text.hidden, model.text.inner, config)
    if decoded and model.vision:
        tokens = shown * model.vision.tokens
        kept = max(kept, tokens * _kept(model.vision.hidden, model.vision.inner, config))
        kept += shown * model.vision.channels * model.vision.image**2 * 5
    memory = parameters * _MASTER + config["batch_size"] * kept
    return Workload(parameters, 0, videos * forward, memory, videos * decoded)


def _classifier(workspace: Workspace, run: Described) -> _Model:
    config, data = run.config["model"], run.config["data"]
    text = shapes.text_shape(workspace, config["text"])
    vision = None if run.sources.get("features") else _vision_of(workspace, run)
    frame_size = vision.hidden if vision else _frame_size(workspace, run)
    classes = count_classes(_annotations(workspace, data))
    tokens, frames = TEXT_SHARE * data["max_tokens"], min(data["max_frames"], MEAN_FRAMES)
    longest = data["max_tokens"] + data["max_frames"]
    if config["kind"] == "single_stream":
        parameters = model_cost.single_stream_parameters(text, frame_size, classes)
        forward = text.layers * layer_operations(text.hidden, text.inner, tokens + frames)
        return _Model(text, vision, parameters, forward, longest, text.layers)
    video, cross = config["video_layers"], config["cross_layers"]
    parameters = model_cost.two_stream_parameters(text, frame_size, classes, video, cross)
    seen = frames + 1
    forward = (
        text.layers * layer_operations(text.hidden, text.inner, tokens)
        + video * layer_operations(text.hidden, text.inner, seen)
        + cross * cross_layer_operations(text.hidden, text.inner, tokens, seen)
    )
    return _Model(text, vision, parameters, forward, longest, text.layers + 2 * cross)


def _kept(hidden: int, inner: int, config: Mapping[str, Any]) -> float:
    """Bytes that a layer keeps of a position."""
    kept = 18 * hidden + 4 * inner
    if config.get("training", {}).get("checkpoint_activations"):
        kept = 3 * hidden  # its input, and a share of the one layer that is recomputed
    return kept if reduced(config) else 2 * kept


def _weights(config: Mapping[str, Any], parameters: int, trained: int) -> int:
    averaged = _MASTER * parameters if config["training"]["ema"] else 0
    cast = _HALF * parameters if reduced(config) else 0
    return _MASTER * parameters + (_GRADIENT + _ADAM) * trained + averaged + cast


def _videos_a_pass(config: Mapping[str, Any]) -> int:
    training = config["training"]
    return int(-(-training["batch_size"] // (training["accumulate"] * max(1, config["gpus"]))))


def _vision_of(workspace: Workspace, run: Described) -> VisionShape:
    """The backbone: that of the run named by inputs.vision, else model.vision."""
    for source in run.sources.get("vision", ()):
        if isinstance(source, Described):
            return _vision_of(workspace, source)
    name = run.config.get("model", {}).get("vision")
    if not name:
        raise UnknownModelError("the vision backbone is not named")
    return shapes.vision_shape(workspace, name)


def _frame_size(workspace: Workspace, run: Described) -> int:
    """Size of a stored frame embedding."""
    for source in run.sources.get("features", ()):
        if isinstance(source, Described):
            return _vision_of(workspace, source).hidden
        try:
            return int(shapes.read_json(workspace.resolve(source) / "index.json")["dim"])
        except (KeyError, TypeError, ValueError, OSError):
            raise UnknownModelError(f"{source} is no feature store") from None
    raise UnknownModelError("the frames' embeddings are not named")


def _described(run: Described, role: str) -> Described:
    for source in run.sources.get(role, ()):
        if isinstance(source, Described):
            return source
    raise UnknownModelError(f"inputs.{role} is a folder")


def _splits(run: Described) -> list[str]:
    """Splits that the run reads; a finetune run's folds share theirs."""
    data = run.config["data"]
    if run.stage == "finetune":
        return ["labeled"]
    if "splits" in data:
        return list(data["splits"])
    return [data["split"]] if data.get("split") else []


def _annotations(workspace: Workspace, data: Mapping[str, Any]) -> Path:
    return workspace.resolve(data["root"]) / "annotations"
