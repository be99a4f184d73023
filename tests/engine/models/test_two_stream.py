"""The two-stream model: equal to the classes of transformers it stands for, blind to padding, whole with gaps."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, LxmertConfig
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.lxmert.modeling_lxmert import LxmertXLayer

from engine.data.videos import VideoBatch
from engine.models.two_stream import Attention, CrossLayer, TwoStreamClassifier

CONFIG = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def model(pooling: str = "masked_mean") -> TwoStreamClassifier:
    torch.manual_seed(0)
    text = BertModel(BertConfig(**CONFIG), add_pooling_layer=False)
    return TwoStreamClassifier(
        text,
        frame_size=12,
        classes=5,
        video_layers=2,
        cross_layers=2,
        pooling=pooling,
    ).eval()


def video(tokens: int, frames: int, *, pad_tokens: int = 0, pad_frames: int = 0, seed: int = 3) -> VideoBatch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (1, tokens), generator=generator)
    features = torch.randn(1, frames, 12, generator=generator)
    return VideoBatch(
        token_ids_BT=F.pad(ids, (0, pad_tokens), value=9),
        token_mask_BT=F.pad(torch.ones(1, tokens, dtype=torch.bool), (0, pad_tokens)),
        frame_mask_BF=F.pad(torch.ones(1, frames, dtype=torch.bool), (0, pad_frames)),
        labels_B=torch.tensor([1]),
        frames_BFV=F.pad(features, (0, 0, 0, pad_frames), value=7.0),
    )


def copy_attention(own: Attention, query: nn.Module, output: nn.Module) -> None:
    for name in ("query", "key", "value"):
        getattr(own, name).load_state_dict(getattr(query, name).state_dict())
    own.output.load_state_dict(output.dense.state_dict())
    own.norm.load_state_dict(output.LayerNorm.state_dict())


@torch.inference_mode()
def test_the_cross_layer_gives_what_lxmerts_gives_on_the_same_weights() -> None:
    torch.manual_seed(1)
    lxmert = LxmertConfig(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
    )
    oracle = LxmertXLayer(lxmert).eval()
    for weight in oracle.parameters():
        weight.normal_(std=0.3)
    own = CrossLayer(BertConfig(**CONFIG | {"layer_norm_eps": 1e-12})).eval()
    copy_attention(own.cross, oracle.visual_attention.att, oracle.visual_attention.output)
    copy_attention(own.text_self, oracle.lang_self_att.self, oracle.lang_self_att.output)
    copy_attention(own.video_self, oracle.visn_self_att.self, oracle.visn_self_att.output)
    for forward, inner, outer in (
        (own.text_forward, oracle.lang_inter, oracle.lang_output),
        (own.video_forward, oracle.visn_inter, oracle.visn_output),
    ):
        forward.inner.load_state_dict(inner.dense.state_dict())
        forward.outer.load_state_dict(outer.dense.state_dict())
        forward.norm.load_state_dict(outer.LayerNorm.state_dict())
    text, frames = torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    text_mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    frame_mask = torch.tensor([[True] * 3 + [False], [True] * 4])
    added = [((~mask)[:, None, None] * -1e9).float() for mask in (text_mask, frame_mask)]
    expected = oracle(text, added[0], frames, added[1])
    got = own(text, text_mask, frames, frame_mask)
    for ours, theirs in zip(got, expected[:2], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_video_encoder_is_berts_own_layers() -> None:
    config = BertConfig(**CONFIG)
    config._attn_implementation = "eager"
    own = model()
    states = torch.randn(2, 5, 32)
    expected = states
    for layer in own.video.layer:
        oracle = BertLayer(config).eval()
        oracle.load_state_dict(layer.state_dict())
        out = oracle(expected)
        expected = out if isinstance(out, torch.Tensor) else out[0]
    torch.testing.assert_close(own.video(states).last_hidden_state, expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize(("tokens", "frames"), [(8, 3), (4, 0), (1, 5)])
def test_padding_changes_no_logit(tokens: int, frames: int) -> None:
    classifier = model()
    alone = classifier(video(tokens, frames))
    padded = classifier(video(tokens, frames, pad_tokens=9, pad_frames=4))
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)
    assert torch.isfinite(alone).all()


@torch.inference_mode()
def test_the_originals_mean_over_padding_can_be_had() -> None:
    classifier = model("mean_all")
    assert not torch.allclose(classifier(video(8, 3)), classifier(video(8, 3, pad_tokens=9)), atol=1e-4)


@torch.inference_mode()
def test_each_stream_hears_of_the_other() -> None:
    classifier = model()
    batch = video(6, 3)
    assert batch.frames_BFV is not None
    other_text = VideoBatch(**vars(batch) | {"token_ids_BT": batch.token_ids_BT.flip(1)})
    other_frames = VideoBatch(**vars(batch) | {"frames_BFV": batch.frames_BFV.flip(1)})
    text_half, video_half = [], []

    def listen(_module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        text_half.append(inputs[0][:, :32])
        video_half.append(inputs[0][:, 32:])

    classifier.classifier.register_forward_pre_hook(listen)
    for each in (batch, other_text, other_frames):
        classifier(each)
    assert (text_half[2] - text_half[0]).abs().max() > 1e-5, "other frames change the text stream"
    assert (video_half[1] - video_half[0]).abs().max() > 1e-5, "other text changes the video stream"


def test_every_weight_learns() -> None:
    classifier = model()
    F.cross_entropy(classifier(video(6, 3)), torch.tensor([1])).backward()
    assert [name for name, weight in classifier.named_parameters() if weight.grad is None] == []
