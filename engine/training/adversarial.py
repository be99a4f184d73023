"""Adversarial training: FGM (Miyato et al. 2017), PGD (Madry et al. 2018), AWP (Wu et al. 2020).

Each attack is a context: within it the weights stand at their adversarial point, so that a backward pass adds the
adversarial gradient to the clean one; after it they are restored to the last bit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.config.training import Adversarial
from engine.errors import ConfigError

Gradient = Callable[[], Tensor]
Sum = Callable[[Tensor], Tensor]


class Attack(Protocol):
    """Where the weights are moved to, from the clean gradients that they have."""

    def perturbed(self, gradient: Gradient) -> AbstractContextManager[None]:
        """Within: adversarial weights. After: the weights of before, bit by bit.

        Args:
            gradient: of the attacked table at its present values, over the whole step.
        """


def make_attack(
    settings: Adversarial, table: nn.Embedding, matrices: Sequence[nn.Parameter], total: Sum
) -> Attack | None:
    """The attack that the config asks for.

    Args:
        table: word embeddings, which FGM and PGD move.
        matrices: weight matrices, which AWP moves.
        total: sums a gradient over the processes that train together, in place.

    Raises:
        ConfigError: there is nothing to attack.
    """
    if settings.kind == "fgm":
        return FastGradientMethod(table, settings.eps, total)
    if settings.kind == "pgd":
        return ProjectedGradientDescent(table, settings.eps, settings.alpha, settings.steps, total)
    if settings.kind == "awp":
        return AdversarialWeightPerturbation(matrices, settings.eps, total)
    return None


class FastGradientMethod:
    """Moves the embedding table by eps * g / |g|, with g its gradient and the norm over the whole table.

    Raises:
        ConfigError: the table has no trainable weights, so that nothing would be attacked.
    """

    def __init__(self, table: nn.Embedding, eps: float, total: Sum = lambda gradient: gradient) -> None:
        self.table = _attackable(table)
        self.eps = eps
        self.total = total

    @contextmanager
    def perturbed(self, gradient: Gradient | None = None) -> Iterator[None]:
        """Within: the table is perturbed along the clean gradient. After: it is restored to the last bit.

        A zero or non-finite gradient perturbs nothing.
        """
        weight = self.table.weight
        with _restored([weight]), torch.no_grad():
            weight.add_(_along(_clean_gradient(weight, self.total), self.eps))
            with torch.enable_grad():
                yield


class ProjectedGradientDescent:
    """K steps r <- P(r + alpha * g / |g|) from r = 0, P the projection into the ball |r| <= eps around the table.

    Raises:
        ConfigError: the table has no trainable weights, so that nothing would be attacked.
    """

    def __init__(
        self,
        table: nn.Embedding,
        eps: float,
        alpha: float,
        steps: int,
        total: Sum = lambda gradient: gradient,
    ) -> None:
        self.table = _attackable(table)
        self.eps = eps
        self.alpha = alpha
        self.steps = steps
        self.total = total

    @contextmanager
    def perturbed(self, gradient: Gradient) -> Iterator[None]:
        """Within: the table is at the last of the K points. After: it is restored to the last bit."""
        weight = self.table.weight
        with _restored([weight]) as (before,), torch.no_grad():
            direction = _clean_gradient(weight, self.total)
            for step in range(self.steps):
                moved = weight - before + _along(direction, self.alpha)
                norm = torch.linalg.vector_norm(moved)
                weight.copy_(before + moved * torch.clamp(self.eps / norm.clamp(min=1e-30), max=1.0))
                if step + 1 < self.steps:
                    with torch.enable_grad():
                        direction = self.total(gradient())
            with torch.enable_grad():
                yield


class AdversarialWeightPerturbation:
    """Moves every weight matrix by eps * |w| * g / |g|: as far as its own norm allows, along its clean gradient.

    Raises:
        ConfigError: no matrix is trained.
    """

    def __init__(
        self, matrices: Sequence[nn.Parameter], eps: float, total: Sum = lambda gradient: gradient
    ) -> None:
        self.matrices = [matrix for matrix in matrices if matrix.requires_grad and matrix.ndim > 1]
        if not self.matrices:
            raise ConfigError("training.adversarial: no weight matrix is trained, so nothing can be attacked")
        self.eps = eps
        self.total = total

    @contextmanager
    def perturbed(self, gradient: Gradient | None = None) -> Iterator[None]:
        """Within: every matrix is perturbed. After: all are restored to the last bit."""
        with _restored(self.matrices), torch.no_grad():
            for matrix in self.matrices:
                reach = self.eps * torch.linalg.vector_norm(matrix)
                matrix.add_(_along(_clean_gradient(matrix, self.total), reach))
            with torch.enable_grad():
                yield


def _attackable(table: nn.Embedding) -> nn.Embedding:
    if not table.weight.requires_grad:
        raise ConfigError(
            "training.adversarial: the word embeddings are not trained, so nothing can be attacked; set kind: none"
        )
    return table


@contextmanager
def _restored(weights: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    before = [weight.detach().clone() for weight in weights]
    try:
        yield before
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)


def _clean_gradient(weight: Tensor, total: Sum) -> Tensor:
    # A process that has no video of a small last batch has no gradient, and takes part in the sum all the same.
    return total(torch.zeros_like(weight) if weight.grad is None else weight.grad.clone())


def _along(gradient: Tensor, length: float | Tensor) -> Tensor:
    """`length` along the gradient, zero where it has no direction; chosen on the device, so that nothing waits."""
    norm = torch.linalg.vector_norm(gradient)
    usable = torch.isfinite(norm) & (norm > 0)
    return torch.where(usable, gradient * (length / norm), 0.0)
