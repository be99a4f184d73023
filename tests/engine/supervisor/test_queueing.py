"""The queue: who goes first, who waits and why, who never will."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from supervisor_bench import Bench

from engine.errors import ReeltopError, RunError
from engine.store.models import Artifact, Checkpoint, Run
from engine.store.queries import run_detail
from engine.store.runs import create_runs, now, request_stop, resume_run
from engine.store.views import NewInput, Status
from engine.supervisor.needs import busy, resolve_inputs
from engine.supervisor.rows import sources_of_queued
from engine.supervisor.slots import Placement, Slots
from engine.telemetry import Telemetry

SLOW = {"steps": 100_000, "pause": 0.01}
GIB = 1 << 30


def gpus(tmp_path: Path, *used_gib: int) -> Telemetry:
    """A machine with 80 GiB GPUs of which so much is in use."""
    trace = tmp_path / "gpus.jsonl"
    sample = [
        {"index": index, "memory_used": used * GIB, "memory_total": 80 * GIB}
        for index, used in enumerate(used_gib)
    ]
    trace.write_text(json.dumps({"gpus": sample}) + "\n")
    return Telemetry(trace)


def visible_devices(bench: Bench, run_id: int) -> str:
    log = (bench.run_dir(run_id) / "log.txt").read_text()
    return log.partition("on devices '")[2].partition("'")[0]


def test_one_run_at_a_time_on_the_cpu_and_the_others_say_who_is_on_it(bench: Bench) -> None:
    first = bench.queue("first", config=SLOW)
    second = bench.queue("second")
    supervisor = bench.supervisor()
    bench.until_training(supervisor, first)
    assert bench.status(second) is Status.QUEUED
    assert bench.row(second).waiting_for == f"the CPU slot is busy with run {first} (first)"
    request_stop(bench.store, first)
    bench.until_ended(supervisor, second)
    assert bench.row(second).waiting_for is None


def test_higher_priority_goes_first_then_age(bench: Bench) -> None:
    low, high, also_high = bench.queue("low"), bench.queue("high", priority=5), bench.queue("too", priority=5)
    bench.until_ended(bench.supervisor(), low, high, also_high)
    starts = {run_id: bench.row(run_id).started for run_id in (low, high, also_high)}
    assert sorted(starts, key=lambda run_id: str(starts[run_id])) == [high, also_high, low]


def test_a_queued_run_that_is_stopped_is_cancelled_and_never_starts(bench: Bench) -> None:
    run_id = bench.queue()
    request_stop(bench.store, run_id)
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.CANCELLED
    assert not (bench.run_dir(run_id) / "records.bin").exists()


def test_a_resumed_run_that_is_stopped_in_the_queue_can_be_resumed_again(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    resume_run(bench.store, run_id)
    request_stop(bench.store, run_id)
    bench.until_ended(supervisor, run_id)
    row = bench.row(run_id)
    assert (row.status, row.error) == (Status.STOPPED, "stopped while it waited in the queue")
    resume_run(bench.store, run_id)


def test_a_resumed_run_whose_input_is_lost_can_be_resumed_again(bench: Bench) -> None:
    supervisor = bench.supervisor()
    source = bench.queue("source", config={"end": "bug"})
    bench.until_ended(supervisor, source)
    run_id = bench.queue("reader", needs=[source])
    with bench.store.write() as session:
        session.execute(update(Run).where(Run.id == run_id).values(attempt=2))
    bench.until_ended(supervisor, run_id)
    row = bench.row(run_id)
    assert (row.status, row.error) == (Status.STOPPED, f"needs run {source} (source), which failed")


def test_a_run_waits_for_its_input_and_gets_its_path(bench: Bench) -> None:
    source = bench.queue("source", config=SLOW)
    dependant = bench.queue("dependant", config={"inputs": {"init": "source@last"}}, needs=[source])
    supervisor = bench.supervisor(cpu_slots=2)
    bench.until_training(supervisor, source)
    assert bench.row(dependant).waiting_for == f"needs run {source} (source) to finish"
    request_stop(bench.store, source)
    bench.until_ended(supervisor, source)
    bench.drive(supervisor, lambda: "stopped" in (bench.row(dependant).waiting_for or ""))
    expected = f"needs run {source} (source), which is stopped: resume it or stop this run"
    assert bench.row(dependant).waiting_for == expected
    config = bench.run_dir(source) / "config.yaml"
    assert "steps: 100000" in config.read_text()


def test_a_queue_that_waits_for_stopped_runs_alone_leaves_the_supervisor_idle(bench: Bench) -> None:
    source = bench.queue("source", config=SLOW)
    supervisor = bench.supervisor()
    bench.until_training(supervisor, source)
    second = bench.queue("second", needs=[source])
    bench.queue("third", needs=[second])
    supervisor.tick()
    assert not supervisor.idle
    assert busy(bench.store)
    request_stop(bench.store, source)
    bench.until_ended(supervisor, source)
    bench.drive(supervisor, lambda: supervisor.idle)
    assert not busy(bench.store)
    request_stop(bench.store, second)
    assert busy(bench.store)
    bench.until_ended(supervisor, second)
    bench.drive(supervisor, lambda: supervisor.idle)


def test_a_finished_inputs_checkpoint_is_named_in_the_config(bench: Bench) -> None:
    source = bench.queue("source", config={"steps": 40, "gate": 10})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, source)
    request_stop(bench.store, source)
    bench.until_ended(supervisor, source)
    bench.go(source)
    resume_run(bench.store, source)
    dependant = bench.queue("dependant", config={"inputs": {"init": "source@last"}}, needs=[source])
    bench.until_ended(supervisor, dependant)
    assert bench.status(dependant) is Status.FINISHED
    text = (bench.run_dir(dependant) / "config.yaml").read_text()
    assert f"init: runs/{source}-source/checkpoints/last" in text


def test_an_input_without_what_is_asked_of_it_fails_the_run_with_the_reason(bench: Bench) -> None:
    source = bench.queue("source")
    new = bench.new("reader", inputs=(NewInput("features", source),))
    (reader,) = create_runs(bench.store, [new])
    bench.until_ended(bench.supervisor(), reader)
    row = bench.row(reader)
    assert row.status is Status.FAILED
    assert row.error == f"inputs.features: run {source} (source) has written no features"


def test_what_builds_on_a_failed_run_is_skipped_down_the_line(bench: Bench) -> None:
    source = bench.queue("source", config={"end": "bug"})
    second = bench.queue("second", needs=[source])
    third = bench.queue("third", needs=[second])
    bench.until_ended(bench.supervisor(), third)
    assert (bench.row(second).status, bench.row(third).status) == (Status.SKIPPED, Status.SKIPPED)
    assert bench.row(second).error == f"needs run {source} (source), which failed"
    assert bench.row(third).error == f"needs run {second} (second), which was skipped"


def test_a_failed_member_skips_its_ensemble_and_leaves_the_rest_to_finish(bench: Bench) -> None:
    good, bad = bench.queue("good"), bench.queue("bad", config={"end": "data error"})
    members = (NewInput("members", good), NewInput("members", bad))
    config = {"inputs": {"members": ["good", "bad"]}}
    (ensemble,) = create_runs(bench.store, [bench.new("ensemble", config=config, inputs=members)])
    scored = bench.queue("scored", needs=[ensemble])
    independent = bench.queue("independent")
    bench.until_ended(bench.supervisor(), good, bad, ensemble, scored, independent)
    assert bench.status(good) is bench.status(independent) is Status.FINISHED
    assert bench.status(bad) is Status.FAILED
    row, after = bench.row(ensemble), bench.row(scored)
    assert (row.status, row.error) == (Status.SKIPPED, f"needs run {bad} (bad), which failed")
    assert (after.status, after.error) == (
        Status.SKIPPED,
        f"needs run {ensemble} (ensemble), which was skipped",
    )
    assert not (bench.run_dir(ensemble) / "records.bin").exists()


def test_members_are_checkpoints_predictions_or_folders_in_the_order_given(bench: Bench) -> None:
    outputs = {
        "trained": [("checkpoint", "best"), ("artifact", "validation")],
        "untested": [("checkpoint", "last"), ("checkpoint", "epoch")],
        "classified": [("artifact", "validation"), ("artifact", "predictions")],
        "scored": [("artifact", "validation")],
    }
    ids = {name: bench.queue(name) for name in outputs}
    with bench.store.write() as session:
        for name, made in outputs.items():
            for number, (table, kind) in enumerate(made):
                common = {"run_id": ids[name], "time": now(), "bytes": 1, "sha256": "0", "kind": kind}
                if table == "checkpoint":
                    session.add(Checkpoint(step=number, path=f"checkpoints/{kind}", epoch=1, **common))
                else:
                    session.add(Artifact(path=f"artifacts/{kind}", meta={}, **common))
    given = ["trained", "/a/folder", "untested", "classified", "scored", "untested@epoch-1"]
    inputs = [NewInput("members", ids[name]) for name in ("trained", "untested", "classified", "scored")]
    inputs.append(NewInput("members", ids["untested"], "epoch-1"))
    (run_id,) = create_runs(bench.store, [bench.new("ensemble", inputs=tuple(inputs))])
    sources = sources_of_queued(bench.store)[run_id]
    found = resolve_inputs(bench.store, sources, {"members": given})["members"]
    where = {name: bench.row(run_id).directory for name, run_id in ids.items()}
    assert found == [
        f"{where['trained']}/checkpoints/best",
        "/a/folder",
        f"{where['untested']}/checkpoints/last",
        f"{where['classified']}/artifacts/predictions",
        f"{where['scored']}/artifacts/validation",
        f"{where['untested']}/checkpoints/epoch",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (NewInput("members", 1), "inputs.members: run 1 (source) has neither a checkpoint nor predictions"),
        (NewInput("members", 1, "last"), "inputs.members: run 1 (source) has no checkpoint last"),
        (NewInput("vision", 1), "inputs.vision: run 1 (source) has no checkpoint"),
        (NewInput("init", 1, "epoch-15"), "inputs.init: run 1 (source) has no checkpoint epoch-15"),
    ],
)
def test_an_output_that_is_missing_is_told_by_what_was_asked(
    bench: Bench, given: NewInput, told: str
) -> None:
    assert bench.queue("source") == 1
    (run_id,) = create_runs(bench.store, [bench.new("reader", inputs=(given,))])
    with pytest.raises(RunError) as failed:
        resolve_inputs(bench.store, sources_of_queued(bench.store)[run_id], {})
    assert str(failed.value) == told


def test_a_run_whose_process_cannot_be_started_stays_queued_and_says_why(bench: Bench) -> None:
    run_id = bench.queue()
    supervisor = bench.supervisor(command=lambda run_dir: ["/nowhere/python", str(run_dir)])
    bench.drive(supervisor, lambda: bench.row(run_id).waiting_for is not None)
    row = bench.row(run_id)
    assert row.status is Status.QUEUED
    assert row.waiting_for == "no process could be started (No such file or directory): trying again"
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.FINISHED


def test_runs_get_gpus_of_their_own(bench: Bench, tmp_path: Path) -> None:
    runs = [bench.queue(f"run-{number}", config=SLOW, gpus=1) for number in range(3)]
    on_cpu = bench.queue("on-cpu", config=SLOW)
    supervisor = bench.supervisor(telemetry=gpus(tmp_path, 0, 1))
    for run_id in (*runs[:2], on_cpu):
        bench.until_training(supervisor, run_id)
    assert [visible_devices(bench, run_id) for run_id in (*runs[:2], on_cpu)] == ["0", "1", ""]
    expected = f"needs 1 GPU, 0 free: gpu0 is busy with run {runs[0]} (run-0); gpu1 is busy with run {runs[1]} (run-1)"
    assert bench.row(runs[2]).waiting_for == expected
    # A new supervisor knows who is on which GPU.
    successor = bench.supervisor(telemetry=gpus(tmp_path, 0, 1))
    successor.tick()
    assert bench.row(runs[2]).waiting_for == expected


def test_without_a_gpu_a_run_falls_back_to_the_cpu_and_its_log_says_so(bench: Bench) -> None:
    run_id = bench.queue(gpus=2)
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.FINISHED
    log = (bench.run_dir(run_id) / "log.txt").read_text()
    assert "WARNING asked for 2 GPUs, runs on the CPU: " in log
    assert run_detail(bench.store, run_id).run.devices == "cpu"


def test_while_nvml_does_not_answer_a_run_waits_for_its_gpu(tmp_path: Path) -> None:
    trace = tmp_path / "gpus.jsonl"
    there = json.dumps({"gpus": [{"index": 0, "memory_used": 0, "memory_total": 80 * GIB}]})
    trace.write_text(f'{there}\n{{"gpus": []}}\n')
    slots = Slots(Telemetry(trace), cpu_slots=1)
    slots.begin_round()
    assert slots.place(1, "a", 1) == Placement((0,))
    slots.begin_round()
    assert slots.place(1, "a", 1) == "needs 1 GPU, NVML does not answer"
    slots.begin_round()
    assert slots.place(1, "a", 1) == Placement((0,))


def test_a_gpu_that_others_fill_is_left_alone(tmp_path: Path) -> None:
    slots = Slots(gpus(tmp_path, 60, 10), cpu_slots=1)
    slots.begin_round()
    assert slots.place(1, "a", 1) == Placement((1,))
    assert slots.place(2, "b", 2) == "needs 2 GPUs, 1 free: gpu0 has only 20 GiB of 80 GiB free"


def test_a_run_that_asks_for_more_gpus_than_there_are_says_so_and_blocks_nobody(tmp_path: Path) -> None:
    slots = Slots(gpus(tmp_path, 0, 0), cpu_slots=1)
    slots.begin_round()
    assert slots.place(1, "a", 4) == "needs 4 GPUs, this machine has 2: stop it and ask for fewer"
    assert slots.place(2, "b", 1) == Placement((0,))


def test_small_runs_do_not_overtake_a_large_one_for_ever(tmp_path: Path) -> None:
    slots = Slots(gpus(tmp_path, 0, 0), cpu_slots=1)
    slots.hold(1, "small", Placement((0,)))
    slots.begin_round()
    assert slots.place(2, "large", 2) == "needs 2 GPUs, 1 free: gpu0 is busy with run 1 (small)"
    assert slots.place(3, "small too", 1) == "waits behind run 2 (large), which needs 2 GPUs"
    slots.release(1)
    slots.begin_round()
    assert slots.place(2, "large", 2) == Placement((0, 1))


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_a_wrong_number_of_cpu_slots_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REELTOP_CPU_SLOTS", value)
    with pytest.raises(ReeltopError, match="REELTOP_CPU_SLOTS"):
        Slots(Telemetry())


@pytest.mark.parametrize("value", ["soon", "-1", "nan"])
def test_a_wrong_grace_period_is_refused_in_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("REELTOP_STOP_GRACE", value)
    with pytest.raises(ReeltopError, match="REELTOP_STOP_GRACE"):
        bench.supervisor()
