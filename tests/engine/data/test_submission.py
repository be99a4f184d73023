"""The submission file and the competition's evaluation of it."""

import json
from pathlib import Path

import pytest

from engine.data.submission import read_submission, score_files, write_submission
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.metrics import hierarchical_scores


def write(path: Path, *lines: str, newline: str = "\n") -> Path:
    path.write_bytes(newline.join(lines).encode())
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    ids = ["1", 'quo"ted', "com,ma", "中文", " b"]
    write_submission(path, ids, ["0101", "0102", "0201", "0101", "0300"])
    assert path.read_text().splitlines()[0] == "id,category_id"
    assert list(read_submission(path)) == ["1", 'quo"ted', "com,ma", "中文", "b"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.csv"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    write_submission(path, ["1"], ["0101"])
    with pytest.raises(ValueError, match="zip"):
        write_submission(path, ["1", "2"], ["0101"])
    assert read_submission(path) == {"1": "0101"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.csv"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [[], ["id,category_id"], ["ID, Category_ID"], ["\ufeffid,category_id"]])
def test_the_header_is_optional(tmp_path: Path, header: list[str], newline: str) -> None:
    path = write(tmp_path / "r.csv", *header, "1,0101", "", "2, 0102", newline=newline)
    assert read_submission(path) == {"1": "0101", "2": "0102"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,category_id", "1,0101", "2"], "line 3 has 1 fields"),
        (["1,0101,extra"], "line 1 has 3 fields"),
        (["1,0101", "1,0102"], "line 2 repeats id 1"),
        (["1,0101", ",0102"], "line 2 has no id"),
        (["1,food"], "line 1 has the category 'food'"),
        (["1,010"], "line 1 has the category '010'"),
        ([""], "empty"),
        (["id,category_id"], "empty"),
        (["1,\x1b[31m"], "line 1 has the category"),
    ],
)
def test_a_bad_line_is_one_line_with_its_number(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write(tmp_path / "r.csv", *lines)
    with pytest.raises(DataError, match=message) as caught:
        read_submission(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_submission(tmp_path / "no.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_submission(tmp_path)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a CSV"):
        read_submission(tmp_path / "b.csv")


def test_scores_are_those_of_the_predictions_whatever_the_order(tmp_path: Path) -> None:
    truth = {"a": "0000", "b": "0001", "c": "0100", "d": "0100"}
    result = {"d": "0100", "c": "0000", "b": "0000", "a": "0000"}
    write_submission(tmp_path / "truth.csv", list(truth), list(truth.values()))
    write_submission(tmp_path / "result.csv", list(result), list(result.values()))
    taxonomy = Taxonomy.from_codes({*truth.values(), *result.values()})
    wanted = hierarchical_scores(
        taxonomy,
        [taxonomy.index(code) for code in truth.values()],
        [taxonomy.index(result[video]) for video in truth],
    )
    assert score_files(tmp_path / "result.csv", tmp_path / "truth.csv") == wanted


def test_annotations_may_be_the_truth(tmp_path: Path) -> None:
    records = [{"id": "a", "category_id": "0000"}, {"id": "b", "category_id": "0100"}]
    (tmp_path / "labeled.json").write_text(json.dumps(records))
    result = write(tmp_path / "r.csv", "a,0000", "b,0100")
    assert score_files(result, tmp_path / "labeled.json").f1_mean == 1
    (tmp_path / "test.json").write_text(json.dumps([{"id": "a"}]))
    with pytest.raises(DataError, match=r"record 1 \(id a\) has no category_id"):
        score_files(result, tmp_path / "test.json")


def test_ids_that_differ_are_counted_and_named(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "a,0000", "b,0100", "c,0100")
    with pytest.raises(DataError, match=r"2 ids \(such as b\) are .*missing"):
        score_files(write(tmp_path / "r.csv", "a,0000"), truth)
    more = write(tmp_path / "r.csv", "a,0000", "b,0100", "c,0100", "z,0100")
    with pytest.raises(DataError, match="id z is not in"):
        score_files(more, truth)


def test_codes_of_another_depth_are_refused(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", "a,0000")
    with pytest.raises(DataError, match="different numbers of levels"):
        score_files(write(tmp_path / "r.csv", "a,000000"), truth)
