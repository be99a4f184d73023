"""Scores of an ensemble under new weights: 10,000 videos of 200 classes, 4 members.

Run it as `python -m benchmarks.ensemble`.
"""

import time

import numpy as np

from engine.data.taxonomy import Taxonomy
from engine.ensembling import Rescorer, coordinate_weights


def main() -> None:
    """Print milliseconds of one new set of weights, and seconds of a whole search."""
    rng = np.random.default_rng(0)
    taxonomy = Taxonomy.from_codes([f"{top:02}{leaf:02}" for top in range(20) for leaf in range(10)])
    labels = rng.integers(200, size=10_000)
    logits = rng.normal(size=(4, 10_000, 200)).astype(np.float32)
    logits[:, np.arange(10_000), labels] += 2
    scorer = Rescorer(taxonomy, np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels)
    scorer.f1_mean(np.ones(4))
    times = []
    for weights in rng.random((20, 4)):
        began = time.perf_counter()
        scorer.score(weights)
        times.append(time.perf_counter() - began)
    print(
        f"new weights, F1 at every level: median {1000 * np.median(times):.1f} ms, most {1000 * max(times):.1f} ms"
    )
    began = time.perf_counter()
    coordinate_weights(scorer)
    print(f"coordinate search: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
