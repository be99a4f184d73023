"""The life cycle of runs: who may move a run where, and that only one of two can."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.event import listen
from store_helpers import add, advance, evaluation, new_run, take_in

from engine.errors import RunError
from engine.records import State
from engine.store.database import Store
from engine.store.queries import list_runs, live_runs, run_detail, run_row, waiting_runs
from engine.store.runs import (
    create_runs,
    delete_run,
    find_run,
    request_kill,
    request_stop,
    resume_run,
    set_waiting,
    transition,
)
from engine.store.views import Intent, NewInput, Status


def test_a_new_run_is_queued_with_all_that_was_given(store: Store) -> None:
    [run_id] = create_runs(
        store, [new_run("m 1", experiment="folds", tags=("b", "a", "a"), gpus=2, priority=3, notes="try")]
    )
    run = run_row(store, run_id)
    assert (run.status, run.intent, run.attempt) == (Status.QUEUED, Intent.RUN, 1)
    assert (run.experiment, run.tags, run.gpus, run.priority, run.notes) == ("folds", ("a", "b"), 2, 3, "try")
    assert run.directory == f"runs/{run_id}-m-1"
    assert run_detail(store, run_id).config == {"training": {"lr": {"text": 5e-5}}}


def test_runs_of_a_batch_may_build_on_each_other_in_any_order(store: Store) -> None:
    ids = create_runs(
        store,
        [
            new_run(
                "fine",
                inputs=(NewInput("features", 1, in_batch=True), NewInput("init", 2, "best", in_batch=True)),
            ),
            new_run("features"),
            new_run("pretrain"),
        ],
    )
    inputs = run_detail(store, ids[0]).inputs
    assert [(item.role, item.source_run, item.source_name, item.which) for item in inputs] == [
        ("features", ids[1], "features", None),
        ("init", ids[2], "pretrain", "best"),
    ]
    assert run_detail(store, ids[1]).dependants == (ids[0],)


def test_an_input_that_is_not_there_makes_no_run(store: Store) -> None:
    with pytest.raises(RunError, match=r"run a: its input `init` names run 77, which is not there"):
        create_runs(store, [new_run("fine"), new_run("a", inputs=(NewInput("init", 77),))])
    assert list_runs(store).total == 0


def test_a_name_is_data_whatever_characters_it_has(store: Store) -> None:
    name = "50% [red]'\"; DROP TABLE run;-- \x1b[31m\n\u202e 字"
    run_id = add(store, name)
    assert run_row(store, run_id).name == name
    assert find_run(store, name) == run_id
    assert list_runs(store, "name~%").matching == 1
    assert list_runs(store, "name~_x").matching == 0


def test_what_no_database_can_hold_in_a_name_is_replaced(store: Store) -> None:
    assert run_row(store, add(store, "a\0b\ud800c")).name == "a\u2400b?c"


def test_a_run_goes_through_its_states_and_keeps_their_times(store: Store) -> None:
    run_id = add(store)
    set_waiting(store, {run_id: "needs 1 GPU"})
    assert run_row(store, run_id).waiting_for == "needs 1 GPU"
    assert transition(store, run_id, from_=[Status.QUEUED], to=Status.STARTING, devices="gpu0")
    assert transition(store, run_id, from_=[Status.STARTING], to=Status.RUNNING, pid=41, pid_started=1.5)
    run = run_row(store, run_id)
    assert (run.devices, run.pid, run.pid_started, run.waiting_for) == ("gpu0", 41, 1.5, None)
    assert run.started is not None
    assert transition(store, run_id, from_=[Status.RUNNING], to=Status.FAILED, error="no data", exit_code=1)
    run = run_row(store, run_id)
    assert (run.status, run.error, run.exit_code, run.pid) == (Status.FAILED, "no data", 1, None)
    assert run.ended is not None
    assert run.ended >= run.started


def test_of_many_that_move_a_run_at_once_one_wins(store: Store) -> None:
    run_id = add(store)

    def start(number: int) -> bool:
        return transition(store, run_id, from_=[Status.QUEUED], to=Status.STARTING, host=f"host-{number}")

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(start, range(8)))
    assert won.count(True) == 1
    assert run_row(store, run_id).host == f"host-{won.index(True)}"


def test_a_step_that_the_life_cycle_has_not_is_a_mistake_of_the_program(store: Store) -> None:
    run_id = add(store)
    with pytest.raises(ValueError, match="no step from queued to finished"):
        transition(store, run_id, from_=[Status.QUEUED], to=Status.FINISHED)
    assert run_row(store, run_id).status is Status.QUEUED


def test_stop_and_kill_are_wishes_and_kill_is_the_stronger(store: Store) -> None:
    run_id = add(store)
    request_stop(store, run_id)
    assert run_row(store, run_id).intent is Intent.STOP
    request_kill(store, run_id)
    request_stop(store, run_id)
    assert (run_row(store, run_id).intent, run_row(store, run_id).status) == (Intent.KILL, Status.QUEUED)


@pytest.mark.parametrize("request_end", [request_stop, request_kill])
def test_a_run_that_has_ended_cannot_be_stopped(store: Store, request_end: object) -> None:
    run_id = add(store, "done\x1b[2J")
    advance(store, run_id, Status.STARTING, Status.RUNNING, Status.FINISHED)
    with pytest.raises(RunError) as caught:
        request_end(store, run_id)
    assert str(caught.value) == f"run {run_id} (done\u241b[2J) is already finished"


@pytest.mark.parametrize("end", [Status.STOPPED, Status.CRASHED, Status.FAILED])
def test_a_run_that_did_not_finish_can_be_resumed_as_the_same_run(store: Store, end: Status) -> None:
    run_id = add(store)
    advance(store, run_id, Status.STARTING, Status.RUNNING)
    request_stop(store, run_id)
    take_in(store, run_id, [State(time=1.0, status="failed", error="late")])
    assert transition(store, run_id, from_=[Status.RUNNING], to=end, exit_code=3, error="e")
    resume_run(store, run_id)
    run = run_row(store, run_id)
    assert (run.status, run.intent, run.attempt) == (Status.QUEUED, Intent.RUN, 2)
    assert (run.ended, run.exit_code, run.error, run.reported_status) == (None, None, None, None)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((), "still queued"),
        ((Status.STARTING, Status.RUNNING), "still running"),
        ((Status.STARTING, Status.RUNNING, Status.FINISHED), "already finished"),
        ((Status.SKIPPED,), "already skipped"),
    ],
)
def test_other_runs_cannot_be_resumed(store: Store, states: tuple[Status, ...], said: str) -> None:
    run_id = add(store)
    advance(store, run_id, *states)
    with pytest.raises(RunError, match=said):
        resume_run(store, run_id)


def test_a_deleted_run_is_in_no_list_and_under_no_name(store: Store) -> None:
    kept, gone = add(store, "kept"), add(store, "gone", tags=("t",))
    advance(store, gone, Status.STARTING, Status.RUNNING)
    take_in(store, gone, [evaluation(1, 0.9)])
    advance(store, gone, Status.FINISHED)
    assert find_run(store, "@best") == gone
    delete_run(store, gone)
    page = list_runs(store)
    assert ([run.id for run in page.runs], page.matching, page.total) == ([kept], 1, 1)
    assert list_runs(store, "tag=t").matching == 0
    assert list_runs(store, sort="-f1_mean").runs[0].id == kept
    assert find_run(store, "@last") == kept
    for ref in ("gone", str(gone), "@best"):
        with pytest.raises(RunError):
            find_run(store, ref)
    with pytest.raises(RunError):
        run_row(store, gone)


def test_a_run_that_lives_or_is_needed_is_not_deleted(store: Store) -> None:
    source, dependant = create_runs(
        store, [new_run("a"), new_run("b", inputs=(NewInput("init", 0, in_batch=True),))]
    )
    with pytest.raises(RunError, match="stop it first"):
        delete_run(store, source)
    advance(store, source, Status.STARTING, Status.RUNNING, Status.FINISHED)
    with pytest.raises(RunError, match=rf"is an input of run {dependant} \(b\), which is queued"):
        delete_run(store, source)


def test_an_id_is_not_given_again(store: Store) -> None:
    first = add(store)
    advance(store, first, Status.CANCELLED)
    delete_run(store, first)
    assert add(store) > first


def test_runs_are_found_by_id_and_by_a_name_that_is_theirs_alone(store: Store) -> None:
    one, two, three = add(store, "model-1"), add(store, "twin"), add(store, "twin")
    assert find_run(store, str(one)) == find_run(store, "model-1") == one
    with pytest.raises(RunError, match=rf"2 runs are named twin: say which by id, such as {two}, {three}"):
        find_run(store, "twin")
    with pytest.raises(RunError, match=r"no run modle-1: did you mean model-1\?"):
        find_run(store, "modle-1")
    with pytest.raises(RunError, match=r"no run 99999999999999999999"):
        find_run(store, "99999999999999999999")
    with pytest.raises(RunError, match="@best: no run has an F1-mean yet"):
        find_run(store, "@best")


def test_best_is_the_highest_score_ever_among_finished_runs(store: Store) -> None:
    falling, steady, running = add(store, "falling"), add(store, "steady"), add(store, "running")
    for run_id, scores in ((falling, [0.8, 0.3]), (steady, [0.6, 0.7]), (running, [0.95])):
        advance(store, run_id, Status.STARTING, Status.RUNNING)
        take_in(store, run_id, [evaluation(step, score) for step, score in enumerate(scores)])
    assert find_run(store, "@best") == running
    advance(store, falling, Status.FINISHED)
    advance(store, steady, Status.FINISHED)
    assert find_run(store, "@best") == falling


def test_live_and_waiting_runs_are_listed_the_queue_in_its_order(store: Store) -> None:
    low, high, live = add(store, "low"), add(store, "high", priority=5), add(store, "live")
    later = add(store, "later")
    advance(store, live, Status.STARTING)
    assert [run.id for run in live_runs(store)] == [live]
    assert [run.id for run in waiting_runs(store).runs] == [high, low, later]


def test_thousands_of_reasons_are_written_in_one_go(store: Store) -> None:
    ids = create_runs(store, [new_run(f"run-{number}") for number in range(1200)])
    reasons: dict[int, str | None] = dict.fromkeys(ids, "the CPU slot is busy")
    statements: list[bool] = []
    listen(store._writer, "before_cursor_execute", lambda *arguments: statements.append(arguments[-1]))
    set_waiting(store, reasons | dict.fromkeys(range(100000, 140000)))
    assert len(statements) < 10
    assert {row.waiting_for for row in waiting_runs(store).runs} == {"the CPU slot is busy"}
