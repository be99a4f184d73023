"""Exponential moving average of the weights: what is evaluated and saved instead of the last step's."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """EMA of all weights, kept beside the model.

    After n updates the decay is min(decay, (1 + n) / (10 + n)): a short run does not evaluate its initial weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._averaged = AveragedModel(model).requires_grad_(False)

    @property
    def module(self) -> nn.Module:
        """The averaged model."""
        module = self._averaged.module
        assert isinstance(module, nn.Module)
        return module

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step's weights in."""
        self.updates += 1
        # Not AveragedModel's own update: its count goes from the host to the device, which waits for it, at every step.
        torch._foreach_lerp_(
            list(self.module.parameters()), list(model.parameters()), 1 - self.current_decay()
        )
        for averaged, current in zip(self.module.buffers(), model.buffers(), strict=True):
            averaged.copy_(current)

    def current_decay(self) -> float:
        """The decay of the latest update."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates))
