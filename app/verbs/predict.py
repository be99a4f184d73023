"""Classifying videos with a finished run."""

import shutil
from pathlib import Path

from app.output import print_json, run_json
from app.verbs.run import quiet_wait, wait_for
from engine.errors import DataError, ReeltopError, RunError
from engine.format import printable
from engine.workspace import Workspace

_SPLITS = ("labeled", "unlabeled", "test")


def predict_file(workspace: Workspace, reference: str, annotations: Path, out: Path, *, as_json: bool) -> int:
    """Queue a predict run, wait for it, and put its submission file at `out`; the exit code.

    Frames are read beside the annotations; a model trained on stored features reads the same extract run's.

    Raises:
        RunError: the run has no checkpoint.
        DataError: there is no annotations file.
    """
    from engine.config.stages import PredictConfig
    from engine.planning.submit import plan_config, submit
    from engine.store.database import Store
    from engine.store.queries import artifact_of, checkpoint_of, run_detail, run_row
    from engine.store.runs import find_run
    from engine.store.views import Status

    store = Store.open(workspace.store_url)
    model_id = find_run(store, reference)
    model = run_detail(store, model_id)
    if model.run.stage != "finetune":
        raise RunError(
            f"run {model_id} ({printable(model.run.name)}) is of stage {model.run.stage}; name a finetune run"
        )
    if checkpoint_of(store, model_id, "best") is None and checkpoint_of(store, model_id, "last") is None:
        raise RunError(f"run {model_id} ({printable(model.run.name)}) has no checkpoint to predict with")
    if not annotations.is_file():
        what = "is a folder" if annotations.is_dir() else "no such file"
        raise DataError(f"{annotations}: {what}; name an annotations JSON such as DATA/annotations/test.json")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ReeltopError(f"{out}: name a file in a folder that exists, such as result.csv")
    absolute = annotations.resolve()
    # Frames lie beside the annotations in a data set; of a file that lies elsewhere, in the model's own data set.
    in_data_set = absolute.parent.name == "annotations"
    root = str(absolute.parent.parent) if in_data_set else model.config["data"]["root"]
    features = model.config["inputs"]["features"]
    for given in model.inputs:
        if given.role == "features":
            features = str(given.source_run)
    config = PredictConfig.model_validate(
        {
            "stage": "predict",
            "name": f"predict {model.run.name}"[:200].rstrip(),
            "gpus": model.run.gpus,
            "data": {
                "root": root,
                "split": absolute.stem if absolute.stem in _SPLITS else "test",
                "annotations": str(absolute),
            },
            "inputs": {
                "model": str(model_id),
                "features": features,
            },
        }
    )
    ids = submit(workspace, store, plan_config(workspace, store, config))
    code = (
        wait_for(workspace, ids, as_json=False) if not as_json else quiet_wait(workspace, ids, as_json=False)
    )
    run = run_row(store, ids[0])
    made = artifact_of(store, run.id, "submission")
    if run.status is Status.FINISHED and made is not None:
        shutil.copyfile(workspace.root / run.directory / made.path, out)
        if not as_json:
            print(f"submission in {out}")
    if as_json:
        print_json(run_json(run))
    return code
