"""Parameter groups and schedules against their definitions."""

import math

import pytest
import torch
from torch import nn

from engine.training.optimizer import make_optimizer, make_schedule, parameter_groups


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.text = nn.Linear(4, 4)
        self.pre_layrnorm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def part_of(name: str) -> str:
    return "text" if name.startswith("text") else "other"


def test_every_trainable_parameter_is_in_one_group_and_norms_biases_and_temperatures_do_not_decay() -> None:
    model = Model()
    groups = parameter_groups(model, part_of, {"text": 1e-3, "other": 1e-2}, 0.1)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    settings = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert settings[id(model.text.weight)] == (1e-3, 0.1)
    assert settings[id(model.text.bias)] == (1e-3, 0.0)
    assert settings[id(model.pre_layrnorm.weight)] == (1e-2, 0.0)
    assert settings[id(model.head.weight)] == (1e-2, 0.1)
    assert settings[id(model.temperature)] == (1e-2, 0.0)


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_a_schedule_is_its_formula(kind: str, warmup: float) -> None:
    steps = 50
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = make_optimizer([{"params": [parameter], "lr": 2.0}])
    schedule = make_schedule(optimizer, kind, warmup=warmup, total_steps=steps)
    rising = math.ceil(warmup * steps)
    for step in range(steps):
        share = (step - rising) / max(1, steps - rising)
        expected = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share, "constant": 1.0}[kind]
        if step < rising:
            expected = step / rising
        assert optimizer.param_groups[0]["lr"] == pytest.approx(2.0 * expected, abs=1e-12)
        optimizer.step()
        schedule.step()
