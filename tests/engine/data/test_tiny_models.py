"""Tiny models: what save_pretrained writes, loadable without a hub, with a vocabulary of the data's own text."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertModel, CLIPVisionModel

from engine.data.tiny_models import make_tiny_models, make_vocabulary
from engine.errors import DataError


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_both_models_load_and_run(tiny_models: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "bert")
    bert = BertModel.from_pretrained(tiny_models / "bert", add_pooling_layer=False)
    clip = CLIPVisionModel.from_pretrained(tiny_models / "clip")
    assert bert.config.max_position_embeddings == 512
    assert bert.config.vocab_size == len(tokenizer)
    assert bert.config.intermediate_size == 4 * bert.config.hidden_size
    states = bert(**tokenizer("今天 video", return_tensors="pt")).last_hidden_state
    assert states.shape[2] == 32
    embedded = clip(pixel_values=torch.zeros(2, 3, 64, 64)).pooler_output
    assert embedded.shape == (2, 32)
    assert torch.isfinite(states).all()
    assert torch.isfinite(embedded).all()


def test_the_vocabulary_covers_the_data_sets_text(tiny_models: Path, sample: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "bert")
    records = json.loads((sample / "annotations" / "unlabeled.json").read_text())
    ids = tokenizer([record["asr"] for record in records])["input_ids"]
    flat = [token for row in ids for token in row]
    assert flat.count(tokenizer.unk_token_id) == 0
    assert 200 < len(tokenizer) <= 4096
    words = tokenizer.tokenize("today video")
    assert words == ["today", "video"]


def test_specials_come_first_and_pieces_by_what_they_save() -> None:
    vocabulary = make_vocabulary(iter(["video video video vivid", "视频视频"]))
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"v", "##i", "视", "频", "video"} <= set(vocabulary)
    assert "##视" not in vocabulary
    assert "vivid" not in vocabulary
    assert len(set(vocabulary)) == len(vocabulary)


def test_the_same_seed_gives_the_same_weights_and_spares_the_callers_generator(
    sample: Path, tiny_models: Path, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    make_tiny_models(sample, tmp_path, hidden=32, layers=1, image_size=64)
    assert torch.equal(torch.rand(3), wanted)
    for path in ("bert/model.safetensors", "bert/vocab.txt", "clip/model.safetensors"):
        assert (tmp_path / path).read_bytes() == (tiny_models / path).read_bytes()
    make_tiny_models(sample, tmp_path / "other", hidden=32, layers=1, image_size=64, seed=1)
    other = (tmp_path / "other" / "clip" / "model.safetensors").read_bytes()
    assert other != (tiny_models / "clip" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("image_size", [16, 32, 96, 224])
def test_the_vision_tower_takes_frames_of_the_size_asked_for(
    sample: Path, tmp_path: Path, image_size: int
) -> None:
    make_tiny_models(sample, tmp_path, hidden=16, layers=1, image_size=image_size)
    clip = CLIPVisionModel.from_pretrained(tmp_path / "clip")
    assert clip(pixel_values=torch.zeros(1, 3, image_size, image_size)).pooler_output.shape == (1, 16)
    settings = json.loads((tmp_path / "clip" / "preprocessor_config.json").read_text())
    assert settings["crop_size"] == {"height": image_size, "width": image_size}


@pytest.mark.parametrize("sizes", [{"hidden": 20}, {"hidden": 0}, {"layers": 0}, {"image_size": 60}])
def test_sizes_that_do_not_fit_are_refused(sample: Path, tmp_path: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(DataError, match="does not fit"):
        make_tiny_models(sample, tmp_path, **sizes)


def test_a_data_set_without_text_or_annotations_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        make_tiny_models(tmp_path, tmp_path / "out")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "labeled.json").write_text('[{"id": "1", "title": ""}]')
    with pytest.raises(DataError, match="no text"):
        make_tiny_models(tmp_path, tmp_path / "out")
