"""Whole screens as text, from a store whose times stand still: what moved shows as a difference of lines.

`SNAPSHOTS=write pytest tests/app/tui/test_whole_screens.py` writes them anew; read the difference before keeping it.
"""

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import unified_diff
from pathlib import Path

import pytest
from conftest import end, new_run, train
from screen_text import drawn
from sqlalchemy import update

from app.tui.app import ReeltopApp
from engine.store.database import Store
from engine.store.models import Run
from engine.store.runs import create_runs, set_waiting
from engine.store.views import Status
from engine.workspace import Workspace

SNAPSHOTS = Path(__file__).with_name("snapshots")
HOST = '"host": {"cpu_percent": 34.0, "cpu_count": 16, "ram_used": 23622320128, "ram_total": 137438953472, ' \
       '"disk_free": 1200000000000, "disk_total": 2000000000000, "net_received_per_s": 1200000.0, ' \
       '"net_sent_per_s": 80000.0, "disk_read_per_s": 310000000.0, "disk_written_per_s": 4000000.0}'  # fmt: skip
GPU = '{"name": "NVIDIA H100 80GB HBM3", "util_percent": 61.0, "memory_used": 44023414784, ' \
      '"memory_total": 85899345920, "temperature_c": 67, "power_w": 430.0, "power_limit_w": 700.0, ' \
      '"processes": []}'  # fmt: skip
_HISTORY = re.compile(r"(?<= )[▁▂▃▄▅▆▇█]+ *(?=│|$)")
FIRST = datetime(2026, 3, 2, 9, 30)


@pytest.fixture
def still(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three finished runs, a failed one and one that waits, at fixed times in UTC; a machine that does not change."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    runs = [
        new_run("model-1"),
        new_run("model-2", params={"training.epochs": 5, "training.lr.text": 3e-5, "data.fold": 0}),
        new_run("模型 [3]"),
        new_run("broken"),
        new_run("later"),
    ]
    ids = create_runs(store, runs)
    for run_id, best in zip(ids[:3], (0.70, 0.74, 0.66), strict=True):
        train(store, run_id, steps=400, best=best)
        end(store, run_id, Status.FINISHED)
    train(store, ids[3], steps=30)
    end(store, ids[3], Status.FAILED, "loss is NaN at step 310: lower training.lr.text")
    set_waiting(store, {ids[4]: "the CPU slot is busy"})
    with store.write() as session:
        for place, run_id in enumerate(ids):
            created = FIRST + timedelta(hours=place)
            moments = {"created": created}
            if place < 4:
                moments |= {
                    "started": created + timedelta(minutes=1),
                    "ended": created + timedelta(minutes=42 + place),
                    "heartbeat": created + timedelta(minutes=42 + place),
                }
            session.execute(update(Run).where(Run.id == run_id).values(**moments))
    (workspace.root / "trace.jsonl").write_text(f'{{"gpus": [{GPU}], {HOST}}}\n')
    return ids


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def text_of(app: ReeltopApp) -> str:
    """The screen as it is drawn, without its colours and without the machine's histories, which grow."""
    return "\n".join(_HISTORY.sub(_blank, line).rstrip() for line in drawn(app)) + "\n"


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
@pytest.mark.parametrize("screen", ["monitor", "runs", "run", "scores", "compare"])
async def test_a_screen_looks_as_it_did(
    workspace: Workspace,
    still: list[int],
    settled: Callable,
    supervisors: list[Workspace],
    screen: str,
    size: tuple[int, int],
) -> None:
    keys = {"monitor": ("1",), "runs": ("2",), "compare": ("4",)}.get(screen, ())
    app = ReeltopApp(workspace, replay=workspace.root / "trace.jsonl", supervise=False)
    path = SNAPSHOTS / f"{screen}-{size[0]}x{size[1]}.txt"
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: app.opened)
        app.marked[:] = still[:3]
        await pilot.press(*keys)
        if not keys:
            app.open_run(still[1])
            await settled(pilot, lambda: "model-2" in text_of(app))
            await pilot.press(*("right_square_bracket",) * (screen == "scores") * 3)
        if os.environ.get("SNAPSHOTS") == "write":
            await pilot.pause(4)
            path.write_text(text_of(app), encoding="utf-8")
        expected = path.read_text(encoding="utf-8")
        try:
            await settled(pilot, lambda: text_of(app) == expected)
        except AssertionError:
            changes = unified_diff(
                expected.splitlines(), text_of(app).splitlines(), "kept", "now", lineterm=""
            )
            pytest.fail("\n".join(changes))
