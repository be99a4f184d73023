"""extract: the embeddings are the backbone's own, nothing is done twice, broken videos are named."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from stage_world import NewRun
from transformers import CLIPVisionModel

from engine.data.features import FeatureStore, FeatureWriter
from engine.data.frames import FrameFolder, Preprocess
from engine.errors import DataError
from engine.models.checkpoint import load_classifier, load_spec
from engine.models.vision import FrameEncoder
from engine.recorder import StopRequested
from engine.records import Artifact, Progress, Resumed
from engine.stages.extract import _Embedding
from engine.training.device import Compute

MODEL = {"vision": "models/sample/clip"}


def zips(root: Path) -> list[Path]:
    return sorted(root.rglob("*.zip"))


def test_embeddings_are_the_backbones_own_in_time_order(new_run: NewRun, world: Path) -> None:
    run = new_run("extract", model=MODEL, data={"splits": ["labeled"], "max_frames": 32}).go()
    store = FeatureStore.open(run.directory / "artifacts" / "features")
    folder = world / "models" / "sample" / "clip"
    backbone = CLIPVisionModel.from_pretrained(folder).eval()
    preprocess = Preprocess.of_backbone(folder, 32)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (preprocess.mean, preprocess.std))
    frames = FrameFolder(world / "data" / "sample", "labeled")
    checked = 0
    for path in zips(world / "data" / "sample" / "zip_frames" / "labeled")[:10]:
        pixels = frames.read(path.stem, lambda count: np.arange(count), preprocess).astype(np.float32)
        with torch.inference_mode():
            normal = torch.from_numpy((pixels / 255 - mean) / std)
            expected = backbone(pixel_values=normal).pooler_output.numpy()
        np.testing.assert_allclose(store.read(path.stem), expected, atol=4e-3, rtol=2e-3)
        checked += len(expected)
    assert checked > 10


def test_every_video_of_every_split_is_there_and_those_without_frames_count_zero(
    features: str, world: Path
) -> None:
    store = FeatureStore.open(world / features)
    data = world / "data" / "sample"
    ids = [
        record["id"]
        for split in ("labeled", "unlabeled", "test")
        for record in json.loads((data / "annotations" / f"{split}.json").read_text())
    ]
    with_frames = {path.stem for path in zips(data)}
    assert len(store) == len(ids)
    assert {video for video in ids if store.count(video) > 0} == with_frames
    assert len(with_frames) < len(ids)


def test_a_stopped_extraction_goes_on_without_redoing_finished_shards(new_run: NewRun) -> None:
    settings = {"model": MODEL, "data": {"splits": ["labeled"]}, "shard_videos": 16}
    run = new_run("extract", **settings)
    with pytest.raises(StopRequested):
        run.go(stop_after=16)
    assert FeatureWriter(run.directory / "artifacts" / "features", 32).done_shards() == {0}
    before = len(run.records)
    run.go(resumed=True)
    done = [record.done for record in run.records[before:] if isinstance(record, Progress)]
    assert min(done) > 16
    assert [record.step for record in run.records[before:] if isinstance(record, Resumed)] == [16]
    whole = new_run("extract", **settings).go()
    one, other = (FeatureStore.open(each.directory / "artifacts" / "features") for each in (run, whole))
    assert np.array_equal(np.asarray(one.frames), np.asarray(other.frames))


def test_annotations_that_changed_between_attempts_leave_no_video_out(new_run: NewRun, world: Path) -> None:
    data = ready_made(world, "changed", labeled=12)
    run = new_run(
        "extract", model=MODEL, data={"root": "data/changed", "splits": ["labeled"]}, shard_videos=16
    )
    with pytest.raises(StopRequested):
        run.go(stop_after=32)
    path = data / "annotations" / "labeled.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([*records[:20], {"id": "new"}, *records[20:-3]]))
    run.go(resumed=True)
    assert [record.step for record in run.records if isinstance(record, Resumed)] == [16]
    store = FeatureStore.open(run.directory / "artifacts" / "features")
    assert sorted(store.ids) == sorted(ids_of(data, "labeled"))
    assert (store.read(records[30]["id"]) == 30).all()


def test_broken_zips_are_skipped_counted_and_named_up_to_the_limit(new_run: NewRun, world: Path) -> None:
    data = world / "data" / "broken"
    if not data.exists():
        shutil.copytree(world / "data" / "sample", data)
    victim = zips(data)[0]
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    settings = {"model": MODEL, "data": {"root": "data/broken", "max_skipped": 0.05}}
    run = new_run("extract", **settings).go()
    (made,) = [record for record in run.records if isinstance(record, Artifact)]
    assert made.meta["skipped"] == 1
    assert FeatureStore.open(run.directory / made.path).count(victim.stem) == 0
    with pytest.raises(DataError, match=victim.name):
        new_run("extract", model=MODEL, data={"root": "data/broken", "on_error": "fail"}).go()
    with pytest.raises(DataError, match=r"more than data.max_skipped"):
        new_run("extract", model=MODEL, data={"root": "data/broken", "max_skipped": 0.0}).go()


def ready_made(world: Path, name: str, *, frames: tuple[str, ...] = (), **dims: int) -> Path:
    """A copy of the sample set with frames of `frames`, and a features zip of each split in `dims`."""
    data = world / "data" / name
    shutil.copytree(world / "data" / "sample" / "annotations", data / "annotations")
    for split in frames:
        shutil.copytree(world / "data" / "sample" / "zip_frames" / split, data / "zip_frames" / split)
    (data / "zip_feats").mkdir()
    for split, dim in dims.items():
        with zipfile.ZipFile(data / "zip_feats" / f"{split}.zip", "w") as archive:
            for number, video in enumerate(ids_of(data, split)[:-1]):
                with archive.open(f"{video}.npy", "w") as file:
                    np.save(file, np.full((number % 9, dim), number, np.float16))
    return data


def ids_of(data: Path, split: str) -> list[str]:
    return [record["id"] for record in json.loads((data / "annotations" / f"{split}.json").read_text())]


def test_ready_made_features_are_taken_in_and_need_no_backbone(new_run: NewRun, world: Path) -> None:
    data = ready_made(world, "ready", labeled=12, test=12)
    run = new_run(
        "extract",
        model={"vision": "models/none"},
        data={"root": "data/ready", "splits": ["labeled", "test"], "max_frames": 4},
        shard_videos=16,
    ).go()
    store = FeatureStore.open(run.directory / "artifacts" / "features")
    labeled, test = ids_of(data, "labeled"), ids_of(data, "test")
    assert store.dim == 12
    assert len(store) == len(labeled) + len(test)
    assert [store.count(video) for video in labeled] == [
        *(min(number % 9, 4) for number in range(len(labeled) - 1)),
        0,
    ]
    assert (store.read(test[3]) == 3).all()


def test_frames_and_ready_made_features_of_one_size_share_a_store(new_run: NewRun, world: Path) -> None:
    data = ready_made(world, "mixed", frames=("labeled",), test=32)
    settings = {"model": MODEL, "shard_videos": 16}
    run = new_run("extract", data={"root": "data/mixed", "splits": ["labeled", "test"]}, **settings).go()
    alone = new_run("extract", data={"splits": ["labeled"]}, **settings).go()
    one, other = (FeatureStore.open(each.directory / "artifacts" / "features") for each in (run, alone))
    for video in ids_of(data, "labeled"):
        np.testing.assert_array_equal(one.read(video), other.read(video))
    assert (one.read(ids_of(data, "test")[3]) == 3).all()


def test_features_of_different_sizes_are_refused_in_one_line(new_run: NewRun, world: Path) -> None:
    ready_made(world, "sizes", frames=("unlabeled",), labeled=32, test=12)
    for splits in (["labeled", "test"], ["test", "unlabeled"]):
        with pytest.raises(DataError, match=r"different sizes.*has 12.*data\.splits"):
            new_run("extract", model=MODEL, data={"root": "data/sizes", "splits": splits}).go()


def test_a_split_with_neither_frames_nor_features_is_refused(new_run: NewRun, world: Path) -> None:
    ready_made(world, "neither", frames=("labeled",))
    with pytest.raises(DataError, match=r"zip_frames/test and .*zip_feats/test\.zip: neither is there"):
        new_run("extract", model=MODEL, data={"root": "data/neither", "splits": ["labeled", "test"]}).go()


def test_a_video_of_several_splits_is_extracted_once_with_the_first(new_run: NewRun, world: Path) -> None:
    data = ready_made(world, "twice", frames=("labeled", "test"))
    path = data / "annotations" / "test.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([{"id": ids_of(data, "labeled")[0]}, *records]))
    run = new_run("extract", model=MODEL, data={"root": "data/twice", "splits": ["labeled", "test"]}).go()
    store = FeatureStore.open(run.directory / "artifacts" / "features")
    assert len(store) == len(ids_of(data, "labeled")) + len(records)


def test_a_model_folder_that_is_none_is_told(new_run: NewRun) -> None:
    with pytest.raises(DataError, match="vision backbone"):
        new_run("extract", model={"vision": "models/sample"}).go()


def test_the_vision_tower_of_another_run_can_embed_the_frames(
    new_run: NewRun, features: str, world: Path
) -> None:
    trained = new_run(
        "finetune",
        model={"text": "models/sample/bert", "vision": "models/sample/clip"},
        data={"folds": 3, "max_frames": 2, "max_tokens": 32},
        training={"epochs": 1, "batch_size": 8, "lr": {"vision": 1e-2}, "ema": None},
    ).go()
    checkpoint = max((trained.directory / "checkpoints").iterdir())
    tower = checkpoint.relative_to(world).as_posix()
    run = new_run("extract", model=MODEL, inputs={"vision": tower}, data={"splits": ["test"]}).go()
    store, before = (
        FeatureStore.open(run.directory / "artifacts" / "features"),
        FeatureStore.open(world / features),
    )
    video = next(video for video in map(str, store.ids) if store.count(video))
    model, _, _ = load_classifier(checkpoint)
    spec = load_spec(checkpoint)
    preprocess = Preprocess(spec.resize, spec.crop, spec.pixel_mean, spec.pixel_std)
    pixels = FrameFolder(world / "data" / "sample", "test").read(video, np.arange, preprocess)
    assert model.vision is not None
    with torch.inference_mode():
        expected = model.vision.eval()(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(store.read(video), expected, atol=4e-3, rtol=2e-3)
    assert np.abs(store.read(video, [0]) - before.read(video, [0])).max() > 0.02, (
        "it is not the first backbone"
    )


def test_a_run_without_a_vision_tower_is_refused_as_one(new_run: NewRun, features: str, world: Path) -> None:
    trained = new_run(
        "finetune",
        model={"text": "models/sample/bert"},
        data={"folds": 3, "max_frames": 2, "max_tokens": 32},
        inputs={"features": features},
        training={"epochs": 1},
    ).go()
    tower = max((trained.directory / "checkpoints").iterdir()).relative_to(world).as_posix()
    with pytest.raises(DataError, match="holds no vision tower; name a contrast run"):
        new_run("extract", model=MODEL, inputs={"vision": tower}).go()


def test_a_batchs_embeddings_are_waited_for_when_the_next_batch_is_on_its_way() -> None:
    log: list[str] = []

    class Embedded:
        def __init__(self, batch: int) -> None:
            self.batch = batch

        def to(self, _dtype: torch.dtype) -> "Embedded":
            return self

        def cpu(self) -> "Embedded":
            log.append(f"wait {self.batch}")
            return self

        def numpy(self) -> np.ndarray:
            return np.full((2, 1), self.batch, np.float16)

    def encoder(pixels_NCHW: torch.Tensor) -> Embedded:
        batch = int(pixels_NCHW.flatten()[0])
        log.append(f"send {batch}")
        return Embedded(batch)

    embedding = _Embedding(cast(FrameEncoder, encoder), 2, Compute(torch.device("cpu"), "fp32"))
    arrived = [
        part for batch in range(3) for part in embedding.add([torch.full((2, 3, 4, 4), batch).byte()])
    ] + embedding.rest()
    assert log == ["send 0", "send 1", "wait 0", "send 2", "wait 1", "wait 2"]
    assert [int(part[0, 0]) for part in arrived] == [0, 1, 2]
