"""The demonstration: sample data, tiny models, and the whole sample pipeline on them."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.verbs.ensemble import print_report
from app.verbs.interface import open_interface
from app.verbs.run import wait_for
from app.verbs.workspace import copy_configs, write_sample, write_tiny_models
from engine.format import printable
from engine.supervisor.slots import CPU_SLOTS_VARIABLE
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store


def run_demo(workspace: Workspace, *, as_json: bool = False) -> int:
    """Make what is missing, queue configs/sample, and open the interface on it; without a terminal wait and print.

    What an earlier demonstration finished is used again. The exit code is 0 where all runs finished.
    """
    from engine.store.database import Store

    store = Store.open(workspace.store_url)
    ids, reused = prepare(workspace, store)
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        open_interface(workspace)
        return 0
    code = wait_for(workspace, ids, as_json=as_json, reused=reused)
    if not as_json:
        _print_best(workspace, store, ids)
    return code


def prepare(workspace: Workspace, store: "Store") -> tuple[list[int], set[int]]:
    """Make what is missing and queue the sample pipeline; ids of its runs, and of those that were finished before."""
    from engine.planning.submit import plan_file, submit

    _run_two_at_a_time()
    copy_configs(workspace.configs)
    data = workspace.root / "data" / "sample"
    if not (data / "annotations").exists():
        print("making the sample data and tiny models", file=sys.stderr, flush=True)
        write_sample(data, videos=600, classes=20, seed=802)
    models = workspace.root / "models" / "sample"
    if not all((models / part / "model.safetensors").exists() for part in ("bert", "clip")):
        write_tiny_models(data, models, hidden=128, layers=2, image_size=64)
    planned = plan_file(workspace, store, workspace.configs / "sample" / "pipeline.yaml")
    return submit(workspace, store, planned), {run.reuses for run in planned if run.reuses is not None}


def _run_two_at_a_time() -> None:
    """Small runs spend a good part of their time on starting, which keeps one core busy: two share the machine."""
    cores = os.cpu_count() or 1
    if cores > 1:
        os.environ.setdefault(CPU_SLOTS_VARIABLE, "2")
        os.environ.setdefault("OMP_NUM_THREADS", str(cores // 2))


def _print_best(workspace: Workspace, store: "Store", ids: Sequence[int]) -> None:
    """What the ensemble is worth, and where the submission file is, below the table of all runs."""
    from engine.ensemble.result import read_report
    from engine.store.queries import run_detail

    for run_id in ids:
        detail = run_detail(store, run_id)
        for made in detail.artifacts if detail.run.stage == "ensemble" else ():
            path = workspace.root / detail.run.directory / made.path
            if made.kind == "report" and path.is_file():
                print_report(read_report(path))
            if made.kind == "submission":
                print(f"submission file: {printable(f'{detail.run.directory}/{made.path}')}")
