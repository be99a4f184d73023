"""`reeltop tiny-models`: small untrained BERT and CLIP-vision folders, the vocabulary from a data set's own text."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from engine.data.annotation_file import Annotation, read_annotations
from engine.data.frames import CLIP_MEAN, CLIP_STD
from engine.errors import DataError

_SPLITS = ("labeled", "unlabeled", "test")
_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_VOCABULARY = 4096
_MAX_CHARACTERS = 3000
_MAX_VIDEOS = 100_000
_LONGEST_PIECE = 8
_COMMON = 3
_POSITIONS = 512
_HEADS = 4


def make_tiny_models(
    data_dir: Path,
    out_dir: Path,
    *,
    hidden: int = 128,
    layers: int = 2,
    image_size: int = 64,
    seed: int = 802,
) -> None:
    """Write `bert/` (BERT with tokenizer) and `clip/` (CLIP vision tower), as `save_pretrained` does.

    The same data, sizes and seed give the same weights.

    Args:
        data_dir: data set; the words of its splits make the vocabulary.
        hidden: hidden size of both models, a multiple of 16.
        image_size: side of the frames in pixels, a multiple of 8.

    Raises:
        DataError: the data set has no text, or a size does not fit.
    """
    if hidden < 16 or hidden % 16:
        raise DataError(f"hidden: {hidden} does not fit; choose a multiple of 16")
    if image_size < 16 or image_size % 8:
        raise DataError(f"image size: {image_size} does not fit; choose a multiple of 8, from 16")
    if layers < 1:
        raise DataError(f"layers: {layers} does not fit; choose 1 or more")
    vocabulary = make_vocabulary(_texts(data_dir))
    if len(vocabulary) == len(_SPECIALS):
        raise DataError(f"{data_dir}: annotations hold no text to make a vocabulary from")
    with _no_progress_bars():
        _write_bert(out_dir / "bert", vocabulary, hidden, layers, seed)
        _write_clip(out_dir / "clip", hidden, layers, image_size, seed)


def make_vocabulary(texts: Iterator[str]) -> list[str]:
    """A WordPiece vocabulary: every frequent character, then the pieces of words that save the most tokens."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer = BertNormalizer()
    pre_tokenizer = BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)))
    characters: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        for start in range(len(word)):
            mark = "##" if start else ""
            characters[mark + word[start]] += count
            for end in range(start + 2, min(len(word), start + _LONGEST_PIECE) + 1):
                pieces[mark + word[start:end]] += count
    alphabet = _most(characters, _MAX_CHARACTERS)
    # A piece saves a token for each of its characters but the first, wherever it occurs.
    saved = {
        piece: count * (len(piece.removeprefix("##")) - 1)
        for piece, count in pieces.items()
        if count >= _COMMON
    }
    return [*_SPECIALS, *alphabet, *_most(saved, _MAX_VOCABULARY - len(_SPECIALS) - len(alphabet))]


def _most(ranks: Mapping[str, int], limit: int) -> list[str]:
    return sorted(ranks, key=lambda text: (-ranks[text], text))[:limit]


def _texts(data_dir: Path) -> Iterator[str]:
    paths = [path for split in _SPLITS if (path := data_dir / "annotations" / f"{split}.json").exists()]
    for path in paths or [data_dir / "annotations" / "labeled.json"]:
        for record in islice(read_annotations(path), _MAX_VIDEOS):
            if isinstance(record, Annotation):
                yield from (record.title, record.ocr, record.asr)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Two small files need no bar across the terminal each."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _write_bert(folder: Path, vocabulary: list[str], hidden: int, layers: int, seed: int) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.txt"
    file.write_text("".join(f"{piece}\n" for piece in vocabulary), encoding="utf-8")
    tokenizer = BertTokenizer.from_pretrained(str(folder), model_max_length=_POSITIONS)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=_HEADS,
        intermediate_size=4 * hidden,
        max_position_embeddings=_POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_clip(folder: Path, hidden: int, layers: int, image_size: int, seed: int) -> None:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    folder.mkdir(parents=True, exist_ok=True)
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        projection_dim=hidden,
        num_hidden_layers=layers,
        num_attention_heads=_HEADS,
        image_size=image_size,
        # As many pixels as still leave a grid of four by four: a patch more is time that a sketch does not repay.
        patch_size=next(
            patch for patch in (32, 16, 8, 4) if image_size % patch == 0 and image_size >= 4 * patch
        ),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPVisionModel(config)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": image_size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": image_size, "width": image_size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(CLIP_MEAN),
        "image_std": list(CLIP_STD),
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
