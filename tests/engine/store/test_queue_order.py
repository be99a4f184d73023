"""The queue as a person orders it: held, released, moved, given priorities."""

import json

import pytest
from sqlalchemy import delete
from store_helpers import add, advance, new_run

from engine.errors import RunError
from engine.store.database import Store
from engine.store.manifest import dump_run, restore_run
from engine.store.models import Run
from engine.store.queries import run_row, waiting_runs
from engine.store.queueing import HIGHEST, hold_run, move_run, release_run, set_priority
from engine.store.runs import create_runs, resume_run, transition
from engine.store.views import Status


def queue(store: Store) -> list[str]:
    """Names in the order in which the runs will start."""
    return [run.name for run in waiting_runs(store).runs]


def filled(store: Store, **priorities: int) -> dict[str, int]:
    ids = create_runs(store, [new_run(name, priority=value) for name, value in priorities.items()])
    return dict(zip(priorities, ids, strict=True))


def test_a_held_run_cannot_be_started_until_it_is_released(store: Store) -> None:
    run_id = add(store)
    hold_run(store, run_id)
    assert run_row(store, run_id).held
    assert "held" in str(run_row(store, run_id).waiting_for)
    assert not transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    assert run_row(store, run_id).status is Status.QUEUED
    release_run(store, run_id)
    assert not run_row(store, run_id).held
    assert run_row(store, run_id).waiting_for is None
    assert transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)


def test_a_held_run_that_left_the_queue_comes_back_free(store: Store) -> None:
    run_id = add(store)
    hold_run(store, run_id)
    advance(store, run_id, Status.STOPPED)
    resume_run(store, run_id)
    assert not run_row(store, run_id).held


def test_only_queued_runs_are_held_released_moved_or_given_priorities(store: Store) -> None:
    run_id = add(store, "busy")
    with pytest.raises(RunError, match="run 1 \\(busy\\) is not held"):
        release_run(store, run_id)
    advance(store, run_id, Status.STARTING)
    for act in (
        lambda: hold_run(store, run_id),
        lambda: release_run(store, run_id),
        lambda: set_priority(store, run_id, 1),
        lambda: move_run(store, run_id, -1),
    ):
        with pytest.raises(RunError, match="run 1 \\(busy\\) is starting: only a queued run can be"):
            act()
    with pytest.raises(RunError, match="no run 99"):
        hold_run(store, 99)


def test_a_priority_out_of_range_is_refused(store: Store) -> None:
    run_id = add(store)
    with pytest.raises(RunError, match="-1000 to 1000"):
        set_priority(store, run_id, 1001)
    set_priority(store, run_id, 7)
    assert run_row(store, run_id).priority == 7


def test_moving_swaps_neighbours_and_nothing_else(store: Store) -> None:
    ids = filled(store, a=0, b=0, c=0, d=0)
    assert move_run(store, ids["c"], -1)
    assert queue(store) == ["a", "c", "b", "d"]
    move_run(store, ids["c"], -1)
    assert queue(store) == ["c", "a", "b", "d"]
    move_run(store, ids["c"], 1)
    assert queue(store) == ["a", "c", "b", "d"]
    move_run(store, ids["b"], 1)
    assert queue(store) == ["a", "c", "d", "b"]


@pytest.mark.parametrize("by", [-1, 1])
def test_any_queue_can_be_sorted_by_moving(store: Store, by: int) -> None:
    ids = filled(store, a=3, b=0, c=3, d=-5, e=0, f=0)
    wanted = ["f", "d", "b", "a", "e", "c"]
    for end in range(len(wanted)):
        place = end if by < 0 else len(wanted) - 1 - end
        while queue(store).index(wanted[place]) != place:
            before = queue(store)
            move_run(store, ids[wanted[place]], by)
            at = before.index(wanted[place])
            before[at], before[at + by] = before[at + by], before[at]
            assert queue(store) == before
    assert queue(store) == wanted


def test_what_is_queued_later_still_comes_last(store: Store) -> None:
    ids = filled(store, a=0, b=0)
    move_run(store, ids["a"], 1)
    add(store, "late")
    assert queue(store) == ["b", "a", "late"]


def test_the_ends_of_the_queue_and_of_the_range_are_told(store: Store) -> None:
    ids = filled(store, a=HIGHEST, b=HIGHEST)
    with pytest.raises(RunError, match="run 1 \\(a\\) is the first"):
        move_run(store, ids["a"], -1)
    with pytest.raises(RunError, match="run 2 \\(b\\) is the last"):
        move_run(store, ids["b"], 1)
    with pytest.raises(RunError, match="priority above 1000"):
        move_run(store, ids["b"], -1)
    assert queue(store) == ["a", "b"]


def test_a_rebuilt_store_knows_what_was_held_and_older_manifests_hold_nothing(store: Store) -> None:
    held, older = add(store), add(store)
    hold_run(store, held)
    manifests = [json.loads(json.dumps(dump_run(store, run_id))) for run_id in (held, older)]
    del manifests[1]["held"]
    with store.write() as session:
        session.execute(delete(Run))
    for manifest in manifests:
        restore_run(store, manifest)
    assert run_row(store, held).held
    assert not run_row(store, older).held
