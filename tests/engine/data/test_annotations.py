"""Annotations: streamed into columns, broken records counted and named, never a crash later."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.data.annotations import AnnotationTable, load_annotations
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., AnnotationTable]:
    def load(path: Path, **options: object) -> AnnotationTable:
        return load_annotations(path, tmp_path / "cache", **{"max_skipped": 1.0, **options})

    return load


def test_every_field_of_every_record_is_there(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    path = write_split(
        [
            {
                "id": "11",
                "title": "标题 😀",
                "asr": "语音",
                "ocr": [{"time": 4, "text": "后"}, {"time": 0, "text": "先"}, {"time": 2.5, "text": "中"}],
                "category_id": "0102",
                "extra": {"deep": [1, {"x": None}]},
            },
            {"id": "7", "title": "", "asr": "", "ocr": [], "category_id": "0001"},
        ]
    )
    table = load(path)
    assert len(table) == 2
    assert list(table.ids) == ["11", "7"]
    assert (table.title(0), table.ocr(0), table.asr(0)) == ("标题 😀", "先 中 后", "语音")
    assert (table.title(1), table.ocr(1), table.asr(1)) == ("", "", "")
    assert table.taxonomy.codes == ("0001", "0102")
    assert list(table.labels) == [1, 0]
    assert not table.problems


def test_missing_and_null_fields_are_normal(write_split: Write, load: Callable[..., AnnotationTable]) -> None:
    path = write_split(
        [
            {"id": "a"},
            {"id": "b", "title": None, "asr": None, "ocr": None, "category_id": None},
            {"id": "c", "category_id": ""},
        ],
        "test",
    )
    table = load(path, on_error="fail")
    assert [table.title(0), table.ocr(1), table.asr(1)] == ["", "", ""]
    assert list(table.labels) == [-1, -1, -1]
    assert table.labels.dtype == np.int64
    assert table.taxonomy.codes == ()


BROKEN = {
    "no usable id": {"title": "without"},
    "duplicate id": {"id": "good", "title": "again"},
    "wrong type": {"id": "w", "title": 5, "asr": "kept"},
    "unknown category": {"id": "c", "title": "kept", "category_id": "7"},
    "not an object": ["list"],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_counted_and_named(
    kind: str, write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    path = write_split([{"id": "good", "title": "ok", "category_id": "0101"}, BROKEN[kind]])
    table = load(path)
    assert dict(table.problems) == {kind: 1}
    assert "record 2" in table.examples[kind][0]
    assert table.title(0) == "ok"
    with pytest.raises(DataError, match=r"labeled.json: record 2\b.*on_error is fail"):
        load(path, on_error="fail")
    with pytest.raises(DataError, match=r"1 of 2 records are broken \(1 .*max_skipped \(0.4\)"):
        load(path, max_skipped=0.4)
    load(path, max_skipped=0.5)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "x", "ocr": "text"},
        {"id": "x", "ocr": ["text"]},
        {"id": "x", "ocr": [{"time": 0, "text": 3}]},
        {"id": "x", "asr": ["text"]},
        {"id": "x", "title": {"zh": "text"}},
    ],
)
def test_a_wrong_type_costs_the_field_and_not_the_video(
    record: dict[str, object], write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    table = load(write_split([record]))
    assert list(table.ids) == ["x"]
    assert dict(table.problems) == {"wrong type": 1}


@pytest.mark.parametrize("video", ["", 12, None, "a\nb", "x\u0000", "\u202eevil", "l" * 500, "\x1b[31m"])
def test_an_id_that_could_not_be_shown_or_stored_is_no_id(
    video: object, write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    table = load(write_split([{"id": video}, {"id": "fine"}]))
    assert list(table.ids) == ["fine"]
    assert dict(table.problems) == {"no usable id": 1}
    assert all(line.isprintable() for line in table.examples["no usable id"])


def test_a_category_outside_the_given_taxonomy_leaves_the_video_unlabelled(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    path = write_split([{"id": "a", "category_id": "0101"}, {"id": "b", "category_id": "0999"}])
    table = load(path, taxonomy=Taxonomy.from_codes(["0101", "0102"]))
    assert list(table.labels) == [0, -1]
    assert dict(table.problems) == {"unknown category": 1}
    assert "id b" in table.examples["unknown category"][0]
    # The cache holds what the file says: another taxonomy sees another problem, or none.
    assert not load(path).problems


def test_categories_json_says_which_classes_there_are(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    path = write_split([{"id": "a", "category_id": "0101"}, {"id": "b", "category_id": "0999"}])
    listed = [
        {"category_id": "0101", "level1_name": "美食", "level2_name": "面馆"},
        {"category_id": "0200", "level1_name": "科技", "level2_name": "手机"},
    ]
    (path.parent.parent / "categories.json").write_text(json.dumps(listed))
    table = load(path)
    assert table.taxonomy.codes == ("0101", "0200")
    assert table.taxonomy.name("02") == "科技"
    assert dict(table.problems) == {"unknown category": 1}


def test_a_code_with_another_number_of_levels_than_most_is_unknown(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    table = load(
        write_split([{"id": str(n), "category_id": code} for n, code in enumerate(["0101", "0102", "01"])])
    )
    assert table.taxonomy.codes == ("0101", "0102")
    assert dict(table.problems) == {"unknown category": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b'{"id": "1"}', "list"),
        (b"hello", "list"),
        (b'[{"id": "1"},\n{"id": }]', "line 2, byte 21"),
        (b'[{"id": "1"}', "line 1, byte 12"),
        (b'[{"id": "\xff"}]', "line 1, byte 9"),
        (b'[{"id": "1"}] x', "line 1, byte 14"),
        (b"[" * 100_000, "nested"),
        (b'[{"id": ' * 500, "nested"),
    ],
)
def test_a_file_that_is_no_json_list_is_one_line_with_the_place(
    content: bytes, message: str, write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    path = write_split(content)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_of_an_error_is_exact_far_into_a_file(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    before = b"[" + b"".join(b'\n{"id": "%d"},' % number for number in range(20_000))
    with pytest.raises(DataError, match=rf"line 20001, byte {len(before)}:"):
        load(write_split(before + b', {"id": "x"}]'))


def test_a_missing_file_is_named_with_the_fix(tmp_path: Path, load: Callable[..., AnnotationTable]) -> None:
    with pytest.raises(DataError, match=r"nowhere/annotations/labeled.json: no such file.*data.root"):
        load(tmp_path / "nowhere" / "annotations" / "labeled.json")
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path)


def test_a_byte_order_mark_is_accepted(write_split: Write, load: Callable[..., AnnotationTable]) -> None:
    assert list(load(write_split(b'\xef\xbb\xbf [{"id": "q"}]')).ids) == ["q"]


def test_half_a_surrogate_pair_does_not_break_the_text(
    write_split: Write, load: Callable[..., AnnotationTable]
) -> None:
    table = load(write_split(b'[{"id": "q", "title": "a\\ud83d b"}]'))
    table.title(0).encode()


def test_an_empty_list_is_an_empty_table(write_split: Write, load: Callable[..., AnnotationTable]) -> None:
    table = load(write_split([]))
    assert len(table) == len(table.labels) == 0


def test_the_second_load_reads_the_cache_and_a_changed_file_does_not(
    write_split: Write, load: Callable[..., AnnotationTable], tmp_path: Path
) -> None:
    path = write_split([{"id": "a", "title": "old"}])
    first = load(path)
    (folder,) = (tmp_path / "cache" / "annotations").iterdir()
    stamp = (folder / "meta.json").stat().st_mtime_ns
    assert load(path).fingerprint == first.fingerprint
    assert (folder / "meta.json").stat().st_mtime_ns == stamp
    write_split([{"id": "a", "title": "newer"}])
    assert load(path).title(0) == "newer"
    assert first.title(0) == "old"


def test_a_killed_build_leaves_nothing_that_counts_as_a_cache(
    write_split: Write, load: Callable[..., AnnotationTable], tmp_path: Path
) -> None:
    path = write_split(b'[{"id": "a"}, {"id": "b"}, broken')
    with pytest.raises(DataError):
        load(path)
    assert not list((tmp_path / "cache" / "annotations").iterdir())


def test_several_processes_may_build_the_same_cache_at_once(write_split: Write, tmp_path: Path) -> None:
    path = write_split([{"id": str(number), "title": f"标题{number}"} for number in range(5000)])
    program = (
        "import sys; from pathlib import Path; from engine.data.annotations import load_annotations; "
        "table = load_annotations(Path(sys.argv[1]), Path(sys.argv[2])); print(len(table), table.title(4999))"
    )
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "cache")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONIOENCODING": "utf-8"}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment)
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in started] == ["5000 标题4999"] * 3
    assert len(list((tmp_path / "cache" / "annotations").iterdir())) == 1


PEAK_MEMORY = """
import sys
from pathlib import Path
from engine.data.annotations import load_annotations
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
load_annotations(Path(sys.argv[1]), Path(sys.argv[2]))
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc/self/status")
def test_a_large_file_is_read_in_a_fraction_of_its_own_memory(write_split: Write, tmp_path: Path) -> None:
    line = json.dumps({"title": "标题" * 500, "asr": "语音" * 1000, "ocr": []}, ensure_ascii=False)[1:]
    path = write_split(b"[]")
    with path.open("w", encoding="utf-8") as file:
        file.write("[" + ",\n".join(f'{{"id": "{number}", {line}' for number in range(6000)) + "]")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", PEAK_MEMORY, str(path), str(tmp_path / "cache")]
    kibibytes = int(
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    )
    assert kibibytes * 1024 < path.stat().st_size / 3
