"""Token ids of every video, made once: title, OCR and ASR apart, joined and cut when they are read."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.annotations import AnnotationTable
from engine.data.columns import Ragged, RaggedWriter, building
from engine.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FORMAT = 1
Segment = Literal["title", "ocr", "asr"]
SEGMENTS: tuple[Segment, ...] = ("title", "ocr", "asr")
_SPECIALS = 1 + len(SEGMENTS)
_SEGMENT_TOKENS = 512
# Far more than any tokenizer packs into a token on average; keeps a giant text from stalling the batch.
_SEGMENT_CHARS = 32 * _SEGMENT_TOKENS
_BATCH_ROWS = 1024

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


class TokenTable:
    """Tokens of an annotation table, row for row; at most 512 of each segment are kept."""

    def __init__(self, folder: Path, cls: int, sep: int) -> None:
        self.cls = cls
        self.sep = sep
        self._segments = [Ragged(folder, name, np.int32) for name in SEGMENTS]

    def __len__(self) -> int:
        return len(self._segments[0])

    def segment_lengths(self) -> NDArray[np.int64]:
        """Tokens of title, OCR and ASR before they are cut to fit, int64 [n, 3]."""
        return np.stack([segment.lengths() for segment in self._segments], axis=1)

    def lengths(self, max_tokens: int) -> NDArray[np.int64]:
        """Length of every row's `sequence`, int64 [n]."""
        whole: NDArray[np.int64] = self.segment_lengths().sum(axis=1) + _SPECIALS
        return np.minimum(whole, max_tokens)

    def sequence(self, row: int, max_tokens: int) -> NDArray[np.int64]:
        """`[CLS] title [SEP] ocr [SEP] asr [SEP]`, int64 [at most `max_tokens`].

        What does not fit is removed token by token from the end of the currently longest of the three; of equally
        long ones the latter gives.

        Raises:
            ValueError: `max_tokens` has no room for the four special tokens.
        """
        return self.joined(row, SEGMENTS, max_tokens)

    def joined(self, row: int, segments: Sequence[Segment], max_tokens: int) -> NDArray[np.int64]:
        """`[CLS]`, then each of the `segments` with a [SEP] behind it, cut like `sequence`.

        Raises:
            ValueError: `max_tokens` has no room for the special tokens.
        """
        texts = [self._segments[SEGMENTS.index(name)][row] for name in segments]
        kept = cut_longest(tuple(map(len, texts)), max_tokens - 1 - len(texts))
        parts: list[NDArray[np.int32] | list[int]] = [[self.cls]]
        for text, length in zip(texts, kept, strict=True):
            parts += [text[:length], [self.sep]]
        return np.concatenate(parts, dtype=np.int64)


def cut_longest(lengths: tuple[int, ...], budget: int) -> tuple[int, ...]:
    """Lengths after removing one at a time from the longest (the last of equals) until the sum is `budget`.

    Raises:
        ValueError: `budget` is negative.
    """
    if budget < 0:
        raise ValueError("no room for the special tokens of a sequence")
    if sum(lengths) <= budget:
        return lengths
    # All that are cut end at a common level; what the level leaves over goes to the first of them.
    level = 0
    rest = budget
    for position, length in enumerate(sorted(lengths)):
        share = rest // (len(lengths) - position)
        if length > share:
            level = share
            rest -= share * (len(lengths) - position)
            break
        rest -= length
    kept = []
    for length in lengths:
        extra = 1 if length > level and rest > 0 else 0
        rest -= extra
        kept.append(min(length, level + extra))
    return tuple(kept)


def load_tokens(table: AnnotationTable, tokenizer: "PreTrainedTokenizerBase", cache_root: Path) -> TokenTable:
    """The tokens of `table`, tokenised the first time that this file and this tokenizer meet.

    Raises:
        DataError: the tokenizer has no [CLS] or [SEP].
    """
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    if not isinstance(cls, int) or not isinstance(sep, int):
        raise DataError(
            f"tokenizer {tokenizer.name_or_path}: has no [CLS] or [SEP] token; choose a BERT-like text encoder"
        )
    encode, content = _encoder(tokenizer)
    key = blake2b(f"{_FORMAT}\n{_SEGMENT_TOKENS}\n{table.fingerprint}\n".encode(), digest_size=10)
    key.update(content)
    folder = cache_root / "tokens" / f"{table.path.stem}-{key.hexdigest()}"
    if not folder.is_dir():
        with building(folder) as partial:
            _build(table, encode, partial)
    return TokenTable(folder, cls, sep)


def _encoder(tokenizer: "PreTrainedTokenizerBase") -> tuple[Encode, bytes]:
    """A function from texts to token ids, and bytes that change whenever its results could.

    Special tokens spelt out in a text are text: a title cannot smuggle in a [SEP].
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        vocabulary = json.dumps(sorted(tokenizer.get_vocab().items())).encode()

        def encode_slowly(texts: Sequence[str]) -> Sequence[Sequence[int]]:
            encoded = tokenizer(
                list(texts),
                add_special_tokens=False,
                split_special_tokens=True,
                truncation=True,
                max_length=_SEGMENT_TOKENS,
                return_attention_mask=False,
            )
            ids: list[list[int]] = encoded["input_ids"]
            return ids

        return encode_slowly, type(tokenizer).__qualname__.encode() + vocabulary

    # A copy of its own: the caller's tokenizer keeps its settings, and no state of its past calls gets in here.
    from tokenizers import Tokenizer

    own = Tokenizer.from_str(backend.to_str())
    own.no_padding()
    own.enable_truncation(_SEGMENT_TOKENS)
    own.encode_special_tokens = True
    # Unless told, the library warns in every data-loading process that starts after it has used its threads.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

    def encode(texts: Sequence[str]) -> Sequence[Sequence[int]]:
        return [encoding.ids for encoding in own.encode_batch_fast(list(texts), add_special_tokens=False)]

    return encode, own.to_str().encode()


def _build(table: AnnotationTable, encode: Encode, folder: Path) -> None:
    with ExitStack() as stack:
        columns = [stack.enter_context(RaggedWriter(folder, name, np.int32)) for name in SEGMENTS]
        for start in range(0, len(table), _BATCH_ROWS):
            rows = range(start, min(len(table), start + _BATCH_ROWS))
            for column, read in zip(columns, (table.title, table.ocr, table.asr), strict=True):
                encoded = encode([read(row)[:_SEGMENT_CHARS] for row in rows])
                flat = np.fromiter(chain.from_iterable(encoded), np.int32).tobytes()
                start_byte = 0
                for ids in encoded:
                    end_byte = start_byte + 4 * len(ids)
                    column.append(flat[start_byte:end_byte])
                    start_byte = end_byte
