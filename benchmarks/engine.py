"""Every stage of the engine: videos/s, share of padding, peak memory, at two sizes; training against a plain loop.

Run it as `python -m benchmarks.engine`; `--sizes small` takes the small size alone. Each figure is measured in a
process of its own, which works on the sample set in a temporary workspace. The plain loop trains the same model with
the same loss on the same videos, the way a first script does: texts tokenised as they come, every sequence padded to
the full length, frames read from a zip, batches in random order, nothing prepared ahead.

Shapes: see `engine.data.videos`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from engine.config.document import dump_yaml
from engine.config.stages import STAGES
from engine.data.annotations import load_annotations
from engine.data.features import FeatureStore
from engine.data.frames import uniform_indices
from engine.data.pretraining import PretrainingBatches
from engine.data.sample import make_sample
from engine.data.text import SEGMENTS, cut_longest
from engine.data.tiny_models import make_tiny_models
from engine.data.videos import VideoBatch
from engine.recorder import Recorder
from engine.records import RECORDS_FILE, Metrics, read_records
from engine.stages.context import RunContext
from engine.workspace import Workspace

SIZES = {"small": (128, 2), "large": (256, 4)}
FEATURES = "runs/extract/artifacts/features"
BATCH = 64
FRAMES, TOKENS, TITLE_TOKENS = 16, 256, 64
IMAGE = 112  # seven by seven patches: a frame is as many positions as ViT-B/32 makes of it
PLAIN_STEPS = 14
TRAINING = {"epochs": 3, "batch_size": BATCH, "ema": None}


def settings(stage: str, size: str) -> dict[str, Any]:
    """A stage's config on the sample set."""
    text, clip = f"models/{size}/bert", f"models/{size}/clip"
    sequence = {"root": "data/sample", "max_frames": FRAMES, "max_tokens": TOKENS}
    features = {"features": FEATURES.replace("extract", f"extract-{size}")}
    own: dict[str, dict[str, Any]] = {
        "extract": {"data": {"root": "data/sample"}, "model": {"vision": clip}},
        "pretrain": {"data": sequence, "model": {"text": text}, "inputs": features, "training": TRAINING},
        "contrast": {
            "data": {"root": "data/sample", "max_tokens": 64},
            "model": {"text": text, "vision": clip},
            "training": TRAINING,
        },
        "finetune": {"data": sequence, "model": {"text": text}, "inputs": features, "training": TRAINING},
        "finetune, FGM": {"training": TRAINING | {"adversarial": {"kind": "fgm"}}},
        "finetune from frames": {"inputs": {}, "model": {"text": text, "vision": clip}},
        "finetune from frames, FGM": {
            "inputs": {},
            "model": {"text": text, "vision": clip},
            "training": TRAINING | {"adversarial": {"kind": "fgm"}},
        },
        "finetune two-stream": {"model": {"text": text, "kind": "two_stream", "video_layers": 2}},
        "baseline": {"data": {"root": "data/sample"}, "inputs": features},
    }
    base = own["finetune"] if stage.startswith("finetune") else {}
    return {"stage": stage.split(",")[0].split()[0], "name": stage, "gpus": 0} | base | own[stage]


STAGE_NAMES = (
    "extract",
    "pretrain",
    "contrast",
    "finetune",
    "finetune, FGM",
    "finetune from frames",
    "finetune from frames, FGM",
    "finetune two-stream",
    "baseline",
)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--videos", type=int, default=600, help="labelled videos of the sample set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--against", action="store_true", help="only what is held against the plain loop")
    parser.add_argument("--child", nargs=3, metavar=("WORKSPACE", "STAGE", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        torch.set_num_threads(arguments.threads)
        root, stage, size = arguments.child
        plain = stage.removeprefix("plain ")
        result = plain_loop(Path(root), plain, size) if plain != stage else staged(Path(root), stage, size)
        print(json.dumps(result | {"memory": peak_memory()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "runs").mkdir()
        make_sample(root / "data" / "sample", videos=arguments.videos)
        for size in arguments.sizes:
            hidden, layers = SIZES[size]
            make_tiny_models(
                root / "data" / "sample",
                root / "models" / size,
                hidden=hidden,
                layers=layers,
                image_size=IMAGE,
            )
            print(f"\n{size}: hidden {hidden}, {layers} layers, batch {BATCH}, {arguments.threads} threads")
            print(f"{'stage':28} {'videos/s':>9} {'padding':>8} {'waiting':>8} {'peak MiB':>9}")
            speeds: dict[str, float] = {}
            stages = ("extract", "pretrain", "finetune") if arguments.against else STAGE_NAMES
            for stage in (*stages, "plain pretrain", "plain finetune"):
                found = measured(root, stage, size, arguments.threads)
                speeds[stage] = found["speed"]
                shares = (
                    f"{found[key]:8.1%}" if key in found else f"{'-':>8}" for key in ("padding", "waiting")
                )
                print(
                    f"{stage:28} {found['speed']:9.1f} {' '.join(shares)} {found['memory']:9.0f}", flush=True
                )
                if stage == "extract":
                    zip_features(root, size)
            for stage in ("pretrain", "finetune"):
                print(f"{stage} against the plain loop: {speeds[stage] / speeds[f'plain {stage}']:.1f} times")
            for source in () if arguments.against else ("finetune", "finetune from frames"):
                print(f"FGM, {source}: {speeds[source] / speeds[f'{source}, FGM']:.2f} times a plain step")


def measured(root: Path, stage: str, size: str, threads: int) -> dict[str, float]:
    """Figures of one stage from a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.engine",
        "--threads",
        str(threads),
        "--child",
        str(root),
        stage,
        size,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{stage}: {done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def staged(root: Path, stage: str, size: str) -> dict[str, float]:
    """Run a stage as reeltop does; speed over all epochs but the first, evaluations left out."""
    import importlib

    directory = root / "runs" / f"{stage.replace(' ', '-')}-{size}"
    directory.mkdir()
    config = STAGES[settings(stage, size)["stage"]].model_validate(settings(stage, size))
    (directory / "config.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
    module = importlib.import_module(f"engine.stages.{config.stage}")
    began = time.perf_counter()
    with Recorder(directory) as recorder:
        module.run(config, RunContext(directory, Workspace.open(root), recorder, False))
    seconds = time.perf_counter() - began
    steps = [
        record
        for record in read_records(directory / RECORDS_FILE, 0, max_bytes=1 << 30).records
        if isinstance(record, Metrics) and "train/loss" in record.values
    ]
    if not steps:
        return {"speed": videos_of(root, config.stage) / seconds}
    per_epoch = len(steps) // TRAINING["epochs"]
    gaps = [
        (later.time - earlier.time, number)
        for number, (earlier, later) in enumerate(pairwise(steps), 1)
        if number >= per_epoch and number % per_epoch
    ]
    videos = videos_of(root, config.stage) / per_epoch * len(gaps)
    late = steps[per_epoch:]
    return {
        "speed": videos / sum(seconds for seconds, _ in gaps),
        "padding": float(np.mean([step.values["speed/padding"] for step in late])),
        "waiting": float(np.mean([step.values["speed/data_wait"] for step in late])),
    }


def videos_of(root: Path, stage: str) -> float:
    """Videos of an epoch of the stage."""
    sizes = {
        name: len(json.loads((root / "data" / "sample" / "annotations" / f"{name}.json").read_text()))
        for name in ("labeled", "unlabeled", "test")
    }
    if stage == "extract":
        return sum(sizes.values())
    if stage in ("pretrain", "contrast"):
        return sizes["labeled"] + sizes["unlabeled"]
    return sizes["labeled"] if stage == "baseline" else sizes["labeled"] * 4 / 5


def plain_loop(root: Path, stage: str, size: str) -> dict[str, float]:
    """Train as a first script would; speed over a dozen steps."""
    from engine.stages import finetune, pretrain
    from engine.training.device import choose_compute

    directory = root / "runs" / f"plain-{stage}-{size}"
    directory.mkdir()
    config = STAGES[stage].model_validate(settings(stage, size))
    compute = choose_compute(0, "fp32")
    with Recorder(directory) as recorder:
        context = RunContext(directory, Workspace.open(root), recorder, False)
        task: Any = (finetune if stage == "finetune" else pretrain).make_task(config, context, compute)
    splits = ["labeled"] if stage == "finetune" else ["unlabeled", "labeled"]
    reader = PlainReader(root, splits, task.tokenizer, size)
    rows = task.train_rows if stage == "finetune" else np.arange(len(reader.records))
    model = task.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    rng = np.random.default_rng(0)
    order = rng.permutation(rows)
    timed = 0.0
    for number in range(PLAIN_STEPS):
        began = time.perf_counter()
        chosen = np.take(order, np.arange(number * BATCH, (number + 1) * BATCH), mode="wrap")
        optimizer.zero_grad()
        if stage == "finetune":
            batch = reader.batch(chosen, task.videos.labels[chosen])
            loss = F.cross_entropy(model(batch), batch.labels_B)
        else:
            loss = plain_pretraining_loss(model, task.maker, reader, chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        if number >= 2:  # the first ones warm caches up
            timed += time.perf_counter() - began
    return {"speed": (PLAIN_STEPS - 2) * BATCH / timed}


def plain_pretraining_loss(model: Any, maker: PretrainingBatches, reader: "PlainReader", rows: Any) -> Any:
    """The five tasks with every sequence at full length, masked as the stage masks."""
    plain = PretrainingBatches(
        PlainPool(reader),
        maker.tasks,
        maker.vocabulary,
        maker.max_tokens,
        maker.max_frames,
    )
    _, batch, _ = plain.batch(rows, seed=1, epoch=0)
    return model(batch)["loss"]


class PlainReader:
    """Annotations in memory, texts tokenised and frames unzipped as they are asked for."""

    def __init__(self, root: Path, splits: list[str], tokenizer: Any, size: str) -> None:
        data = root / "data" / "sample"
        self.records = [
            record | {"split": split}
            for split in splits
            for record in json.loads((data / "annotations" / f"{split}.json").read_text())
        ]
        self.tokenizer = tokenizer
        self.zips = {split: zipfile.ZipFile(root / f"features-{size}-{split}.zip") for split in splits}

    def segments(self, row: int) -> list[list[int]]:
        record = self.records[row]
        texts = (record["title"], "".join(line["text"] for line in record["ocr"]), record["asr"])
        return [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]

    def frames(self, row: int) -> np.ndarray:
        record = self.records[row]
        frames = np.load(BytesIO(self.zips[record["split"]].read(f"{record['id']}.npy")))
        return frames[uniform_indices(len(frames), FRAMES)]

    def batch(self, rows: Any, labels: Any) -> VideoBatch:
        """Every text padded to the full length, every video to all frames, in fp32."""
        ids = torch.zeros(len(rows), TOKENS, dtype=torch.long)
        mask = torch.zeros(len(rows), TOKENS, dtype=torch.bool)
        frame_mask = torch.zeros(len(rows), FRAMES, dtype=torch.bool)
        frames = []
        for place, row in enumerate(rows):
            sequence = joined(self.tokenizer, self.segments(int(row)), TOKENS)
            ids[place, : len(sequence)] = torch.tensor(sequence)
            mask[place, : len(sequence)] = True
            own = torch.from_numpy(self.frames(int(row)).astype(np.float32))
            frame_mask[place, : len(own)] = True
            frames.append(F.pad(own, (0, 0, 0, FRAMES - len(own))))
        return VideoBatch(ids, mask, frame_mask, torch.from_numpy(labels), torch.stack(frames))


class PlainPool:
    """Texts and frames as the batches of pre-training ask for them, at full length and made on the spot."""

    def __init__(self, reader: PlainReader) -> None:
        self.reader = reader
        self.ids = np.array([record["id"] for record in reader.records])
        self.frame_shape = reader.frames(0).shape[1:]

    def tokens(self, row: int, segments: tuple[str, ...], max_tokens: int) -> np.ndarray:
        parts = self.reader.segments(row)
        sequence = joined(
            self.reader.tokenizer,
            [part for name, part in zip(SEGMENTS, parts, strict=True) if name in segments],
            max_tokens,
        )
        length = TITLE_TOKENS if segments == ("title",) else max_tokens
        return np.array((sequence + [self.reader.tokenizer.pad_token_id] * length)[:length])

    def frames(self, row: int, rng: Any, problems: list[str]) -> np.ndarray:
        own = self.reader.frames(row)
        return np.pad(own, ((0, FRAMES - len(own)), (0, 0)))


def joined(tokenizer: Any, parts: list[list[int]], max_tokens: int) -> list[int]:
    """`[CLS] part [SEP] part [SEP] ...`, cut to fit."""
    kept = cut_longest(tuple(map(len, parts)), max_tokens - 1 - len(parts))
    sequence = [tokenizer.cls_token_id]
    for part, length in zip(parts, kept, strict=True):
        sequence += [*part[:length], tokenizer.sep_token_id]
    return sequence


def zip_features(root: Path, size: str) -> None:
    """The extracted features as one zip a split, an entry a video: what the plain loop reads."""
    store = FeatureStore.open(root / FEATURES.replace("extract", f"extract-{size}"))
    for split in ("labeled", "unlabeled"):
        table = load_annotations(
            root / "data" / "sample" / "annotations" / f"{split}.json", root / "data" / ".cache"
        )
        with zipfile.ZipFile(root / f"features-{size}-{split}.zip", "w") as archive:
            for video in map(str, table.ids):
                buffer = BytesIO()
                np.save(buffer, store.read(video))
                archive.writestr(f"{video}.npy", buffer.getvalue())


def peak_memory() -> float:
    """Largest resident size of this process, MiB."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
