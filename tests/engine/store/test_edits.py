"""Names, tags, notes, pins and deletion after the fact: in one transaction, with an undo, and true after a rebuild."""

import json
from pathlib import Path

import pytest
from sqlalchemy import delete
from store_helpers import add, advance, new_run

from engine.edits import edit, undo
from engine.errors import RunError
from engine.store import edits
from engine.store.database import Store
from engine.store.manifest import restore_run
from engine.store.models import Run
from engine.store.queries import list_runs, run_row
from engine.store.runs import create_runs
from engine.store.views import NewInput, Status
from engine.workspace import Workspace


def test_a_run_is_renamed_and_the_undo_brings_the_name_back_and_nothing_else(store: Store) -> None:
    run_id = add(store, "model", tags=("a",))
    directory = run_row(store, run_id).directory
    before = edits.rename_run(store, run_id, "my best 模型")
    edits.tag_runs(store, [run_id], add=["later"])
    assert run_row(store, run_id).name == "my best 模型"
    assert run_row(store, run_id).directory == directory
    edits.put_back(store, before)
    assert run_row(store, run_id).name == "model"
    assert run_row(store, run_id).tags == ("a", "later")


@pytest.mark.parametrize("name", ["", "12", "a@best", " a", "a\nb", "x" * 201, "\u202eevil"])
def test_a_name_that_could_not_be_said_is_refused_in_one_line(store: Store, name: str) -> None:
    run_id = add(store)
    with pytest.raises(RunError) as caught:
        edits.rename_run(store, run_id, name)
    assert "\n" not in str(caught.value)
    assert run_row(store, run_id).name == "model"


def test_tags_are_given_and_taken_for_several_runs_at_once(store: Store) -> None:
    one, two = add(store, tags=("old", "paper")), add(store)
    before = edits.tag_runs(store, [one, two], add=["best"], remove=["old", "never had"])
    assert run_row(store, one).tags == ("best", "paper")
    assert run_row(store, two).tags == ("best",)
    again = edits.put_back(store, before)
    assert (run_row(store, one).tags, run_row(store, two).tags) == (("old", "paper"), ())
    edits.put_back(store, again)
    assert run_row(store, one).tags == ("best", "paper")


@pytest.mark.parametrize(
    ("tag", "said"), [("two words", "one word"), ("", "1 to 100"), ("a\x1b", "one word")]
)
def test_a_tag_is_one_printable_word(store: Store, tag: str, said: str) -> None:
    run_id = add(store)
    with pytest.raises(RunError, match=said):
        edits.tag_runs(store, [run_id], add=["good", tag])
    assert run_row(store, run_id).tags == ()


def test_a_tag_cannot_be_given_and_taken_at_once(store: Store) -> None:
    with pytest.raises(RunError, match="both given and taken"):
        edits.tag_runs(store, [add(store)], add=["a"], remove=["a"])


def test_notes_of_several_lines_and_pins_are_kept_and_taken_back(store: Store) -> None:
    run_id = add(store)
    noted = edits.set_notes(store, [run_id], "first\nsecond")
    pinned = edits.pin_runs(store, [run_id])
    assert (run_row(store, run_id).notes, run_row(store, run_id).pinned) == ("first\nsecond", True)
    edits.put_back(store, pinned)
    edits.put_back(store, noted)
    assert (run_row(store, run_id).notes, run_row(store, run_id).pinned) == ("", False)
    with pytest.raises(RunError, match="100,000 at most"):
        edits.set_notes(store, [run_id], "x" * 100_001)


def test_runs_are_deleted_all_or_none_and_restored(store: Store) -> None:
    done, live = add(store, "done"), add(store, "live")
    advance(store, done, Status.CANCELLED)
    with pytest.raises(RunError, match="is queued: stop it first"):
        edits.delete_runs(store, [done, live])
    assert list_runs(store).total == 2
    edits.delete_runs(store, [done])
    assert list_runs(store).total == 1
    with pytest.raises(RunError, match=f"no run {done}"):
        edits.rename_run(store, done, "ghost")
    edits.restore_runs(store, [edits.find_deleted(store, "done")])
    assert list_runs(store).total == 2
    with pytest.raises(RunError, match="is not deleted"):
        edits.restore_runs(store, [done])


def test_a_deleted_run_is_found_by_id_or_by_its_name_alone(store: Store) -> None:
    ids = [add(store, "same"), add(store, "same"), add(store, "other")]
    for run_id in ids:
        advance(store, run_id, Status.CANCELLED)
    edits.delete_runs(store, ids)
    assert edits.find_deleted(store, str(ids[1])) == ids[1]
    assert edits.find_deleted(store, "other") == ids[2]
    with pytest.raises(RunError, match="2 deleted runs are named same: say which by id, such as 1, 2"):
        edits.find_deleted(store, "same")
    with pytest.raises(RunError, match="no deleted run nobody"):
        edits.find_deleted(store, "nobody")


def test_a_run_that_a_waiting_one_needs_cannot_be_deleted(store: Store) -> None:
    source, _ = create_runs(store, [new_run("a"), new_run("b", inputs=(NewInput("init", 0, in_batch=True),))])
    advance(store, source, Status.STARTING, Status.RUNNING, Status.FINISHED)
    with pytest.raises(RunError, match="is an input of"):
        edits.delete_runs(store, [source])


def test_edits_and_their_undo_are_in_the_manifest_that_a_rebuild_reads(store: Store, tmp_path: Path) -> None:
    space = Workspace(tmp_path, store.url)
    run_id = add(store, "first name")
    advance(store, run_id, Status.CANCELLED)

    def rebuilt() -> tuple[str, tuple[str, ...], str, bool]:
        manifest = json.loads((tmp_path / run_row(store, run_id).directory / "run.json").read_text())
        with store.write() as session:
            session.execute(delete(Run))
        restore_run(store, manifest)
        row = run_row(store, run_id)
        return row.name, row.tags, row.notes, row.pinned

    edit(space, store, lambda opened: edits.rename_run(opened, run_id, "second name"))
    edit(space, store, lambda opened: edits.tag_runs(opened, [run_id], add=["best"]))
    noted = edit(space, store, lambda opened: edits.set_notes(opened, [run_id], "a\nb"))
    edit(space, store, lambda opened: edits.pin_runs(opened, [run_id]))
    assert rebuilt() == ("second name", ("best",), "a\nb", True)
    undo(space, store, noted)
    assert rebuilt() == ("second name", ("best",), "", True)


def test_a_deleted_run_is_deleted_after_a_rebuild_and_a_restored_one_is_not(
    store: Store, tmp_path: Path
) -> None:
    space = Workspace(tmp_path, store.url)
    run_id = add(store)
    advance(store, run_id, Status.CANCELLED)
    folder = tmp_path / run_row(store, run_id).directory
    edit(space, store, lambda opened: edits.delete_runs(opened, [run_id]))
    assert json.loads((folder / "run.json").read_text())["deleted_at"] is not None
    edit(space, store, lambda opened: edits.restore_runs(opened, [run_id]))
    assert json.loads((folder / "run.json").read_text())["deleted_at"] is None
