"""Several runs at once, each at a training loop's pace: nothing is missing, nothing lags."""

from supervisor_bench import Bench

from engine.store.queries import run_row
from engine.store.runs import now
from engine.store.views import Status


def test_four_runs_at_fifty_points_a_second_lose_nothing_and_are_less_than_a_second_behind(
    bench: Bench,
) -> None:
    runs = [
        bench.queue(f"run-{number}", config={"steps": 200, "pause": 0.02, "gate": 5}) for number in range(4)
    ]
    supervisor = bench.supervisor(cpu_slots=4)
    for run_id in runs:
        bench.until_training(supervisor, run_id)
    for run_id in runs:
        bench.go(run_id)
    lags = []

    def look() -> None:
        supervisor.tick()
        for row in (run_row(bench.store, run_id) for run_id in runs):
            if row.status is Status.RUNNING and row.heartbeat is not None and row.progress is not None:
                lags.append((now() - row.heartbeat).total_seconds())

    bench.drive(supervisor, lambda: look() or all(bench.status(run_id).ended for run_id in runs))
    for run_id in runs:
        assert bench.status(run_id) is Status.FINISHED
        for key in ("loss", "lr", "norm", "speed", "wait"):
            assert [step for step, _ in bench.points(run_id, f"train/{key}")] == list(range(200))
    assert sorted(lags)[len(lags) // 2] < 1
