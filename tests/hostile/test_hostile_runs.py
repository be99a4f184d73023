"""Run folders from anywhere: whatever their manifest and records hold, a store is made again and can be read."""

from pathlib import Path

from trying import named, try_inputs

from benchmarks.hostile.file_kinds import FILE_KINDS
from engine.supervisor.rebuild import rebuild
from engine.workspace import Workspace


def test_any_run_folder_is_taken_in_or_named(tmp_path: Path) -> None:
    try_inputs(named(FILE_KINDS, "run folders"), tmp_path, 15)


def test_manifests_that_are_none_are_named_and_left_out(tmp_path: Path) -> None:
    for name, data in (
        ("deep", b"[" * 100_000),
        ("endless", b'{"id": 1e999}'),
        ("digits", b'{"id": ' + b"9" * 5000 + b"}"),
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_bytes(data)
    report = rebuild(Workspace.open(str(tmp_path)))
    assert sorted(line.partition(":")[0] for line in report.problems) == ["deep", "digits", "endless"]
    assert report.runs == 0
