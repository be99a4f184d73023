"""The weight average against its closed form."""

import torch
from torch import nn

from engine.training.ema import WeightAverage


def test_the_average_follows_its_formula_with_a_warmed_up_decay() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    average = WeightAverage(model, decay=0.9)
    expected = model.weight.detach().double().clone()
    for update in range(1, 200):
        with torch.no_grad():
            model.weight.add_(torch.randn_like(model.weight))
        average.update(model)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * model.weight.detach().double()
    torch.testing.assert_close(average.module.weight.double(), expected, atol=1e-5, rtol=1e-5)


def test_a_short_run_does_not_evaluate_its_first_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, decay=0.9999)
    nn.init.ones_(model.weight)
    for _ in range(100):
        average.update(model)
    assert average.module.weight.item() > 0.99


def test_the_average_is_never_trained() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage(model, decay=0.9)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
