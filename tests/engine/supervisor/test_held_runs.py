"""Runs that a person holds back: never started, said to be held, and no reason to stay awake for."""

from supervisor_bench import Bench

from engine.store.queueing import hold_run, release_run
from engine.store.runs import request_stop
from engine.store.views import Status
from engine.supervisor.needs import busy


def test_a_held_run_waits_though_the_slot_is_free_and_starts_when_released(bench: Bench) -> None:
    held, free = bench.queue("held", priority=5), bench.queue("free")
    hold_run(bench.store, held)
    supervisor = bench.supervisor()
    bench.until_ended(supervisor, free)
    assert bench.status(held) is Status.QUEUED
    assert "held" in str(bench.row(held).waiting_for)
    release_run(bench.store, held)
    bench.until_ended(supervisor, held)
    assert bench.status(held) is Status.FINISHED


def test_a_queue_of_held_runs_and_of_those_that_need_them_leaves_the_supervisor_idle(bench: Bench) -> None:
    held = bench.queue("held")
    bench.queue("dependant", needs=[held])
    hold_run(bench.store, held)
    supervisor = bench.supervisor()
    bench.drive(supervisor, lambda: supervisor.idle)
    assert not busy(bench.store)
    release_run(bench.store, held)
    assert busy(bench.store)


def test_a_held_run_can_be_cancelled(bench: Bench) -> None:
    held = bench.queue("held")
    hold_run(bench.store, held)
    request_stop(bench.store, held)
    bench.until_ended(bench.supervisor(), held)
    assert bench.status(held) is Status.CANCELLED
