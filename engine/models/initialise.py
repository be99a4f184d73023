"""Starting from another run's weights: all of them, or the parts that the config names, and saying which."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from engine.errors import DataError
from engine.models.checkpoint import load_weights, read_weights

_PART_OF_MODULE = {"frame_projection": "frames", "frame_embeddings": "frames", "video_cls": "video"}


@dataclass(frozen=True)
class Initialised:
    """Names of weights: `loaded` into the model, `left_out` of the checkpoint, `new` in the model."""

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    new: tuple[str, ...]

    def summary(self) -> str:
        """`loaded 37 (frames, text), left out 6 (mlm, mfm), new 2 (classifier)`."""
        groups = (("loaded", self.loaded), ("left out", self.left_out), ("new", self.new))
        return ", ".join(
            f"{what} {len(names)}" + (f" ({', '.join(sorted(set(map(part_of, names))))})" if names else "")
            for what, names in groups
        )


def part_of(name: str) -> str:
    """The part of a model that a weight belongs to: `text`, `frames`, `vision`, `video`, `cross`, `classifier`, ..."""
    module = name.partition(".")[0]
    return _PART_OF_MODULE.get(module, module)


def initialise_from(model: nn.Module, folder: Path, parts: Sequence[str] | None) -> Initialised:
    """Load a checkpoint's weights into `model`: all, or those of `parts`, which must then be there whole.

    Raises:
        DataError: weights are missing, unknown or of another shape.
    """
    names = tuple(model.state_dict())
    if parts is None:
        load_weights(model, folder)
        return Initialised(names, (), ())
    weights = read_weights(folder)
    own = model.state_dict()
    wanted = [name for name in names if part_of(name) in parts]
    for part in parts:
        if not any(part_of(name) == part for name in wanted):
            has = ", ".join(sorted({part_of(name) for name in names}))
            raise DataError(f"model.init_parts: this model has no part {part}; it has {has}")
    wrong = [name for name in wanted if name not in weights or weights[name].shape != own[name].shape]
    if wrong:
        what = "is not in the checkpoint" if wrong[0] not in weights else "has another shape"
        raise DataError(
            f"checkpoint {folder}: {len(wrong)} weights of {', '.join(parts)} do not fit (such as {wrong[0]}, which "
            f"{what}); leave that part out of model.init_parts, or use the same models and features"
        )
    model.load_state_dict({name: weights[name] for name in wanted}, strict=False)
    taken = set(wanted)
    return Initialised(
        tuple(wanted),
        tuple(sorted(weights.keys() - taken)),
        tuple(name for name in names if name not in taken),
    )
