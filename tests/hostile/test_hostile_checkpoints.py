"""Checkpoints from strangers: none runs code, none makes more than its weights, each is refused in one line."""

import json
from pathlib import Path

import pytest
from trying import named, try_inputs

from benchmarks.hostile import checkpoints
from benchmarks.hostile.file_kinds import LEARNED_KINDS
from engine.errors import DataError
from engine.models.checkpoint import load_classifier, load_vision_tower
from engine.models.pretrained import load_text_encoder, load_vision_backbone


@pytest.mark.parametrize("kind", ["checkpoints", "trainer states"])
def test_any_checkpoint_is_loaded_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(LEARNED_KINDS, kind), tmp_path, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"text_config": checkpoints.TEXT_CONFIG | {"num_hidden_layers": 10**9}},
        {"text_config": checkpoints.TEXT_CONFIG | {"vocab_size": 10**10, "hidden_size": 1024}},
        {"kind": "two_stream", "video_layers": 10**9},
        {"crop": 2**40},
        {"max_frames": -1},
        {"taxonomy": {"codes": [1, None]}},
        {"pooling": ["masked_mean"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_description_that_the_weights_do_not_bear_out_makes_no_model(
    tmp_path: Path, change: dict[str, object]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(checkpoints.SPEC | change))
    (tmp_path / "model.safetensors").write_bytes(checkpoints.WEIGHTS[0])
    with pytest.raises(DataError, match="checkpoint"):
        load_classifier(tmp_path)


@pytest.mark.parametrize(
    "vision", [{"hidden_size": 2**40}, {"num_hidden_layers": 10**9}, {"image_size": 10**6, "patch_size": 1}]
)
def test_a_vision_tower_is_as_large_as_its_weights(tmp_path: Path, vision: dict[str, int]) -> None:
    tower = {"model_type": "clip_vision_model"} | vision
    (tmp_path / "config.json").write_text(json.dumps(checkpoints.SPEC | {"vision_config": tower}))
    (tmp_path / "model.safetensors").write_bytes(checkpoints.WEIGHTS[0])
    with pytest.raises(DataError, match="checkpoint"):
        load_vision_tower(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # nor is anybody asked
    remote = {"AutoConfig": "evil.C", "AutoModel": "evil.C", "AutoTokenizer": ["evil.C", None]}
    (tmp_path / "evil.py").write_text("open('executed', 'w')\nclass C: ...\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": remote}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Evil", "auto_map": remote})
    )
    for load in (load_text_encoder, load_vision_backbone):
        with pytest.raises(DataError, match="cannot be loaded"):
            load(str(tmp_path))
    assert not (tmp_path / "executed").exists()


def test_a_tokenizer_that_is_none_is_one_line(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**checkpoints.TEXT_CONFIG)).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "x"}}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        load_text_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)
