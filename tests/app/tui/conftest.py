"""A workspace with a real store in it, filled through the store's own doors: what the screens are tested against."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.records import (
    Checkpoint,
    ClassScores,
    Environment,
    Evaluation,
    LevelScores,
    Metrics,
    Progress,
    State,
)
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, set_waiting, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

CONFIG = {
    "stage": "finetune",
    "seed": 802,
    "data": {"root": "data/sample", "fold": 0, "folds": 5},
    "model": {"kind": "single_stream", "text": "models/sample/bert"},
    "training": {"epochs": 5, "batch_size": 64, "lr": {"text": 5e-5, "other": 5e-4}, "ema": 0.999},
}


def new_run(name: str, **changes: object) -> NewRun:
    """A queued fine-tuning run."""
    values = {
        "stage": "finetune",
        "name": name,
        "config": {**CONFIG, "name": name},
        "config_hash": "0" * 64,
        "params": {"training.epochs": 5, "training.lr.text": 5e-5, "data.fold": 0},
        "seed": 802,
    }
    return NewRun(**{**values, **changes})


def train(store: Store, run_id: int, *, steps: int = 200, total: int = 400, best: float = 0.70) -> None:
    """Records as a fine-tuning run makes them, up to `steps` of `total`, an evaluation every 100 steps."""
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    transition(store, run_id, from_={Status.STARTING}, to=Status.RUNNING)
    begun = time.time() - steps / 8
    records: list[object] = [
        Environment(time=begun, values={"git_commit": "3fa1c2", "python": "3.11", "host": "box"})
    ]
    for step in range(steps):
        at = begun + step / 8
        loss = 5.2 * math.exp(-step / 90) + 1.0 + 0.2 * math.sin(step * 1.7)
        lr = 5e-5 * min(1.0, step / 40)
        records.append(
            Metrics(time=at, step=step, values={"train/loss": loss, "train/lr": lr, "train/grad_norm": 1.3})
        )
        if step % 100 == 99:
            score = best * (1 - math.exp(-(step + 1) / 120))
            records.append(evaluation(at, step, step // 100 + 1, score))
            records.append(
                Checkpoint(time=at, step=step, epoch=step // 100 + 1, kind="best", path=f"checkpoints/step-{step}",
                           bytes=64 << 20, sha256="0" * 64, f1_mean=score)
            )  # fmt: skip
    records.append(Progress(time=begun + steps / 8, done=steps, total=total, unit="step"))
    ingest(store, run_id, records, old_offset=0, new_offset=1)


def evaluation(at: float, step: int, epoch: int, score: float) -> Evaluation:
    """A validation pass with two level-1 classes and three of level 2."""
    classes = [
        ClassScores(level=level, category=code, precision=f1, recall=f1, f1=f1, support=support)
        for level, code, f1, support in (
            (1, "20", 0.71, 1204),
            (1, "11", 0.83, 300),
            (2, "2003", 0.42, 63),
            (2, "2007", 0.55, 148),
            (2, "1104", 0.83, 300),
        )
    ]
    levels = [
        LevelScores(level=1, f1_micro=score + 0.1, f1_macro=score + 0.05, accuracy=score + 0.1),
        LevelScores(level=2, f1_micro=score - 0.05, f1_macro=score - 0.1, accuracy=score - 0.05),
    ]
    return Evaluation(
        time=at,
        step=step,
        epoch=epoch,
        split="val",
        fold=0,
        loss=1.2,
        f1_mean=score,
        levels=levels,
        classes=classes,
    )


def end(store: Store, run_id: int, status: Status, error: str | None = None) -> None:
    """Bring a running run to its end."""
    ingest(
        store, run_id, [State(time=time.time(), status=str(status), error=error)], old_offset=1, new_offset=2
    )
    transition(store, run_id, from_={Status.RUNNING}, to=status, error=error)


def write_log(workspace: Workspace, run_id: int, name: str, text: str) -> Path:
    """The run's log file."""
    folder = workspace.run_dir(run_id, name)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    log.write_text(text, encoding="utf-8")
    return log


def fill(store: Store, workspace: Workspace) -> dict[str, int]:
    """A finished, a failed, a running and a waiting run; ids by name."""
    names = ["model-3", "broken", "model-1", "model-2"]
    ids = dict(zip(names, create_runs(store, [new_run(name) for name in names]), strict=True))
    train(store, ids["model-3"], steps=400, best=0.76)
    end(store, ids["model-3"], Status.FINISHED)
    train(store, ids["broken"], steps=30)
    end(store, ids["broken"], Status.FAILED, "loss is NaN at step 310: lower training.lr.text")
    train(store, ids["model-1"], steps=220)
    set_waiting(store, {ids["model-2"]: f"needs run {ids['model-1']} (model-1) to finish"})
    write_log(workspace, ids["model-1"], "model-1", "".join(f"step {n} loss 1.8\n" for n in range(220)))
    write_log(workspace, ids["broken"], "broken", "step 309 loss 7e4\nstep 310 loss nan\n")
    return ids


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, int]]:
    """Workspaces to copy, because making a store takes longer than copying one: an empty one, and one with runs."""
    empty, filled = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("filled")
    ids: dict[str, int] = {}
    for root in (empty, filled):
        (root / "configs").mkdir()
        space = Workspace.open(root)
        opened = Store.open(space.store_url)
        if root is filled:
            ids = fill(opened, space)
        opened.close()
    return empty, filled, ids


@pytest.fixture
def workspace(
    tmp_path: Path, templates: tuple[Path, Path, dict[str, int]], request: pytest.FixtureRequest
) -> Workspace:
    """A workspace of the test's own, with runs in it where the test asks for `runs`."""
    empty, filled, _ = templates
    shutil.copytree(filled if "runs" in request.fixturenames else empty, tmp_path, dirs_exist_ok=True)
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    """Its store."""
    opened = Store.open(workspace.store_url)
    yield opened
    opened.close()


@pytest.fixture
def runs(store: Store, templates: tuple[Path, Path, dict[str, int]]) -> dict[str, int]:
    """Ids by name of the runs in the store; the one that runs has just given a sign of life."""
    ids = templates[2]
    now = Progress(time=time.time(), done=220, total=400, unit="step")
    ingest(store, ids["model-1"], [now], old_offset=1, new_offset=2)
    return ids


@pytest.fixture(autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of settings for all workspaces: empty, whatever the person at this machine has."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def supervisors(monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    """No supervisor is started; the workspaces for which one was asked for."""
    asked: list[Workspace] = []
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", asked.append)
    return asked


@pytest.fixture
def settled() -> Callable[..., object]:
    """Wait, without a fixed sleep, until the interface shows something."""

    async def wait(pilot: object, condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            await pilot.pause(0.02)
            if condition():
                return
            assert time.monotonic() < deadline, "the interface did not get there"

    return wait
