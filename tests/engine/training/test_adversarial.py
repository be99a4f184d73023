"""Attacks: where the weights are moved to, by the definition, and that they come back to the last bit."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from engine.config.training import Adversarial
from engine.errors import ConfigError
from engine.training.adversarial import (
    AdversarialWeightPerturbation,
    Attack,
    FastGradientMethod,
    ProjectedGradientDescent,
    make_attack,
)


class Toy(nn.Module):
    """A loss that bends, so that gradients differ from point to point."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Embedding(50, 8)
        self.layer = nn.Linear(8, 3)

    def loss(self) -> Tensor:
        return self.layer(torch.tanh(2 * self.table.weight)).square().mean() * 50

    def table_gradient(self) -> Tensor:
        return torch.autograd.grad(self.loss(), self.table.weight)[0]


def toy_with_gradients() -> Toy:
    toy = Toy()
    toy.loss().backward()
    return toy


def table_with_gradient() -> nn.Embedding:
    return toy_with_gradients().table


def never() -> Tensor:
    raise AssertionError("no fresh gradient is needed")


def test_fgm_moves_eps_along_the_gradient_over_the_whole_table() -> None:
    table = table_with_gradient()
    before = table.weight.detach().clone()
    gradient = table.weight.grad
    assert gradient is not None
    with FastGradientMethod(table, eps=0.7).perturbed():
        moved = table.weight.detach() - before
        assert moved.norm().item() == pytest.approx(0.7, rel=1e-5)
        torch.testing.assert_close(moved, 0.7 * gradient / gradient.norm(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("eps", [0.5, 5.0])
def test_pgd_follows_the_definition_step_by_step(eps: float) -> None:
    alpha, steps = 0.3, 3
    toy, plain = toy_with_gradients(), toy_with_gradients()
    start = plain.table.weight.detach().clone()
    moved = torch.zeros_like(start)
    for _ in range(steps):
        gradient = plain.table_gradient()
        moved = moved + alpha * gradient / gradient.norm()
        if moved.norm() > eps:
            moved = eps * moved / moved.norm()
        plain.table.weight.data.copy_(start + moved)
    with ProjectedGradientDescent(toy.table, eps, alpha, steps).perturbed(toy.table_gradient):
        torch.testing.assert_close(toy.table.weight, plain.table.weight, atol=1e-6, rtol=1e-5)
        distance = (toy.table.weight.detach() - start).norm().item()
    assert distance <= eps * (1 + 1e-5)
    assert distance == pytest.approx(min(eps, distance))
    if eps < alpha * steps:
        assert distance == pytest.approx(eps, rel=1e-5), "three steps reach the edge of a small ball"


def test_pgd_of_one_step_within_the_ball_is_fgm() -> None:
    table, other = table_with_gradient(), table_with_gradient()
    with (
        ProjectedGradientDescent(table, eps=1.0, alpha=0.4, steps=1).perturbed(never),
        FastGradientMethod(other, eps=0.4).perturbed(),
    ):
        torch.testing.assert_close(table.weight, other.weight, atol=1e-6, rtol=1e-5)


def test_awp_moves_each_matrix_by_a_share_of_its_own_norm_and_no_vector() -> None:
    toy = toy_with_gradients()
    before = {name: weight.detach().clone() for name, weight in toy.named_parameters()}
    with AdversarialWeightPerturbation(list(toy.parameters()), eps=0.01).perturbed():
        for name, weight in toy.named_parameters():
            moved = weight.detach() - before[name]
            if weight.ndim == 1:
                assert torch.equal(weight, before[name])
                continue
            assert weight.grad is not None
            expected = 0.01 * before[name].norm() * weight.grad / weight.grad.norm()
            torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-3)


ATTACKS: list[Callable[[Toy], Attack]] = [
    lambda toy: FastGradientMethod(toy.table, 3.0),
    lambda toy: ProjectedGradientDescent(toy.table, 1.0, 0.3, 3),
    lambda toy: AdversarialWeightPerturbation(list(toy.parameters()), 0.05),
]


@pytest.mark.parametrize("make", ATTACKS, ids=["fgm", "pgd", "awp"])
def test_weights_come_back_to_the_last_bit_and_the_clean_gradient_stays_below_the_adversarial_one(
    make: Callable[[Toy], Attack],
) -> None:
    toy, plain = toy_with_gradients(), toy_with_gradients()
    before = {name: weight.detach().clone() for name, weight in toy.named_parameters()}
    with make(toy).perturbed(toy.table_gradient):
        points = {name: weight.detach().clone() for name, weight in toy.named_parameters()}
        toy.loss().backward()
    for name, weight in toy.named_parameters():
        assert torch.equal(weight, before[name])
    for name, weight in plain.named_parameters():
        weight.data.copy_(points[name])
    plain.loss().backward()
    assert any(not torch.equal(points[name], before[name]) for name in before)
    for (name, weight), other in zip(toy.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("make", ATTACKS, ids=["fgm", "pgd", "awp"])
def test_weights_come_back_even_when_the_pass_fails(make: Callable[[Toy], Attack]) -> None:
    toy = toy_with_gradients()
    before = {name: weight.detach().clone() for name, weight in toy.named_parameters()}
    with pytest.raises(RuntimeError, match="pass"), make(toy).perturbed(toy.table_gradient):
        raise RuntimeError("pass")
    for name, weight in toy.named_parameters():
        assert torch.equal(weight, before[name])


@pytest.mark.parametrize("kind", ["fgm", "pgd", "awp"])
def test_a_process_without_videos_stands_at_the_point_of_the_others(kind: str) -> None:
    toy, idle = toy_with_gradients(), Toy()
    theirs = {id(mine): weight.grad for mine, weight in zip(idle.parameters(), toy.parameters(), strict=True)}
    summed: list[Tensor] = []

    def total_of(weights: list[Tensor]) -> Callable[[Tensor], Tensor]:
        order = iter(weights)

        def total(gradient: Tensor) -> Tensor:
            other = theirs[id(next(order))]
            assert other is not None
            summed.append(gradient)
            return gradient + other

        return total

    settings = Adversarial.model_validate({"kind": kind, "eps": 0.1, "steps": 1})
    expected = make_attack(settings, toy.table, list(toy.parameters()), lambda gradient: gradient)
    matrices = [idle.table.weight, idle.layer.weight] if kind == "awp" else [idle.table.weight]
    attack = make_attack(settings, idle.table, list(idle.parameters()), total_of(matrices))
    assert expected is not None
    assert attack is not None
    with expected.perturbed(toy.table_gradient), attack.perturbed(never):
        for mine, weight in zip(idle.parameters(), toy.parameters(), strict=True):
            torch.testing.assert_close(mine, weight)
    assert len(summed) == len(matrices)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("make", ATTACKS, ids=["fgm", "pgd", "awp"])
def test_a_gradient_without_direction_perturbs_nothing(value: float, make: Callable[[Toy], Attack]) -> None:
    toy = toy_with_gradients()
    for weight in toy.parameters():
        weight.grad = torch.full_like(weight, value)
    before = {name: weight.detach().clone() for name, weight in toy.named_parameters()}
    with make(toy).perturbed(lambda: torch.full_like(toy.table.weight, value)):
        for name, weight in toy.named_parameters():
            assert torch.equal(weight, before[name])


@pytest.mark.parametrize("kind", ["fgm", "pgd", "awp"])
def test_a_frozen_table_is_an_error_not_a_silent_no_op(kind: str) -> None:
    table = nn.Embedding(4, 2)
    table.weight.requires_grad_(False)
    settings = Adversarial.model_validate({"kind": kind, "eps": 0.01})
    with pytest.raises(ConfigError, match="nothing can be attacked"):
        make_attack(settings, table, [table.weight], lambda gradient: gradient)


def test_an_awp_eps_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="relative for awp"):
        Adversarial.model_validate({"kind": "awp"})
