"""The demonstration: sample data, tiny models, and the whole sample pipeline on them."""

import sys

from app.output import print_detail
from app.verbs.interface import open_interface
from app.verbs.run import wait_for
from app.verbs.workspace import copy_configs, write_sample, write_tiny_models
from engine.workspace import Workspace


def run_demo(workspace: Workspace, *, as_json: bool = False) -> int:
    """Make what is missing, queue configs/sample, and open the interface on it; without a terminal wait and print.

    The exit code is 0 where all runs finished.
    """
    from engine.store.database import Store
    from engine.store.queries import run_detail
    from engine.submit import plan_file, submit

    copy_configs(workspace.configs)
    data = workspace.root / "data" / "sample"
    if not (data / "annotations").exists():
        print("making the sample data and tiny models", file=sys.stderr, flush=True)
        write_sample(data, videos=600, classes=20, seed=802)
    models = workspace.root / "models" / "sample"
    if not all((models / part / "model.safetensors").exists() for part in ("bert", "clip")):
        write_tiny_models(data, models, hidden=128, layers=2, image_size=64)
    store = Store.open(workspace.store_url)
    planned = plan_file(workspace, store, workspace.configs / "sample" / "pipeline.yaml")
    ids = submit(workspace, store, planned)
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        open_interface(workspace)
        return 0
    code = wait_for(workspace, ids, as_json=as_json)
    for run_id in [] if as_json else ids:
        detail = run_detail(store, run_id)
        if detail.evaluations:
            print()
            print_detail(detail)
    return code
