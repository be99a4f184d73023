"""Contrastive losses: equal to slow loops, the same over processes, deaf to videos that lack a side."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, multiprocessing
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from engine.data.videos import VideoBatch
from engine.models.contrastive import LogitScale, noise_contrast, symmetric_contrast
from engine.models.dual_encoder import DualEncoder
from engine.models.vision import FrameEncoder
from engine.training.processes import Processes

ALONE = Processes()


def vectors(rows: int = 6, size: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Two sides, and which videos have both: all but the second and the last."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(rows, size, generator=generator, requires_grad=True) for _ in range(2))
    both = torch.ones(rows, dtype=torch.bool)
    both[[1, rows - 1]] = False
    return a, b, both


def slow_contrast(a: Tensor, b: Tensor, both: Tensor, scale: float) -> Tensor:
    rows = [row for row in range(len(a)) if both[row]]
    a, b = a.double(), b.double()
    total = torch.zeros((), dtype=torch.double)
    for row in rows:
        for one, other in ((a, b), (b, a)):
            logits = torch.stack(
                [scale * (one[row] @ other[to]) / (one[row].norm() * other[to].norm()) for to in rows]
            )
            total = total + torch.logsumexp(logits, 0) - logits[rows.index(row)]
    return total / len(rows)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_symmetric_contrast_is_that_of_slow_loops_over_videos_with_both_sides(scale: float) -> None:
    a, b, both = vectors()
    loss, _ = symmetric_contrast(a, b, both, scale, ALONE)
    expected = slow_contrast(a, b, both, scale)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    for got, want in zip(
        torch.autograd.grad(loss, (a, b)), torch.autograd.grad(expected, (a, b)), strict=True
    ):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)
        assert not got[~both].any()


@pytest.mark.parametrize("having", [0, 1])
def test_without_two_videos_to_tell_apart_the_loss_and_its_gradient_are_zero(having: int) -> None:
    a, b, _ = vectors()
    loss, _ = symmetric_contrast(a, b, torch.arange(6) < having, 10.0, ALONE)
    assert loss == 0
    assert not any(gradient.any() for gradient in torch.autograd.grad(loss, (a, b)))


def test_the_share_of_right_answers_counts_both_directions() -> None:
    a = torch.eye(4)
    both = torch.tensor([True, True, True, False])
    assert symmetric_contrast(a, a, both, 1.0, ALONE)[1] == 1
    # 0 and 1 swapped: both are wrong both ways, 2 is right.
    assert symmetric_contrast(a, a[[1, 0, 2, 3]], both, 1.0, ALONE)[1].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("normalize", [False, True])
def test_noise_contrast_is_that_of_slow_loops_over_frames_that_exist(normalize: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(3, 4, generator=generator, requires_grad=True)
    candidates = torch.randn(7, 4, generator=generator)
    valid = torch.tensor([True, True, False, True, True, False, True])
    targets = torch.tensor([3, 0, 6])
    losses = noise_contrast(predicted, candidates, valid, targets, normalize=normalize, temperature=0.5)
    for row, target in enumerate(targets.tolist()):
        logits = {}
        for place in range(7):
            if valid[place]:
                one, other = predicted[row].double(), candidates[place].double()
                logits[place] = one @ other / 0.5 / ((one.norm() * other.norm()) if normalize else 1)
        expected = torch.logsumexp(torch.stack(list(logits.values())), 0) - logits[target]
        torch.testing.assert_close(losses[row].double(), expected, rtol=1e-5, atol=1e-6)


def test_the_scale_starts_at_one_over_seven_hundredths_and_ends_at_a_hundred() -> None:
    scale = LogitScale(learned=True)
    assert scale().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        scale.log_scale.fill_(9.0)
    assert scale().item() == pytest.approx(100)


def _one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    a, b, both = vectors()
    own = slice(3 * rank, 3 * rank + 3)
    loss, right = symmetric_contrast(a[own], b[own], both[own], 7.0, Processes(rank, 2))
    torch.autograd.backward(loss / 2)
    grads = [side.grad.clone() for side in (a, b) if side.grad is not None]
    # This process has nothing to train on one side, and the other must not wait for it.
    without = b[own].detach() if rank else b[own]
    torch.autograd.backward(symmetric_contrast(a[own], without, both[own], 7.0, Processes(rank, 2))[0])
    torch.save((loss.detach(), right, *grads), f"{folder}/{rank}.pt")


def test_two_processes_have_the_loss_and_gradients_of_one_with_all_videos(tmp_path: Path) -> None:
    multiprocessing.spawn(_one_of_two, args=(str(tmp_path),), nprocs=2)
    (loss_0, right_0, *grads_0), (loss_1, right_1, *grads_1) = (
        torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)
    )
    a, b, both = vectors()
    loss, right = symmetric_contrast(a, b, both, 7.0, ALONE)
    torch.autograd.backward(loss)
    torch.testing.assert_close((loss_0 + loss_1) / 2, loss.detach())
    torch.testing.assert_close((right_0 + right_1) / 2, right)
    for of_0, of_1, whole in zip(grads_0, grads_1, (a.grad, b.grad), strict=True):
        torch.testing.assert_close(of_0 + of_1, whole)


def dual_encoder(hidden: int, vision: int) -> DualEncoder:
    torch.manual_seed(0)
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text = BertConfig(vocab_size=30, hidden_size=hidden, max_position_embeddings=16, **layers)
    clip = CLIPVisionConfig(hidden_size=vision, image_size=8, patch_size=4, **layers)
    encoder = FrameEncoder(CLIPVisionModel(clip), [0.5] * 3, [0.3] * 3)
    return DualEncoder(BertModel(text, add_pooling_layer=False), encoder).eval()


def video_batch() -> VideoBatch:
    """Four videos with 2, 0, 3 and 1 frames."""
    generator = torch.Generator().manual_seed(0)
    counts, lengths = torch.tensor([2, 0, 3, 1]), torch.tensor([3, 4, 6, 3])
    return VideoBatch(
        token_ids_BT=torch.randint(4, 30, (4, 6), generator=generator),
        token_mask_BT=torch.arange(6) < lengths[:, None],
        frame_mask_BF=torch.arange(3) < counts[:, None],
        labels_B=torch.full((4,), -1),
        pixels_NCHW=torch.randint(0, 256, (6, 3, 8, 8), generator=generator, dtype=torch.uint8),
    )


@pytest.mark.parametrize(("hidden", "vision"), [(16, 16), (16, 24), (24, 16)])
def test_the_dual_encoders_loss_is_that_of_towers_run_video_by_video(hidden: int, vision: int) -> None:
    model, batch = dual_encoder(hidden, vision), video_batch()
    assert batch.pixels_NCHW is not None
    titles, videos, start = [], [], 0
    for row in range(4):
        frames = int(batch.frame_mask_BF[row].sum())
        pixels = batch.pixels_NCHW[start : start + frames]
        start += frames
        if frames:
            ids = batch.token_ids_BT[row][batch.token_mask_BT[row]]
            titles.append(model.text_projection(model.text(ids[None]).last_hidden_state[0].mean(0)))
            videos.append(model.video_projection(model.vision(pixels).mean(0)))
    assert {len(vector) for vector in (*titles, *videos)} == {min(hidden, vision)}
    every = torch.ones(3, dtype=torch.bool)
    expected = slow_contrast(torch.stack(titles), torch.stack(videos), every, 1 / 0.07) / 2
    values = model(batch)
    torch.testing.assert_close(values["loss"].double(), expected, rtol=1e-4, atol=1e-5)
    torch.autograd.backward(values["loss"])
    assert all(weight.grad is not None for weight in model.parameters())
    projections = [name for name, _ in model.named_parameters() if "projection" in name.partition(".")[0]]
    assert len(projections) == (0 if hidden == vision else 2)


def test_a_batch_without_any_frame_moves_nothing() -> None:
    model, batch = dual_encoder(16, 24), video_batch()
    none = VideoBatch(
        batch.token_ids_BT,
        batch.token_mask_BT,
        torch.zeros(4, 1, dtype=torch.bool),
        batch.labels_B,
        pixels_NCHW=torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
    )
    loss = model(none)["loss"]
    assert loss == 0
    torch.autograd.backward(loss)
    assert not any(weight.grad.any() for weight in model.parameters() if weight.grad is not None)
