"""`check_dataset`: whatever is wrong with a data set is counted and named, and nothing is written."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from data_helpers import jpeg, write_zip
from test_features import made_up, npy, write_features_zip
from typer.testing import CliRunner

from app.cli import app
from engine.data.check import DatasetReport, check_dataset
from engine.errors import DataError

Write = Callable[..., Path]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def split_of(report: DatasetReport, split: str) -> object:
    return next(one for one in report.splits if one.split == split)


def test_a_sound_data_set_has_no_problem_and_is_left_as_it_was(sample: Path) -> None:
    before = files(sample)
    report = check_dataset(sample)
    assert files(sample) == before
    assert report.problems == {}
    assert [one.split for one in report.splits] == ["labeled", "unlabeled", "test"]
    assert [one.videos for one in report.splits] == [90, 180, 30]
    assert [one.labelled for one in report.splits] == [90, 0, 0]
    assert [level.classes for level in report.levels] == [2, 8]
    json.dumps(asdict(report))


def test_the_counts_are_those_of_the_annotations(sample: Path) -> None:
    report = check_dataset(sample, deep=False)
    records = json.loads((sample / "annotations" / "labeled.json").read_text())
    labeled = report.splits[0]
    assert labeled.missing["title"] == sum(not record["title"] for record in records)
    assert labeled.missing["ocr"] == sum(not record["ocr"] for record in records)
    assert labeled.missing["asr"] == sum(not record["asr"] for record in records)
    zips = list((sample / "zip_frames" / "labeled").rglob("*.zip"))
    assert labeled.missing["frames"] == 90 - len(zips)
    codes = [record["category_id"] for record in records]
    for level, report_of_level in enumerate(report.levels, 1):
        counts = {code[: 2 * level]: 0 for code in codes}
        for code in codes:
            counts[code[: 2 * level]] += 1
        assert report_of_level.rarest is not None
        assert report_of_level.commonest is not None
        assert report_of_level.rarest.videos == min(counts.values())
        assert report_of_level.commonest.videos == max(counts.values())
        assert counts[report_of_level.rarest.code] == report_of_level.rarest.videos
        assert report_of_level.rarest.name != report_of_level.rarest.code


def test_every_kind_of_damage_is_counted_and_named(write_split: Write, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_split(
        [
            {"id": "sound", "title": "x", "category_id": "0101"},
            {"id": "sound", "title": "again", "category_id": "0101"},
            {"id": "../up", "title": "x", "category_id": "0102"},
            {"title": "x"},
            {"id": "odd", "title": 3, "category_id": "0102"},
            {"id": "nothing", "category_id": "0999"},
            {"id": "cut", "title": "x", "category_id": "01"},
            7,
        ]
    )
    (root / "categories.json").write_text(
        json.dumps({"01": "美食", "0101": "面", "0102": "饭", "0103": "茶"})
    )
    write_split([{"id": "sound"}, {"id": "empty"}], "test")
    write_split(b"[{]", "unlabeled")
    write_zip(root, "labeled", "sound", {"1.jpg": jpeg(), "2.jpg": jpeg()})
    write_zip(root, "labeled", "cut", {"1.jpg": jpeg()[:900]})
    write_zip(root, "labeled", "nobody", {"1.jpg": jpeg()})
    write_zip(root, "test", "empty", {})
    report = check_dataset(root)
    labeled, unlabeled, test = report.splits
    assert (labeled.records, labeled.videos, labeled.labelled) == (8, 5, 5)
    assert labeled.problems == {
        "duplicate id": 1,
        "no usable id": 1,
        "wrong type": 1,
        "unknown category": 2,
        "not an object": 1,
        "broken frames": 2,
    }
    assert labeled.missing == {"title": 2, "ocr": 5, "asr": 5, "frames": 3, "everything": 2}
    assert labeled.stray_zips == 1
    assert (labeled.frames, labeled.fewest_frames, labeled.most_frames) == (3, 1, 2)
    assert any("cut.zip: 1.jpg: broken image" in line for line in labeled.examples["broken frames"])
    assert any("'../up'" in line for line in labeled.examples["broken frames"])
    assert unlabeled.problems == {"unreadable file": 1}
    assert "line 1, byte 2" in unlabeled.examples["unreadable file"][0]
    assert test.problems == {"duplicate id": 1, "broken frames": 1}
    assert "labeled.json too" in test.examples["duplicate id"][0]
    assert report.problems["broken frames"] == 3
    leaves = report.levels[1]
    assert (leaves.classes, leaves.empty) == (3, 1)
    assert leaves.commonest is not None
    assert (leaves.commonest.code, leaves.commonest.name, leaves.commonest.videos) == ("0102", "饭", 2)


def test_an_unknown_category_is_told_once_with_a_video_that_has_it(
    write_split: Write, tmp_path: Path
) -> None:
    videos = {"a": "0101", "b": "0999", "c": "0999", "d": "0998"}
    write_split([{"id": video, "category_id": code} for video, code in videos.items()])
    (tmp_path / "set" / "categories.json").write_text(json.dumps({"01": "美食", "0101": "面"}))
    (split,) = check_dataset(tmp_path / "set").splits
    assert split.problems == {"unknown category": 3}
    assert split.examples["unknown category"] == [
        "id b and 1 more: category_id '0999' is not in categories.json",
        "id d: category_id '0998' is not in categories.json",
    ]


def test_a_shallow_check_lists_frames_and_a_deep_one_decodes_them(write_split: Write, tmp_path: Path) -> None:
    write_split([{"id": "cut", "category_id": "0101"}])
    write_zip(tmp_path / "set", "labeled", "cut", {"1.jpg": jpeg()[:900]})
    shallow = check_dataset(tmp_path / "set", deep=False)
    assert not shallow.decoded
    assert shallow.problems == {}
    assert check_dataset(tmp_path / "set").problems == {"broken frames": 1}


def test_a_sample_of_the_videos_can_be_looked_at(sample: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    report = check_dataset(sample, sample_videos=10, progress=lambda *step: seen.append(step))
    assert [one.checked for one in report.splits] == [10, 10, 10]
    assert seen[0] == ("labeled", 1, 10)
    assert seen[-1] == ("test", 10, 10)


def test_the_verb_decodes_nothing_when_quick_and_looks_at_a_sample(
    write_split: Write, tmp_path: Path
) -> None:
    write_split([{"id": video, "title": "x", "category_id": "0101"} for video in ("a", "b", "cut")])
    write_zip(tmp_path / "set", "labeled", "cut", {"1.jpg": jpeg()[:900]})
    command = CliRunner()
    verb = ["check", str(tmp_path / "set")]
    assert command.invoke(app, verb).exit_code == 2
    assert command.invoke(app, [*verb, "--quick"]).exit_code == 0
    sampled = command.invoke(app, [*verb, "--sample", "1"])
    assert sampled.exit_code == 0
    assert "0 frames in 1 of the videos" in sampled.stdout
    assert command.invoke(app, [*verb, "--sample", "0"]).exit_code == 2


def test_ready_made_features_stand_for_frames(write_split: Write, tmp_path: Path) -> None:
    write_split([{"id": video, "title": "x", "category_id": "0101"} for video in ("a", "b", "c")])
    nan = np.full((2, 6), np.nan, np.float16)
    members = {"a.npy": npy(made_up(0, [3])), "b.npy": npy(nan)}
    write_features_zip(tmp_path / "set" / "zip_feats" / "labeled.zip", members)
    report = check_dataset(tmp_path / "set")
    assert report.problems == {"broken features": 1}
    assert report.splits[0].frames == 3
    assert report.splits[0].missing["frames"] == 2
    (tmp_path / "set" / "zip_feats" / "labeled.zip").write_bytes(b"no zip")
    assert check_dataset(tmp_path / "set").problems == {"unreadable file": 1}


def test_a_folder_without_annotations_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations: no labeled\.json, unlabeled\.json or test\.json"):
        check_dataset(tmp_path)


def test_examples_are_few_however_many_the_problems(write_split: Write, tmp_path: Path) -> None:
    write_split([{"title": "x"}] * 500 + [{"id": str(n), "category_id": "x"} for n in range(500)])
    (split,) = check_dataset(tmp_path / "set").splits
    assert split.problems == {"no usable id": 500, "unknown category": 500}
    assert all(len(lines) <= 10 for lines in split.examples.values())
