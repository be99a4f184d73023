"""The baseline at size: texts like the challenge's in length and in how often terms come, classes with a long tail.

Run it as `python -m benchmarks.baseline [VIDEOS CLASSES]`.
"""

import resource
import sys
import time

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import LinearModel
from engine.linear_baseline import TextClassifier, VideoFeatures

_LEXICON = 60_000
_OF_CLASS = 300


def make_texts(videos: int, classes: int, seed: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of some 365 characters, 6% of their words from their class's own, and leaf indices."""
    rng = np.random.default_rng(seed)
    words = [
        "".join(chr(0x4E00 + min(int(place), 4000)) for place in rng.zipf(1.3, rng.integers(1, 5)))
        for _ in range(_LEXICON)
    ]
    often = 1 / np.arange(1, _LEXICON + 1)
    common = 1 / np.arange(1, classes + 1) ** 1.1
    labels = rng.choice(classes, videos, p=common / common.sum())
    own = rng.integers(_LEXICON, size=(classes, _OF_CLASS))
    texts = []
    for label in labels:
        chosen = rng.choice(_LEXICON, rng.integers(20, 260), p=often / often.sum())
        telling = rng.random(len(chosen)) < 0.06
        chosen[telling] = own[label, rng.integers(_OF_CLASS, size=int(telling.sum()))]
        texts.append("".join(words[word] for word in chosen))
    return texts, labels


def main() -> None:
    """Print seconds to fit four fifths and to classify the rest, and the most memory held."""
    videos, classes = (int(value) for value in sys.argv[1:3]) if len(sys.argv) > 2 else (3000, 100)
    texts, labels = make_texts(videos, classes)
    cut = videos * 4 // 5
    began = time.perf_counter()
    classifier = TextClassifier.fit(VideoFeatures(texts[:cut]), labels[:cut], LinearModel(), 0)
    fitted = time.perf_counter()
    probabilities = classifier.probabilities(VideoFeatures(texts[cut:]), classes)
    ended = time.perf_counter()
    accuracy = (probabilities.argmax(axis=1) == labels[cut:]).mean()
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{videos} videos, {classes} classes: fitted in {fitted - began:.1f} s, {videos - cut} classified in "
        f"{ended - fitted:.1f} s, accuracy {accuracy:.3f}, at most {gib:.1f} GiB"
    )


if __name__ == "__main__":
    main()
