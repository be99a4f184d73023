"""The single-stream classifier: what padding, missing frames and its parts do to the logits."""

import pytest
import torch
from torch.nn import functional as F
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from engine.data.videos import VideoBatch
from engine.models.single_stream import SingleStreamClassifier
from engine.models.vision import FrameEncoder

CONFIG = BertConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=40,
)


def model(pooling: str = "masked_mean", vision: FrameEncoder | None = None) -> SingleStreamClassifier:
    torch.manual_seed(0)
    return SingleStreamClassifier(
        BertModel(CONFIG, add_pooling_layer=False),
        frame_size=16,
        classes=5,
        pooling=pooling,
        vision=vision,
    ).eval()


def video(tokens: int, frames: int, *, pad_tokens: int = 0, pad_frames: int = 0, fill: int = 0) -> VideoBatch:
    generator = torch.Generator().manual_seed(tokens * 100 + frames)
    ids = torch.randint(4, 60, (1, tokens), generator=generator)
    features = torch.randn(1, frames, 16, generator=generator).half()
    return VideoBatch(
        token_ids_BT=F.pad(ids, (0, pad_tokens), value=fill),
        token_mask_BT=F.pad(torch.ones(1, tokens, dtype=torch.bool), (0, pad_tokens)),
        frame_mask_BF=F.pad(torch.ones(1, frames, dtype=torch.bool), (0, pad_frames)),
        labels_B=torch.tensor([1]),
        frames_BFV=F.pad(features, (0, 0, 0, pad_frames), value=float(fill)),
    )


@torch.inference_mode()
def test_logits_do_not_depend_on_padding() -> None:
    classifier = model()
    alone = classifier(video(7, 3))
    padded = classifier(video(7, 3, pad_tokens=11, pad_frames=5, fill=9))
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_original_pooling_does_average_over_padding() -> None:
    classifier = model("mean_all")
    difference = classifier(video(7, 3)) - classifier(video(7, 3, pad_tokens=11, fill=9))
    assert difference.abs().max() > 1e-4


@torch.inference_mode()
@pytest.mark.parametrize(("tokens", "frames"), [(1, 0), (4, 0), (1, 3)])
def test_a_missing_modality_gives_finite_logits(tokens: int, frames: int) -> None:
    assert torch.isfinite(model()(video(tokens, frames, pad_tokens=3, pad_frames=2))).all()


@torch.inference_mode()
def test_text_and_frames_both_count() -> None:
    classifier = model()
    batch = video(6, 3)
    assert batch.frames_BFV is not None
    other_text = VideoBatch(**vars(batch) | {"token_ids_BT": batch.token_ids_BT.flip(1)})
    other_frames = VideoBatch(**vars(batch) | {"frames_BFV": batch.frames_BFV.flip(1)})
    for changed in (other_text, other_frames):
        assert (classifier(changed) - classifier(batch)).abs().max() > 1e-4


@torch.inference_mode()
def test_the_encoder_is_the_one_of_transformers() -> None:
    classifier = model()
    batch = video(9, 0)
    own = classifier(batch)
    states = classifier.text(input_ids=batch.token_ids_BT).last_hidden_state
    torch.testing.assert_close(own, classifier.classifier(states.mean(dim=1)), atol=1e-5, rtol=0)


def test_pixels_are_embedded_once_and_land_in_their_own_places() -> None:
    torch.manual_seed(2)
    backbone = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        )
    )
    classifier = model(vision=FrameEncoder(backbone, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).eval())
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    mask = torch.tensor([[True, False], [True, True]])
    batch = VideoBatch(
        token_ids_BT=torch.full((2, 3), 7),
        token_mask_BT=torch.ones(2, 3, dtype=torch.bool),
        frame_mask_BF=mask,
        labels_B=torch.tensor([0, 1]),
        pixels_NCHW=pixels,
    )
    embedded = classifier.embed_frames(batch)
    assert classifier.vision is not None
    expected = classifier.vision(pixels)
    torch.testing.assert_close(embedded[mask], expected)
    assert (embedded[~mask] == 0).all()
    classifier(batch).sum().backward()
    gradient = backbone.embeddings.patch_embedding.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_there_is_no_weight_without_gradient() -> None:
    classifier = model()
    F.cross_entropy(classifier(video(6, 3)), torch.tensor([1])).backward()
    assert [name for name, weight in classifier.named_parameters() if weight.grad is None] == []


@torch.inference_mode()
def test_closing_the_gap_between_texts_and_frames_changes_no_logit_and_shortens_what_is_computed() -> None:
    classifier = model()
    long_text, long_frames = video(9, 1, pad_frames=3), video(3, 4, pad_tokens=6)
    tensors = {
        name: torch.cat([getattr(long_text, name), getattr(long_frames, name)])
        for name in ("token_ids_BT", "token_mask_BT", "frame_mask_BF", "labels_B", "frames_BFV")
    }
    lengths: list[int] = []
    classifier.text.encoder.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    gaps = classifier(VideoBatch(**tensors))
    closed = classifier(VideoBatch(**tensors, longest=10))
    assert lengths == [13, 10]
    torch.testing.assert_close(closed, gaps, atol=1e-5, rtol=0)
    alone = torch.cat([classifier(video(9, 1)), classifier(video(3, 4))])
    torch.testing.assert_close(closed, alone, atol=1e-5, rtol=0)
