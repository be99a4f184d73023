"""The feature store: what goes in comes out, whatever is killed in between."""

import os
import pickle
import signal
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.data.feature_zips import FeatureZip
from engine.data.features import FeatureStore, FeatureWriter
from engine.errors import DataError

DIM = 6


def made_up(seed: int, counts: list[int]) -> NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=(sum(counts), DIM)).astype(np.float16)


def write_store(
    folder: Path, shards: dict[int, tuple[list[str], list[int]]]
) -> dict[str, NDArray[np.float16]]:
    writer = FeatureWriter(folder, DIM)
    wanted: dict[str, NDArray[np.float16]] = {}
    for number, (ids, counts) in shards.items():
        frames = made_up(number, counts)
        writer.add_shard(number, ids, counts, frames)
        ends = np.cumsum(counts)
        wanted |= {id_: frames[end - n : end] for id_, n, end in zip(ids, counts, ends, strict=True)}
    writer.finish()
    return wanted


@given(
    st.lists(
        st.tuples(st.text("ab12é中", min_size=1, max_size=5), st.integers(0, 4)),
        unique_by=lambda pair: pair[0],
    ),
    st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_every_video_of_every_shard_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, videos: list[tuple[str, int]], per_shard: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    shards = {
        start: ([id_ for id_, _ in part], [count for _, count in part])
        for start in range(0, len(videos), per_shard)
        if (part := videos[start : start + per_shard])
    }
    wanted = write_store(folder, shards)
    store = FeatureStore.open(folder)
    assert store.dim == DIM
    assert len(store) == len(videos)
    for id_, count in videos:
        assert store.count(id_) == count
        read = store.read(id_, np.arange(count))
        assert read.dtype == np.float16
        np.testing.assert_array_equal(read, wanted[id_])
    np.testing.assert_array_equal(store.counts([id_ for id_, _ in videos]), [count for _, count in videos])


def test_chosen_frames_come_in_the_order_asked_for(tmp_path: Path) -> None:
    wanted = write_store(tmp_path, {0: (["a", "b"], [3, 5])})
    store = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(store.read("b", [4, 0]), wanted["b"][[4, 0]])
    np.testing.assert_array_equal(store.read("b"), wanted["b"])
    with pytest.raises(IndexError):
        store.read("a", [3])


def test_a_video_without_frames_has_none_and_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    write_store(tmp_path, {0: (["a", "b"], [0, 2])})
    store = FeatureStore.open(tmp_path)
    assert store.count("a") == 0
    assert store.read("a", []).shape == (0, DIM)
    for unknown in ("c", "", "a much longer id than any in the store"):
        assert unknown not in store
        with pytest.raises(DataError, match="no features"):
            store.count(unknown)
        with pytest.raises(DataError, match="no features"):
            store.read(unknown, [0])
    np.testing.assert_array_equal(store.counts(["b", "nowhere to be found", "a"]), [2, -1, 0])


def test_an_empty_store_is_a_store(tmp_path: Path) -> None:
    FeatureWriter(tmp_path, DIM).finish()
    store = FeatureStore.open(tmp_path)
    assert len(store) == 0
    np.testing.assert_array_equal(store.counts(["a"]), [-1])


def test_what_is_read_is_a_copy_that_may_be_changed(tmp_path: Path) -> None:
    wanted = write_store(tmp_path, {0: (["a"], [2])})
    store = FeatureStore.open(tmp_path)
    store.read("a")[:] = 0
    np.testing.assert_array_equal(store.read("a"), wanted["a"])


def test_the_array_of_frames_is_mapped_and_not_loaded(tmp_path: Path) -> None:
    write_store(tmp_path, {0: (["a"], [2])})
    store = FeatureStore.open(tmp_path)
    assert isinstance(store.frames.base, np.memmap)
    assert len(pickle.dumps(store)) < 500


def test_a_store_travels_to_another_process(tmp_path: Path) -> None:
    wanted = write_store(tmp_path, {0: (["a"], [2])})
    store = pickle.loads(pickle.dumps(FeatureStore.open(tmp_path)))
    np.testing.assert_array_equal(store.read("a"), wanted["a"])


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((3, DIM), np.float16), "shape"),
        (np.zeros((2, DIM + 1), np.float16), "shape"),
        (np.full((2, DIM), np.nan, np.float16), "id a: .*not finite"),
        (np.array([[0] * DIM, [1e30] * DIM]), "id b: .*not finite"),
    ],
)
def test_features_that_cannot_be_right_are_refused(
    tmp_path: Path, frames: NDArray[np.floating], message: str
) -> None:
    writer = FeatureWriter(tmp_path, DIM)
    with pytest.raises(DataError, match=message):
        writer.add_shard(0, ["a", "z", "b"], [1, 0, 1], frames)
    assert writer.done_shards() == set()


def test_finished_shards_are_known_after_a_restart_and_after_the_end(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, DIM)
    writer.add_shard(0, ["a"], [1], made_up(0, [1]))
    writer.add_shard(2, ["c"], [2], made_up(2, [2]))
    again = FeatureWriter(tmp_path, DIM)
    assert again.done_shards() == {0, 2}
    again.add_shard(1, ["b"], [3], made_up(1, [3]))
    again.finish()
    again.finish()
    ended = FeatureWriter(tmp_path, DIM)
    assert ended.done_shards() == {0, 1, 2}
    ended.finish()
    np.testing.assert_array_equal(FeatureStore.open(tmp_path).read("b"), made_up(1, [3]))
    with pytest.raises(DataError, match="finished already"):
        ended.add_shard(3, ["d"], [1], made_up(3, [1]))


def test_shards_of_other_ids_are_made_again(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, DIM)
    for number, ids in enumerate((["a"], ["b"], ["c"], ["d"])):
        writer.add_shard(number, ids, [1], made_up(number, [1]))
    wanted = [["a"], ["x"], ["c"]]
    assert FeatureWriter(tmp_path, DIM).keep_shards(3, lambda number: wanted[number]) == {0, 2}
    again = FeatureWriter(tmp_path, DIM)
    assert again.done_shards() == {0, 2}
    again.add_shard(1, ["x"], [1], made_up(9, [1]))
    again.finish()
    assert list(FeatureStore.open(tmp_path).ids) == ["a", "c", "x"]


@pytest.mark.parametrize("wanted", [[["a"], ["x"]], [["a"]], [["a"], ["b"], ["c"]]])
def test_a_finished_store_of_other_ids_is_refused(tmp_path: Path, wanted: list[list[str]]) -> None:
    write_store(tmp_path, {0: (["a"], [1]), 1: (["b"], [1])})
    writer = FeatureWriter(tmp_path, DIM)
    assert writer.keep_shards(2, lambda number: [["b"], ["a"]][number]) == {0, 1}
    with pytest.raises(DataError, match="other videos than the annotations"):
        writer.keep_shards(len(wanted), lambda number: wanted[number])


def test_nothing_but_the_store_is_left_at_the_end(tmp_path: Path) -> None:
    write_store(tmp_path, {0: (["a"], [1])})
    assert {path.name for path in tmp_path.iterdir()} == {
        "frames.f16",
        "ids.npy",
        "offsets.npy",
        "counts.npy",
        "index.json",
    }


def test_an_id_in_two_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="id a is in two shards"):
        write_store(tmp_path, {0: (["a"], [1]), 1: (["a"], [1])})


def test_features_of_another_size_are_refused(tmp_path: Path) -> None:
    FeatureWriter(tmp_path, DIM).add_shard(0, ["a"], [1], made_up(0, [1]))
    with pytest.raises(DataError, match=rf"holds features of {DIM} values and these have 9"):
        FeatureWriter(tmp_path, 9)
    FeatureWriter(tmp_path, DIM).finish()
    with pytest.raises(DataError, match="another folder"):
        FeatureWriter(tmp_path, 9)


def test_an_unfinished_or_damaged_store_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"index\.json is missing.*run extract"):
        FeatureStore.open(tmp_path / "nowhere")
    FeatureWriter(tmp_path, DIM).add_shard(0, ["a"], [1], made_up(0, [1]))
    with pytest.raises(DataError, match="no finished feature store"):
        FeatureStore.open(tmp_path)
    FeatureWriter(tmp_path, DIM).finish()
    with (tmp_path / "frames.f16").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="damaged"):
        FeatureStore.open(tmp_path)
    (tmp_path / "ids.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match="cannot be read"):
        FeatureStore.open(tmp_path)


WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from engine.data.features import FeatureWriter
writer = FeatureWriter(Path(sys.argv[1]), 64)
for number in range(40):
    if number not in writer.done_shards():
        frames = np.full((500, 64), number, np.float16)
        writer.add_shard(number, [f"{number}-{video}" for video in range(100)], [5] * 100, frames)
        print(number, flush=True)
writer.finish()
print("finished", flush=True)
"""


def test_kill_9_at_any_moment_loses_no_finished_shard_and_damages_none(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", WRITES_UNTIL_KILLED, str(tmp_path)]
    done_before: set[int] = set()
    for shards_to_see in (1, 9, 17, None):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            seen: list[str] = []
            for line in process.stdout:
                seen.append(line.strip())
                if len(seen) == shards_to_see:
                    process.send_signal(signal.SIGKILL)
        made = {int(line) for line in seen if line != "finished"}
        assert not made & done_before
        done_before |= made
        if shards_to_see is not None:
            assert FeatureWriter(tmp_path, 64).done_shards() >= done_before
            done_before = FeatureWriter(tmp_path, 64).done_shards()
    assert seen[-1] == "finished"
    store = FeatureStore.open(tmp_path)
    assert len(store) == 4000
    for number in range(40):
        assert (store.read(f"{number}-42") == number).all()


@pytest.mark.parametrize("step", range(5))
def test_a_death_at_any_step_of_finishing_is_mended_by_finishing_again(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    writer = FeatureWriter(tmp_path, DIM)
    for number in range(3):
        writer.add_shard(number, [f"v{number}"], [2], made_up(number, [2]))
    renamed = 0
    rename = Path.replace

    def die_at_step(path: Path, target: Path) -> Path:
        nonlocal renamed
        if renamed == step:
            raise Killed
        renamed += 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die_at_step)
        with pytest.raises(Killed):
            writer.finish()
    again = FeatureWriter(tmp_path, DIM)
    assert again.done_shards() == {0, 1, 2}
    again.finish()
    store = FeatureStore.open(tmp_path)
    for number in range(3):
        np.testing.assert_array_equal(store.read(f"v{number}"), made_up(number, [2]))


def npy(array: NDArray[np.generic]) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_features_zip(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_ready_made_features_are_read_by_id(tmp_path: Path) -> None:
    members = {f"x/{number}.npy": npy(made_up(number, [number % 4])) for number in range(10)}
    members["single.npy"] = npy(made_up(99, [2]).astype(np.float32))
    path = write_features_zip(tmp_path / "labeled.zip", {**members, "readme.txt": b"hello"})
    with FeatureZip(path) as features:
        assert features.dim == DIM
        for number in range(10):
            np.testing.assert_array_equal(features.read(str(number)), made_up(number, [number % 4]))
        np.testing.assert_array_equal(features.read("single"), made_up(99, [2]))
        assert features.read("not there").shape == (0, DIM)


UNUSABLE = {
    "pickled": npy(np.array([{"a": 1}], dtype=object)),
    "flat": npy(np.zeros(DIM, np.float16)),
    "other size": npy(np.zeros((2, DIM + 1), np.float16)),
    "integers": npy(np.zeros((2, DIM), np.int32)),
    "not a number": npy(np.full((2, DIM), np.nan, np.float16)),
    "cut": npy(np.zeros((2, DIM), np.float16))[:-4],
    "no header": b"nothing",
    "huge": npy(np.zeros((0, DIM), np.float16)).replace(b"(0, 6), }          ", b"(9000000000, 6), }"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_video_is_named_and_the_others_are_read(tmp_path: Path, kind: str) -> None:
    path = write_features_zip(
        tmp_path / "test.zip", {"ok.npy": npy(made_up(0, [2])), "bad.npy": UNUSABLE[kind]}
    )
    with FeatureZip(path) as features:
        assert len(features.read("ok")) == 2
        with pytest.raises(DataError, match=r"bad\.npy"):
            features.read("bad")


def test_of_a_repeated_id_the_first_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_features_zip(
        tmp_path / "test.zip", {"a.npy": npy(made_up(0, [2])), "more/a.npy": npy(made_up(1, [3]))}
    )
    with FeatureZip(path) as features:
        assert len(features.read("a")) == 2
    assert "more than once" in caplog.text


def test_a_features_zip_that_is_missing_broken_or_useless_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        FeatureZip(tmp_path / "no.zip")
    (tmp_path / "bad.zip").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"bad\.zip: broken zip"):
        FeatureZip(tmp_path / "bad.zip")
    with pytest.raises(DataError, match="no usable features"):
        FeatureZip(write_features_zip(tmp_path / "e.zip", {}))
