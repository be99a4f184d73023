"""Exponential moving average of the weights: what is evaluated and saved instead of the last step's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """EMA of all weights, kept beside the model.

    After n updates the decay is min(decay, (1 + n) / (10 + n)): a short run does not evaluate its initial weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._averaged = AveragedModel(model, multi_avg_fn=self._average, use_buffers=False)
        # AveragedModel's first update copies; ours begins with the weights of step 0.
        self._averaged.n_averaged.fill_(1)
        for parameter in self._averaged.parameters():
            parameter.requires_grad_(False)

    @property
    def module(self) -> nn.Module:
        """The averaged model."""
        module = self._averaged.module
        assert isinstance(module, nn.Module)
        return module

    def update(self, model: nn.Module) -> None:
        """Take one step's weights in."""
        self.updates += 1
        self._averaged.update_parameters(model)

    def current_decay(self) -> float:
        """The decay of the latest update."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], _count: object) -> None:
        torch._foreach_lerp_(list(averaged), list(current), 1 - self.current_decay())
