"""Trading time for memory, and start-up for speed: recomputed activations and compiled encoders."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(model: nn.Module) -> None:
    """Recompute each transformer layer in the backward pass (Chen et al. 2016); dropout draws the same numbers."""
    for module in model.modules():
        if hasattr(module, "gradient_checkpointing"):
            vars(module).update(
                gradient_checkpointing=True,
                _gradient_checkpointing_func=partial(checkpoint, use_reentrant=False),
            )


def compile_encoders(model: nn.Module) -> None:
    """torch.compile every stack of layers in place, for batches of any length; names of weights stay."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    for stack in stacks:
        for layer in stack:
            layer.compile(dynamic=True)
