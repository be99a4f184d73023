"""What a person is told of runs and of the machine, and what is no reason to tell anything."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from engine.alerts import Alert, machine_alerts, run_alerts
from engine.store.views import Intent, RunRow, SeriesPoint, Status
from engine.telemetry import GpuSample, HostSample

NOW = datetime(2026, 3, 1, 12, 0, 0)
GIB = 1 << 30


def run(status: Status = Status.RUNNING, **changes: object) -> RunRow:
    values = {
        "id": 12, "name": "model-1", "stage": "finetune", "status": status, "intent": Intent.RUN, "experiment": None,
        "created": NOW, "started": NOW, "ended": None, "waiting_for": None, "progress": None, "heartbeat": NOW,
        "priority": 0, "gpus": 1, "attempt": 1, "pid": 5, "host": "box", "devices": "gpu0", "exit_code": None,
        "error": None, "seed": 1, "config_hash": "", "notes": "", "pinned": False, "directory": "", "f1_mean": None,
    }  # fmt: skip
    return RunRow(**(values | changes))


def curve(values: Sequence[float | None], seconds: float = 1.0) -> tuple[SeriesPoint, ...]:
    """Points at a steady pace, the last one now."""
    end = NOW.replace(tzinfo=UTC).timestamp()
    last = len(values) - 1
    return tuple(
        SeriesPoint(step, end - (last - step) * seconds, value, value, value)
        for step, value in enumerate(values)
    )


def kinds(alerts: Sequence[Alert]) -> list[str]:
    return [alert.key.rpartition(" ")[2] for alert in alerts]


FALLING = [5.0 * math.exp(-step / 20) + 1 + 0.3 * math.sin(step * 1.7) for step in range(60)]


def test_a_run_that_learns_says_nothing() -> None:
    assert run_alerts(run(), curve(FALLING), curve([0.05] * 60), NOW) == []
    assert run_alerts(run(), (), (), NOW) == []
    assert run_alerts(run(), curve([1.0]), curve([0.9]), NOW) == []


@pytest.mark.parametrize("last", [None, math.inf, math.nan])
def test_a_loss_that_is_no_number_is_told_with_its_step_and_what_helps(last: float | None) -> None:
    (alert,) = run_alerts(run(), curve([*FALLING, last]), (), NOW)
    assert alert.key == "run 12 nan"
    assert "run 12 (model-1) has no finite loss at step 60" in str(alert)
    assert "training.lr" in alert.way_out


def test_a_loss_that_lost_half_of_its_gain_is_rising_and_noise_is_not() -> None:
    rising = [*FALLING, *(1.0 + 0.2 * step for step in range(20))]
    assert kinds(run_alerts(run(), curve(rising), (), NOW)) == ["rising"]
    spike = [*FALLING, 4.0, *FALLING[-5:]]
    assert run_alerts(run(), curve(spike), (), NOW) == []
    flat = [1.0 + 0.01 * math.sin(step) for step in range(80)]
    assert run_alerts(run(), curve(flat), (), NOW) == []
    only_worse = [1.0 + 0.05 * step for step in range(40)]
    assert kinds(run_alerts(run(), curve(only_worse), (), NOW)) == ["rising"]
    assert run_alerts(run(), curve(only_worse[:10]), (), NOW) == []


def test_no_step_for_a_while_is_told_with_since_when_but_slow_steps_are_not() -> None:
    (alert,) = run_alerts(run(), curve(FALLING), (), NOW + timedelta(seconds=400))
    assert alert.key == "run 12 quiet"
    assert "(6:40)" in alert.text
    assert run_alerts(run(), curve(FALLING), (), NOW + timedelta(seconds=200)) == []
    assert run_alerts(run(), curve(FALLING, seconds=60), (), NOW + timedelta(seconds=400)) == []


def test_training_that_waits_for_data_is_told_with_its_share() -> None:
    (alert,) = run_alerts(run(), curve(FALLING), curve([0.0] * 20 + [0.6] * 20), NOW)
    assert alert.key == "run 12 data"
    assert "60% of its time" in alert.text
    assert "data.workers" in alert.way_out
    assert run_alerts(run(), curve(FALLING), curve([0.9] * 20 + [0.0] * 40), NOW) == []


def test_only_running_runs_are_judged_and_names_are_shown_as_they_are() -> None:
    assert run_alerts(run(Status.STARTING), curve([None]), (), NOW) == []
    (alert,) = run_alerts(run(name="[b]\x1b[31m"), curve([None]), (), NOW)
    assert "[b]␛[31m" in alert.text


def gpu(used: float, index: int = 0) -> GpuSample:
    return GpuSample(index, "H100", memory_used=int(used * GIB), memory_total=80 * GIB)


def host(ram: float = 0.5, free: float = 500.0, total: float = 1000.0) -> HostSample:
    return HostSample(10.0, 8, int(ram * 64 * GIB), 64 * GIB, int(free * GIB), int(total * GIB))


def test_memory_near_the_limit_is_told_of_gpus_that_runs_here_hold() -> None:
    assert kinds(machine_alerts([gpu(77)], None, [0])) == ["memory"]
    assert machine_alerts([gpu(77)], None, [1]) == []
    assert machine_alerts([gpu(70)], None, [0]) == []
    assert machine_alerts([GpuSample(0, "H100")], None, [0]) == []


def test_host_memory_and_disk_near_the_limit_are_told() -> None:
    assert machine_alerts([], host(), []) == []
    assert kinds(machine_alerts([], host(ram=0.95), [])) == ["memory"]
    (alert,) = machine_alerts([], host(free=3.0), [])
    assert (alert.key, "3.0 GiB free" in alert.text) == ("disk", True)
    assert machine_alerts([], host(free=300.0, total=10_000.0), []) == []
    assert kinds(machine_alerts([], host(free=0.4, total=10.0), [])) == ["disk"]
    assert machine_alerts([], HostSample(None, 1, 1, 2, None, None), []) == []
