"""An ensemble under new weights: 10,000 videos of 200 classes, 4 members; scores, search, and from key to screen.

Run it as `python -m benchmarks.ensemble`.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.tui.app import ReeltopApp
from app.tui.screens.ensemble import Ensemble
from app.tui.screens.ensemble_work import Loaded
from engine.data.taxonomy import Taxonomy
from engine.ensemble.members import Member
from engine.ensemble.search import Rescorer, coordinate_weights
from engine.ensemble.validation import Aligned
from engine.ensemble.weighing import Gathered, weigh
from engine.workspace import Workspace

KEYS = 40


def main() -> None:
    """Print milliseconds of one new set of weights, of a key, and seconds of a whole search."""
    rng = np.random.default_rng(0)
    taxonomy = Taxonomy.from_codes([f"{top:02}{leaf:02}" for top in range(20) for leaf in range(10)])
    labels = rng.integers(200, size=10_000)
    logits = rng.normal(size=(4, 10_000, 200)).astype(np.float32)
    logits[:, np.arange(10_000), labels] += 2
    scorer = Rescorer(taxonomy, np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels)
    gathered = Gathered(
        tuple(Member(f"model-{number}", []) for number in range(1, 5)),
        tuple((number,) for number in range(1, 5)),
        (),
        Aligned([str(video) for video in range(10_000)], scorer, np.zeros(10_000, np.int64)),
    )
    weigh(gathered, np.ones(4).tolist())
    few, all_of_it = [], []
    for weights in rng.random((20, 4)):
        began = time.perf_counter()
        scorer.score(weights)
        few.append(time.perf_counter() - began)
        began = time.perf_counter()
        weigh(gathered, weights.tolist())
        all_of_it.append(time.perf_counter() - began)
    tell("new weights, F1 at every level", few)
    tell("the same, without each member in turn, and fixes and breaks by class", all_of_it)
    tell("from a key to all of it on the screen", asyncio.run(keys(gathered)))
    began = time.perf_counter()
    coordinate_weights(scorer)
    print(f"coordinate search: {time.perf_counter() - began:.1f} s")


async def keys(gathered: Gathered) -> list[float]:
    """Seconds from each of some keys until its scores are in the widgets and drawn."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "configs").mkdir()
        app = ReeltopApp(Workspace.open(folder), supervise=False)
        async with app.run_test(size=(120, 36)) as pilot:
            while not app.opened:
                await pilot.pause(0.05)
            await pilot.press("5")
            screen = app.screen
            assert isinstance(screen, Ensemble)
            screen.post_message(Loaded(0, gathered))
            while screen.bench.weighed is None:
                await pilot.pause(0.05)
            await pilot.pause(1.5)
            for number in range(KEYS):
                began = time.perf_counter()
                before = screen.bench.weighed
                app.simulate_key("left" if number % 8 < 4 else "right")
                while screen.bench.weighed is before:
                    await asyncio.sleep(0.0005)
                drawn = asyncio.Event()
                screen.call_after_refresh(drawn.set)
                await drawn.wait()
                times.append(time.perf_counter() - began)
    return times


def tell(what: str, seconds: Sequence[float]) -> None:
    """One line of a measurement."""
    print(f"{what}: median {1000 * np.median(seconds):.1f} ms, most {1000 * max(seconds):.1f} ms")


if __name__ == "__main__":
    main()
