"""The data layer at the challenge's size: annotations, tokens, batches, frames, features, scores.

Run it as `python -m benchmarks.data`; `--records 1000000` is the challenge's unlabelled set and takes some minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score
from transformers import AutoTokenizer

from engine.data.annotations import load_annotations
from engine.data.batches import bucketed_batches, item_rng
from engine.data.features import FeatureStore, FeatureWriter
from engine.data.frames import FrameFolder, Preprocess, random_indices, uniform_indices
from engine.data.sample import make_sample
from engine.data.splits import stratified_folds
from engine.data.taxonomy import Taxonomy
from engine.data.text import load_tokens
from engine.data.tiny_models import make_tiny_models
from engine.metrics import hierarchical_scores

DIM = 768

MEASURED = """
import sys, time
from pathlib import Path
from engine.data.annotations import load_annotations

def peak():  # KiB of this process alone; getrusage would count what the parent had before exec
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))

before = peak()
started = time.perf_counter()
table = load_annotations(Path(sys.argv[1]), Path(sys.argv[2]))
built = time.perf_counter() - started
started = time.perf_counter()
table = load_annotations(Path(sys.argv[1]), Path(sys.argv[2]))
opened = time.perf_counter() - started
print(len(table), built, opened, before, peak())
"""

POOL = """
import sys, time
from pathlib import Path
from transformers import AutoTokenizer
from engine.data.annotations import load_annotations
from engine.data.batches import bucketed_batches
from engine.data.features import FeatureStore
from engine.data.pool import SplitVideos, VideoPool
from engine.data.text import load_tokens
from engine.data.videos import StoredFrames

def peak():
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))

before = peak()
cache, models, features, *files = map(Path, sys.argv[1:])
tokenizer = AutoTokenizer.from_pretrained(models / "bert")
started = time.perf_counter()
frames = StoredFrames(FeatureStore.open(features), 16)
tables = [load_annotations(file, cache) for file in files]
pool = VideoPool([SplitVideos(table.ids, load_tokens(table, tokenizer, cache), frames) for table in tables])
built = time.perf_counter() - started
started = time.perf_counter()
lengths = pool.segment_lengths().sum(axis=1) + 4 + pool.frame_counts()
plan = bucketed_batches(lengths, 128, seed=0, epoch=0)
print(len(pool), built, time.perf_counter() - started, len(plan), before, peak())
"""


def seconds(action: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of one call of `action`, the best of three rounds of `repeats`."""
    rounds = []
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(repeats):
            action()
        rounds.append((time.perf_counter() - started) / repeats)
    return min(rounds)


def report(what: str, value: str, note: str = "") -> None:
    print(f"{what:<52} {value:>14}  {note}", flush=True)


def annotations(folder: Path, records: int, split: str = "unlabeled") -> Path:
    """A file of synthetic records with the lengths of real ones: about 1 kB each."""
    path = folder / "annotations" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    labelled = split == "labeled"
    rng = np.random.default_rng(0)
    letters = np.array(
        list("今天大家一起视频喜欢关注分享日常生活时间朋友觉得真的非常可以这个那个什么怎么为什么")
    )
    pool = ["".join(letters[rng.integers(len(letters), size=200)]) for _ in range(500)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            text = pool[number % len(pool)]
            cut = number % 150
            record = {
                "id": str((2 if labelled else 1) * 10**16 + 7919 * number),
                "title": text[: 10 + cut % 20],
                "asr": text[: 20 + cut],
                "ocr": [{"time": line, "text": text[line : line + 12]} for line in range(cut % 10)],
            }
            if labelled:
                record["category_id"] = f"{number % 20:02}{number % 7:02}"
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(record, ensure_ascii=False))
        file.write("]\n")
    return path


def measure_annotations(path: Path, cache: Path) -> None:
    command = [sys.executable, "-c", MEASURED, str(path), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, built, opened, before, peak = map(float, done.stdout.split())
    megabytes = path.stat().st_size / 1e6
    rate = f"{megabytes:.0f} MB of JSON, {count / built / 1000:.0f}k records/s"
    report(f"annotations: {int(count):,} records, columns built", f"{built:.1f} s", rate)
    report("annotations: opened again", f"{opened * 1000:.0f} ms")
    report(
        "annotations: memory of the process at its peak",
        f"{peak / 1024:.0f} MiB",
        f"{before / 1024:.0f} at start",
    )


def measure_tokens(path: Path, cache: Path, models: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(models / "bert")
    table = load_annotations(path, cache)
    started = time.perf_counter()
    tokens = load_tokens(table, tokenizer, cache)
    took = time.perf_counter() - started
    report("tokens: made once", f"{took:.1f} s", f"{len(table) / took / 1000:.0f}k records/s on all cores")
    rows = np.random.default_rng(0).integers(len(table), size=2000)
    per_row = seconds(lambda: [tokens.sequence(int(row), 256) for row in rows]) / len(rows)
    report("tokens: one sequence", f"{per_row * 1e6:.1f} us")
    started = time.perf_counter()
    lengths = tokens.lengths(256)
    batches = bucketed_batches(lengths, 64, seed=0, epoch=0)
    took = time.perf_counter() - started
    report(f"batches: index of an epoch, {len(lengths):,} videos", f"{took:.2f} s")
    report("batches: share of padding", f"{padding(lengths, batches):.1%}", "batch size 64")


def measure_pool(files: list[Path], root: Path) -> None:
    """Everything from the files to an epoch's index of pre-training, in a process that finds no cache."""
    arguments = [root / "pool-cache", root / "models", root / "features", *files]
    command = [sys.executable, "-c", POOL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, built, index, batches, before, peak = map(float, done.stdout.split())
    report(f"pool: {int(count):,} videos, cache built", f"{built:.1f} s", "columns and tokens of both splits")
    report("pool: index of an epoch", f"{index:.2f} s", f"{int(batches):,} batches of 128")
    report(
        "pool: memory of the process at its peak", f"{peak / 1024:.0f} MiB", f"{before / 1024:.0f} at start"
    )


def padding(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """Share of computed positions that hold no token."""
    return 1 - int(lengths.sum()) / sum(int(lengths[batch].max()) * len(batch) for batch in batches)


def measure_sample(folder: Path, models: Path, cache: Path) -> None:
    started = time.perf_counter()
    make_sample(folder)
    report("sample data set, default size", f"{time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    make_tiny_models(folder, models)
    report("tiny models for it", f"{time.perf_counter() - started:.1f} s", "with the import of transformers")
    table = load_annotations(folder / "annotations" / "labeled.json", cache)
    lengths = load_tokens(table, AutoTokenizer.from_pretrained(models / "bert"), cache).lengths(256)
    for size in (32, 64):
        bucketed = padding(lengths, bucketed_batches(lengths, size, seed=0, epoch=0))
        shuffled = np.random.default_rng(0).permutation(len(lengths))
        plain = padding(lengths, [shuffled[start : start + size] for start in range(0, len(lengths), size)])
        longest = 1 - lengths.mean() / 256
        report(
            f"sample: share of padding, {len(lengths)} videos, batch size {size}",
            f"{bucketed:.1%}",
            f"shuffled {plain:.1%}, always 256 tokens {longest:.1%}",
        )


def measure_frames(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    blurred = rng.integers(0, 256, (20, 12, 3), dtype=np.uint8)
    for width, height in ((64, 64), (224, 224), (540, 960)):
        video = f"{width}x{height}"
        path = FrameFolder(folder, "bench").path(video)
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(16):
                with archive.open(f"{number}.jpg", "w") as file:
                    Image.fromarray(blurred).resize((width, height)).save(file, "JPEG", quality=85)
        side = 64 if width == 64 else 224
        preprocess = Preprocess(resize=round(side * 256 / 224) if width > 64 else side, crop=side)
        frames = FrameFolder(folder, "bench")
        took = seconds(
            lambda v=video, p=preprocess, f=frames: f.read(v, lambda n: uniform_indices(n, 16), p), 3
        )
        report(
            f"frames: zip of 16 JPEGs {video} to {side}x{side}", f"{took * 1000:.1f} ms", "uint8, one core"
        )


def measure_features(folder: Path, videos: int) -> None:
    rng = np.random.default_rng(0)
    writer = FeatureWriter(folder, DIM)
    shard = 1000
    started = time.perf_counter()
    for number in range(videos // shard):
        counts = rng.integers(1, 17, shard)
        frames = rng.standard_normal((int(counts.sum()), DIM), np.float32).astype(np.float16)
        writer.add_shard(
            number, [str(number * shard + video) for video in range(shard)], list(counts), frames
        )
    writer.finish()
    report(f"features: {videos:,} videos written and joined", f"{time.perf_counter() - started:.1f} s")
    store = FeatureStore.open(folder)
    asked = [str(number) for number in rng.integers(videos, size=3000)]
    lookup = seconds(lambda: [store.count(video) for video in asked]) / len(asked)

    def read_all() -> None:
        for video in asked:
            store.read(video, random_indices(store.count(video), 8, item_rng(0, 0, video)))

    report("features: count of one id", f"{lookup * 1e6:.1f} us")
    report(
        "features: random 8 frames of one id",
        f"{seconds(read_all) / len(asked) * 1e6:.1f} us",
        "choice included",
    )
    all_counts = seconds(lambda: store.counts(np.array(asked))) / len(asked)
    report("features: counts of many ids at once", f"{all_counts * 1e6:.2f} us", "each")


def measure_scores() -> None:
    taxonomy = Taxonomy.from_codes(f"{number // 9:02}{number % 9:02}" for number in range(200))
    y_true, y_pred = np.random.default_rng(0).integers(200, size=(2, 10_000))
    parents = taxonomy.leaf_to_level(1)

    def with_sklearn() -> None:
        for true, predicted in ((y_true, y_pred), (parents[y_true], parents[y_pred])):
            f1_score(true, predicted, average="micro")
            f1_score(true, predicted, average="macro")

    ours = seconds(lambda: hierarchical_scores(taxonomy, y_true, y_pred), 5)
    theirs = seconds(with_sklearn)
    report(
        "scores: 10,000 videos, 200 classes", f"{ours * 1000:.2f} ms", f"scikit-learn {theirs * 1000:.1f} ms"
    )
    took = seconds(lambda: stratified_folds(y_true, 5, 802), 5)
    report("folds: 10,000 videos", f"{took * 1000:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="records of the synthetic annotations")
    parser.add_argument("--videos", type=int, default=20_000, help="videos of the synthetic feature store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        measure_sample(root / "sample", root / "models", root / "cache")
        path = annotations(root / "large", options.records)
        measure_annotations(path, root / "cache")
        measure_tokens(path, root / "cache", root / "models")
        measure_frames(root / "frames")
        measure_features(root / "features", options.videos)
        labelled = annotations(root / "large", options.records // 10, "labeled")
        measure_pool([path, labelled], root)
        measure_scores()


if __name__ == "__main__":
    main()
