"""Videos of several splits as one set: every id once, text and frames from the split that it came with.

Shapes: n videos.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import PretrainData
from engine.data.annotations import load_annotations
from engine.data.text import Segment, TokenTable, load_tokens
from engine.data.videos import FrameSource
from engine.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class SplitVideos:
    """One split: row i of `tokens` is video `ids[i]`."""

    ids: NDArray[np.str_]
    tokens: TokenTable
    frames: FrameSource


class VideoPool:
    """Videos of one or several splits; of an id that is in two, the first split counts.

    Attributes:
        ids: video ids, numpy strings [n].
    """

    def __init__(self, splits: Sequence[SplitVideos]) -> None:
        self._splits: list[SplitVideos] = list(splits)
        self.ids = np.concatenate([split.ids for split in splits])
        self._split = np.repeat(np.arange(len(splits)), [len(split.ids) for split in splits])
        self._row = np.concatenate([np.arange(len(split.ids)) for split in splits])
        if len(splits) > 1:
            _, first = np.unique(self.ids, return_index=True)
            self._keep(np.sort(first))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame, the same in all splits."""
        return self._splits[0].frames.shape

    def only(self, rows: NDArray[np.int64]) -> "VideoPool":
        """The set of these rows alone."""
        part = object.__new__(VideoPool)
        vars(part).update(vars(self))
        part._keep(rows)
        return part

    def _keep(self, rows: NDArray[np.int64]) -> None:
        self.ids, self._split, self._row = self.ids[rows], self._split[rows], self._row[rows]

    def tokens(self, row: int, segments: Sequence[Segment], max_tokens: int) -> NDArray[np.int64]:
        """Token ids of some of a video's texts, see `TokenTable.joined`."""
        return self._splits[int(self._split[row])].tokens.joined(int(self._row[row]), segments, max_tokens)

    def segment_lengths(self) -> NDArray[np.int64]:
        """Tokens of title, OCR and ASR of every video before they are cut to fit, int64 [n, 3]."""
        lengths = np.zeros((len(self), 3), np.int64)
        for number, split in enumerate(self._splits):
            own = self._split == number
            lengths[own] = split.tokens.segment_lengths()[self._row[own]]
        return lengths

    def frame_counts(self) -> NDArray[np.int64]:
        """How many frames of every video are read, at most, int64 [n]."""
        counts = np.zeros(len(self), np.int64)
        for number, split in enumerate(self._splits):
            own = self._split == number
            counts[own] = split.frames.counts(self.ids[own])
        return counts

    def frames(self, row: int, rng: np.random.Generator, problems: list[str]) -> NDArray[np.generic]:
        """Frames of a video, drawn with `rng`; none where they are broken, which is added to `problems`."""
        source = self._splits[int(self._split[row])].frames
        try:
            return source.read(str(self.ids[row]), rng)
        except DataError as error:
            problems.append(str(error))
            return np.zeros((0, *source.shape), np.uint8)

    def fingerprint(self) -> str:
        """Hash of ids, and of how much text and how many frames they have."""
        digest = hashlib.sha256()
        for column in (self.ids, self.segment_lengths(), self.frame_counts()):
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()


def load_pool(
    data: PretrainData,
    root: Path,
    cache: Path,
    tokenizer: "PreTrainedTokenizerBase",
    frames_of: Callable[[str], FrameSource],
) -> VideoPool:
    """The videos of those of `data.splits` that the data set at `root` has.

    Args:
        frames_of: from a split's name to the source of its frames.

    Raises:
        DataError: it has none of them, or annotations or frames cannot be used.
    """
    paths = {name: root / "annotations" / f"{name}.json" for name in dict.fromkeys(data.splits)}
    splits = []
    for name, path in paths.items():
        if path.exists():
            table = load_annotations(path, cache, on_error=data.on_error, max_skipped=data.max_skipped)
            splits.append(SplitVideos(table.ids, load_tokens(table, tokenizer, cache), frames_of(name)))
    if not any(len(split.ids) for split in splits):
        raise DataError(
            f"{root}: has no videos in {', '.join(paths)}; put annotations there, or name other data.splits"
        )
    return VideoPool(splits)
