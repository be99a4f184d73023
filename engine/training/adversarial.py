"""Adversarial training on the word embeddings: FGM (Miyato et al. 2017)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from engine.errors import ConfigError


class FastGradientMethod:
    """Moves the embedding table by eps * g / |g|, with g its gradient and the norm over the whole table.

    Raises:
        ConfigError: the table has no trainable weights, so that nothing would be attacked.
    """

    def __init__(self, table: nn.Embedding, eps: float) -> None:
        if not table.weight.requires_grad:
            raise ConfigError(
                "training.adversarial: the word embeddings are not trained, so nothing can be attacked; set kind: none"
            )
        self.table = table
        self.eps = eps

    @contextmanager
    def perturbed(self) -> Iterator[None]:
        """Within: the table is perturbed along the gradient it has now. After: it is restored to the last bit.

        A zero or non-finite gradient perturbs nothing.
        """
        weight = self.table.weight
        assert weight.grad is not None
        before = weight.detach().clone()
        with torch.no_grad():
            norm = torch.linalg.vector_norm(weight.grad)
            # Where there is no direction, the factor is 0; chosen on the device, so that nothing waits for it.
            usable = torch.isfinite(norm) & (norm > 0)
            weight.add_(torch.where(usable, weight.grad * (self.eps / norm), 0.0))
        try:
            yield
        finally:
            with torch.no_grad():
                weight.copy_(before)
