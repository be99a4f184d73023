"""Pre-training losses: equal to slow loops in float64, blind to padding, zero where there is nothing to predict."""

import copy
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from engine.config.stages import PretrainTasks
from engine.data.pretraining import PretrainingBatch, PretrainingBatches, Vocabulary
from engine.models.pretraining import SingleStreamPretraining

CLS, SEP, MASK, WORDS = 2, 3, 4, 50
TOKENS, FRAMES, DIM = 24, 4, 6
CONFIG = BertConfig(
    vocab_size=WORDS,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=40,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.2,
)
ALL = ("mlm", "mfm", "ftm", "ftc", "mmm")
LOSSES = {"mlm": ["mlm"], "mfm": ["mfm"], "ftm": ["ftm"], "ftc": ["ftc"], "mmm": ["mmm_text", "mmm_frames"]}


class MemoryPool:
    """Videos made up on the spot: random texts, up to four random frames, some of either missing."""

    frame_shape = (DIM,)

    def __init__(self, videos: int, *, text: bool = True, frames: bool = True, whole: bool = False) -> None:
        rng = np.random.default_rng(videos)
        self.ids = np.asarray([f"v{number}" for number in range(videos)])

        def count(most: int, there: bool) -> int:
            return int(rng.integers(1, most + 1)) * (there and (whole or rng.random() > 0.25))

        self.texts = [
            {name: rng.integers(MASK + 1, WORDS, count(6, text)) for name in ("title", "ocr", "asr")}
            for _ in range(videos)
        ]
        self.embeddings = [
            rng.normal(size=(count(FRAMES, frames), DIM)).astype(np.float16) for _ in range(videos)
        ]

    def tokens(self, row: int, segments: Any, max_tokens: int) -> NDArray[np.int64]:
        parts = [part for name in segments for part in (self.texts[row][name], [SEP])]
        return np.concatenate([[CLS], *parts]).astype(np.int64)[:max_tokens]

    def frames(self, row: int, rng: np.random.Generator, problems: list[str]) -> NDArray[np.generic]:
        return self.embeddings[row]


def tasks_of(*names: str, **settings: Any) -> PretrainTasks:
    off = {name: {"weight": 0} for name in ALL if name not in names}
    return PretrainTasks.model_validate(off | settings)


def batch_of(pool: MemoryPool, tasks: PretrainTasks, epoch: int = 0) -> PretrainingBatch:
    maker = PretrainingBatches(
        pool,
        tasks,
        Vocabulary(MASK, np.arange(WORDS) <= MASK),
        TOKENS,
        FRAMES,
    )
    return maker.batch(np.arange(len(pool.ids)), seed=1, epoch=epoch)[1]


def model_of(tasks: PretrainTasks) -> SingleStreamPretraining:
    torch.manual_seed(0)
    return SingleStreamPretraining(
        BertModel(CONFIG, add_pooling_layer=False), frame_size=DIM, tasks=tasks, max_frames=FRAMES
    ).eval()


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    if loss.requires_grad:
        torch.autograd.backward(loss)
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


class Slow:
    """The losses again, in float64, one video and one prediction at a time, without padding."""

    def __init__(self, model: SingleStreamPretraining, batch: PretrainingBatch) -> None:
        self.model = copy.deepcopy(model).double()
        self.batch = batch
        self.own = [
            frames[mask].double() for frames, mask in zip(batch.frames_BFV, batch.frame_mask_BF, strict=True)
        ]

    def states(self, ids: Tensor, frames: Tensor) -> Tensor:
        mask = torch.ones(1, len(ids), dtype=torch.bool)
        frame_mask = torch.ones(1, len(frames), dtype=torch.bool)
        return self.model.encode(ids[None], mask, frames[None], frame_mask)[0][0]

    def losses(self) -> dict[str, Tensor]:
        masked, tasks, model = self.batch.masked, self.model.tasks, self.model
        assert masked is not None
        frame_width = self.batch.frame_mask_BF.shape[1]
        states = []
        for row, shown in enumerate(masked.shown_B.tolist()):
            frames = self.own[shown].clone()
            for position in range(len(frames)):
                if masked.zeroed_BF[row, position]:
                    frames[position] = 0.0
            ids = masked.token_ids_BT[row][masked.token_mask_BT[row]]
            states.append(self.states(ids, frames))

        found: dict[str, list[Tensor]] = {
            name: [] for name in ("mlm", "mmm_text", "mfm", "mmm_frames", "ftm")
        }
        table = model.text.embeddings.word_embeddings.weight
        places = zip(masked.text_places_K.tolist(), masked.text_targets_K.tolist(), strict=True)
        for number, (place, target) in enumerate(places):
            row, column = divmod(place, masked.longest)
            scores = table @ model.mlm.transform(states[row][column]) + model.mlm.bias
            name = "mlm" if number < masked.mlm_tokens else "mmm_text"
            found[name].append(-(scores[target] - torch.logsumexp(scores, 0)))
        places = zip(masked.frame_places_J.tolist(), masked.frame_targets_J.tolist(), strict=True)
        for number, (place, target) in enumerate(places):
            row, column = divmod(place, masked.longest)
            predicted = model.mfm(states[row][column])
            target_row, target_frame = divmod(target, frame_width)
            right = self.own[target_row][target_frame]
            similarities = [self.similarity(predicted, frame) for video in self.own for frame in video]
            loss = torch.logsumexp(torch.stack(similarities), 0) - self.similarity(predicted, right)
            found["mfm" if number < masked.mfm_frames else "mmm_frames"].append(loss)
        for row, target in zip(masked.pair_rows_P.tolist(), masked.pair_targets_P.tolist(), strict=True):
            scores = model.ftm(states[row][0])
            found["ftm"].append(torch.logsumexp(scores, 0) - scores[target])
        losses = {
            name: torch.stack(values).mean() if values else torch.zeros((), dtype=torch.double)
            for name, values in found.items()
        }
        if tasks.ftc.weight:
            losses["ftc"] = self.contrast()
        return losses

    def similarity(self, one: Tensor, other: Tensor) -> Tensor:
        settings = self.model.tasks.mfm
        if settings.normalize:
            one, other = one / one.norm(), other / other.norm()
        return (one * other).sum() / settings.temperature

    def contrast(self) -> Tensor:
        inputs = self.batch.contrast
        assert inputs is not None
        titles, rests = [], []
        for row in range(len(self.own)):
            if not inputs.both_B[row]:
                continue
            title = self.states(inputs.title_ids_BS[row][inputs.title_mask_BS[row]], self.own[row][:0]).mean(
                0
            )
            rest = self.states(inputs.rest_ids_BR[row][inputs.rest_mask_BR[row]], self.own[row]).mean(0)
            titles.append(title / title.norm())
            rests.append(rest / rest.norm())
        kind = self.model.tasks.ftc.temperature
        scale = 1.0 if kind == "none" else torch.exp(self.model.ftc.log_scale)
        total = torch.zeros((), dtype=torch.double)
        for one, other in ((titles, rests), (rests, titles)):
            for row, vector in enumerate(one):
                logits = torch.stack([scale * (vector @ candidate) for candidate in other])
                total = total + (torch.logsumexp(logits, 0) - logits[row]) / len(one)
        return total


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "mfm": {"normalize": True, "temperature": 0.3},
            "ftc": {"temperature": "fixed"},
            "mlm": {"rate": 0.6},
        },
        {"ftc": {"temperature": "none"}, "mlm": {"weight": 3}, "mmm": {"weight": 2}},
    ],
)
def test_losses_and_their_gradients_are_those_of_slow_loops(settings: dict[str, Any]) -> None:
    tasks = tasks_of(*ALL, **settings)
    model = model_of(tasks)
    batch = batch_of(MemoryPool(21), tasks)
    assert batch.masked is not None
    assert batch.contrast is not None
    assert not batch.contrast.both_B.all()
    assert 0 < batch.masked.mlm_tokens < len(batch.masked.text_places_K)
    assert 0 < batch.masked.mfm_frames < len(batch.masked.frame_places_J)
    slow = Slow(model, batch)
    expected, values = slow.losses(), model(batch)
    for name in expected:
        assert expected[name] > 0.1
        torch.testing.assert_close(values[name].double(), expected[name], atol=1e-5, rtol=1e-5)
        own, reference = gradients(model, model(batch)[name]), gradients(slow.model, slow.losses()[name])
        for weight in own.keys() | reference.keys():
            got, want = (found.get(weight, torch.zeros(1)).double() for found in (own, reference))
            torch.testing.assert_close(*torch.broadcast_tensors(got, want), atol=2e-5, rtol=1e-3)
    weighted = (
        tasks.mlm.weight * expected["mlm"]
        + tasks.mfm.weight * expected["mfm"]
        + expected["ftm"]
        + expected["ftc"]
        + tasks.mmm.weight * (expected["mmm_text"] + 0.5 * expected["mmm_frames"])
    )
    torch.testing.assert_close(values["loss"].double(), weighted, atol=1e-5, rtol=1e-5)


def padded(batch: PretrainingBatch, tokens: int, frames: int) -> PretrainingBatch:
    """The same batch with more padding, filled with what must not be looked at."""
    masked, contrast = batch.masked, batch.contrast
    assert masked is not None
    assert contrast is not None
    frame_width = batch.frame_mask_BF.shape[1]
    old, new = masked.longest, masked.longest + tokens + frames

    def moved(places: Tensor) -> Tensor:
        return places // old * new + places % old

    def wider(x: Tensor, extra: int, fill: int = 0) -> Tensor:
        return F.pad(x, (0, extra), value=fill)

    return PretrainingBatch(
        F.pad(batch.frames_BFV, (0, 0, 0, frames), value=9.0),
        wider(batch.frame_mask_BF, frames),
        replace(
            masked,
            token_ids_BT=wider(masked.token_ids_BT, tokens, 7),
            token_mask_BT=wider(masked.token_mask_BT, tokens),
            zeroed_BF=wider(masked.zeroed_BF, frames),
            text_places_K=moved(masked.text_places_K),
            frame_places_J=moved(masked.frame_places_J),
            frame_targets_J=masked.frame_targets_J // frame_width * (frame_width + frames)
            + masked.frame_targets_J % frame_width,
            longest=new,
        ),
        replace(
            contrast,
            title_ids_BS=wider(contrast.title_ids_BS, tokens, 7),
            title_mask_BS=wider(contrast.title_mask_BS, tokens),
            rest_ids_BR=wider(contrast.rest_ids_BR, tokens, 7),
            rest_mask_BR=wider(contrast.rest_mask_BR, tokens),
            longest=contrast.longest + tokens + frames,
        ),
    )


def test_padding_changes_no_loss() -> None:
    tasks = tasks_of(*ALL)
    model, batch = model_of(tasks), batch_of(MemoryPool(13), tasks)
    values, with_more = model(batch), model(padded(batch, 5, 3))
    for name, value in values.items():
        torch.testing.assert_close(with_more[name], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("pool", "silent"),
    [
        (MemoryPool(12, frames=False), {"mfm", "ftm", "mmm_frames"}),
        (MemoryPool(12, text=False), {"mlm", "ftm", "ftc", "mmm_text"}),
        (MemoryPool(12, text=False, frames=False), {"mlm", "mfm", "ftm", "ftc", "mmm_text", "mmm_frames"}),
        (MemoryPool(1, whole=True), {"ftm", "ftc", "mmm_text", "mmm_frames"}),
    ],
    ids=["no frames", "no text", "nothing", "one video"],
)
def test_a_task_with_nothing_to_predict_is_exactly_zero_and_moves_nothing(
    pool: MemoryPool, silent: set[str]
) -> None:
    tasks = tasks_of(*ALL, mlm={"rate": 0.9}, mfm={"rate": 0.9})
    model = model_of(tasks).train()
    batch = batch_of(pool, tasks)
    for name, value in model(batch).items():
        assert torch.isfinite(value), name
        if name in LOSSES or name.startswith("mmm") or name == "loss":
            moved = gradients(model, model(batch)[name])
            assert all(torch.isfinite(gradient).all() for gradient in moved.values()), name
            if name in silent:
                assert value == 0, name
                assert not any(gradient.any() for gradient in moved.values()), name
            elif name != "loss":
                assert value > 0, name


@pytest.mark.parametrize("task", ALL)
def test_a_task_that_is_switched_on_alone_computes_its_own_losses_only(task: str) -> None:
    tasks = tasks_of(task)
    values = model_of(tasks)(batch_of(MemoryPool(16), tasks))
    assert {name for name in values if "accuracy" not in name and "temperature" not in name} == {
        "loss",
        *LOSSES[task],
    }
    assert torch.isfinite(values["loss"])
    assert values["loss"] > 0


def test_a_batch_with_one_full_sequence_closes_the_gaps_of_the_others() -> None:
    tasks = tasks_of(*ALL)
    pool = MemoryPool(9)
    pool.texts[0] = {name: np.arange(MASK + 1, MASK + 8) for name in ("title", "ocr", "asr")}
    pool.embeddings[0] = np.ones((FRAMES, DIM), np.float16)
    model, batch = model_of(tasks), batch_of(pool, tasks)
    assert batch.masked is not None
    assert batch.masked.longest == batch.masked.token_ids_BT.shape[1] + batch.frame_mask_BF.shape[1]
    expected, values = Slow(model, batch).losses(), model(batch)
    for name, value in expected.items():
        torch.testing.assert_close(values[name].double(), value, atol=1e-5, rtol=1e-5)


def test_inputs_are_never_changed_in_place() -> None:
    tasks = tasks_of(*ALL)
    batch, model = batch_of(MemoryPool(16), tasks), model_of(tasks)
    before = copy.deepcopy(batch)
    torch.autograd.backward(model(batch)["loss"])
    for now, then in ((batch, before), (batch.masked, before.masked), (batch.contrast, before.contrast)):
        for field in fields(now):
            value = getattr(now, field.name)
            if isinstance(value, Tensor):
                assert torch.equal(value, getattr(then, field.name)), field.name


def test_the_title_branch_sees_neither_frames_nor_ocr_nor_asr(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def note(title_BE: Tensor, rest_BE: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        seen.append((title_BE, rest_BE))
        return title_BE.sum(), title_BE.sum()

    monkeypatch.setattr("engine.models.pretraining.symmetric_contrast", note)
    tasks = tasks_of("ftc")
    model, batch = model_of(tasks), batch_of(MemoryPool(8, whole=True), tasks)
    assert batch.contrast is not None
    model(batch)
    model(replace(batch, frames_BFV=batch.frames_BFV + 1))
    model(replace(batch, contrast=replace(batch.contrast, rest_ids_BR=batch.contrast.rest_ids_BR.flip(0))))
    for title, rest in seen[1:]:
        assert torch.equal(title, seen[0][0])
        assert not torch.allclose(rest, seen[0][1])


def test_the_vocabulary_sees_only_what_is_to_be_predicted() -> None:
    tasks = tasks_of(*ALL)
    model, batch = model_of(tasks), batch_of(MemoryPool(16), tasks)
    rows: list[int] = []
    model.mlm.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    model(batch)
    assert batch.masked is not None
    assert rows == [len(batch.masked.text_targets_K)]


def test_a_fixed_temperature_is_not_trained_and_a_learned_one_is() -> None:
    for kind, trained in (("learned", True), ("fixed", False), ("none", False)):
        tasks = tasks_of("ftc", ftc={"temperature": kind})
        model = model_of(tasks)
        values = model(batch_of(MemoryPool(8, whole=True), tasks))
        torch.autograd.backward(values["loss"])
        assert (model.ftc.log_scale.grad is not None) == trained
        assert ("ftc_temperature" in values) == (kind != "none")
        assert math.isclose(model.ftc.log_scale.item(), -math.log(0.07), abs_tol=1e-6)


def test_all_five_learn_thirty_two_videos_by_heart() -> None:
    tasks = tasks_of(*ALL)
    pool = MemoryPool(32, whole=True)
    model, batch = model_of(tasks).train(), batch_of(pool, tasks)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = {name: value.item() for name, value in model(batch).items()}
    for _ in range(150):
        optimizer.zero_grad()
        torch.autograd.backward(model(batch)["loss"])
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    last = {name: value.item() for name, value in model(batch).items()}
    for name in ("mlm", "mfm", "ftm", "ftc", "mmm_frames"):
        assert last[name] < 0.2 * first[name], (name, first[name], last[name])
    # Tokens hidden behind the same frames are told apart by their places alone.
    assert last["mmm_text"] < 0.5 * first["mmm_text"]
    assert last["ftm_accuracy"] == last["ftc_accuracy"] == 1
