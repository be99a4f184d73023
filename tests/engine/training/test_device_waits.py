"""A training step never waits for the device: run on torch's `meta` device, which has no value to give.

And processes that train on several cards come up on those that cannot reach one another.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from engine.data.videos import VideoBatch
from engine.models.dual_encoder import DualEncoder
from engine.models.single_stream import SingleStreamClassifier
from engine.models.two_stream import TwoStreamClassifier
from engine.models.vision import FrameEncoder
from engine.training.adversarial import FastGradientMethod, ProjectedGradientDescent
from engine.training.ema import WeightAverage
from engine.training.processes import Processes

NOWHERE = torch.device("meta")
# How many values there are is known on the device alone, although `meta` knows a shape for some of them.
WAITING = {"nonzero", "masked_select", "masked_scatter_backward", "repeat_interleave", "_local_scalar_dense"}
BERT = BertConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
)
CLIP = CLIPVisionConfig(
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    image_size=8,
    patch_size=4,
)


def batch() -> VideoBatch:
    return VideoBatch(
        token_ids_BT=torch.randint(0, 40, (3, 5)),
        token_mask_BT=torch.ones(3, 5, dtype=torch.bool),
        frame_mask_BF=torch.tensor([[True, True], [False, False], [True, False]]),
        labels_B=torch.tensor([0, 1, 2]),
        pixels_NCHW=torch.zeros(3, 3, 8, 8, dtype=torch.uint8),
        longest=7,
    )


def towers() -> tuple[BertModel, FrameEncoder]:
    text = BertModel(BERT, add_pooling_layer=False)
    return text, FrameEncoder(CLIPVisionModel(CLIP), [0.5] * 3, [0.2] * 3)


def single_stream() -> nn.Module:
    text, vision = towers()
    return SingleStreamClassifier(text, frame_size=16, classes=4, vision=vision)


def two_stream() -> nn.Module:
    text, vision = towers()
    return TwoStreamClassifier(text, frame_size=16, classes=4, video_layers=1, cross_layers=1, vision=vision)


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call] - torch's mode has no types
    """Names of the operations that are carried out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] - as above
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("make", [single_stream, two_stream])
def test_attacked_classifiers_read_nothing_back(make: Callable[[], Any]) -> None:
    model = make().to(NOWHERE).train()
    here = batch().to(NOWHERE)

    def loss() -> Tensor:
        return F.cross_entropy(model(here, leaf_BFV), here.labels_B)

    def gradient() -> Tensor:
        found: Tensor = torch.autograd.grad(loss(), model.word_embeddings.weight)[0]
        return found

    with Calls() as calls:
        frames_BFV = model.embed_frames(here)
        leaf_BFV = frames_BFV.detach().requires_grad_()
        torch.autograd.backward(loss())
        for attack in (
            FastGradientMethod(model.word_embeddings, 1.0),
            ProjectedGradientDescent(model.word_embeddings, 1.0, 0.3, 2),
        ):
            with attack.perturbed(gradient):
                torch.autograd.backward(loss())
        torch.autograd.backward(frames_BFV, leaf_BFV.grad)
    assert not WAITING & set(calls.names)
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    nn.utils.clip_grads_with_norm_(model.parameters(), 1.0, nn.utils.get_total_norm(gradients))
    assert all(weight.grad is not None for weight in model.vision.backbone.encoder.parameters())


def test_towers_that_learn_from_one_another_read_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for this device
    model = DualEncoder(*towers()).to(NOWHERE).train()
    with Calls() as calls:
        torch.autograd.backward(model(batch().to(NOWHERE))["loss"])
    assert not WAITING & set(calls.names)
    assert all(weight.grad is not None for weight in model.text.encoder.parameters())


def test_the_average_is_one_operation_on_all_weights_and_copies_nothing_from_the_host() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    average = WeightAverage(model, decay=0.9)
    with Calls() as calls:
        average.update(model)
    assert calls.names == ["_foreach_lerp_"]


def test_cards_without_a_direct_way_to_one_another_still_train_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr("accelerate.utils.check_cuda_p2p_ib_support", lambda: False)
    monkeypatch.setattr(
        "accelerate.PartialState", lambda **_: SimpleNamespace(num_processes=2, process_index=1)
    )
    assert Processes.of_environment(cpu=False) == Processes(1, 2)
    assert os.environ["NCCL_P2P_DISABLE"] == os.environ["NCCL_IB_DISABLE"] == "1"
