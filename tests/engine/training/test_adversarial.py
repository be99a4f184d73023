"""FGM: size and direction of the perturbation, and exact restoration."""

import pytest
import torch
from torch import nn

from engine.errors import ConfigError
from engine.training.adversarial import FastGradientMethod


def table_with_gradient() -> nn.Embedding:
    torch.manual_seed(1)
    table = nn.Embedding(50, 8)
    table.weight.grad = torch.randn(50, 8)
    return table


def test_the_perturbation_is_eps_along_the_gradient_over_the_whole_table() -> None:
    table = table_with_gradient()
    before = table.weight.detach().clone()
    gradient = table.weight.grad
    assert gradient is not None
    with FastGradientMethod(table, eps=0.7).perturbed():
        moved = table.weight.detach() - before
        assert moved.norm().item() == pytest.approx(0.7, rel=1e-5)
        torch.testing.assert_close(moved, 0.7 * gradient / gradient.norm(), atol=1e-6, rtol=1e-4)


def test_the_table_is_restored_to_the_last_bit_even_when_the_pass_fails() -> None:
    table = table_with_gradient()
    before = table.weight.detach().clone()
    with pytest.raises(RuntimeError, match="pass"), FastGradientMethod(table, eps=3.0).perturbed():
        raise RuntimeError("pass")
    assert torch.equal(table.weight, before)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_gradient_without_direction_perturbs_nothing(value: float) -> None:
    table = table_with_gradient()
    table.weight.grad = torch.full_like(table.weight, value)
    before = table.weight.detach().clone()
    with FastGradientMethod(table, eps=1.0).perturbed():
        assert torch.equal(table.weight, before)


def test_a_frozen_table_is_an_error_not_a_silent_no_op() -> None:
    table = nn.Embedding(4, 2)
    table.weight.requires_grad_(False)
    with pytest.raises(ConfigError, match="nothing can be attacked"):
        FastGradientMethod(table, eps=1.0)
