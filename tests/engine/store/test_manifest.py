"""A run's manifest brings its row back under its id; its records bring the rest."""

import json

import pytest
from sqlalchemy import delete, inspect, select
from store_helpers import add, advance, evaluation, metrics, new_run, take_in

from engine.errors import RunError
from engine.records import Environment
from engine.store.database import Store
from engine.store.manifest import dump_run, restore_run
from engine.store.models import Experiment, Run, RunParam
from engine.store.queries import list_runs, run_detail, series
from engine.store.runs import create_runs, delete_run
from engine.store.views import NewInput, Status


def test_manifest_and_records_make_an_equal_run(store: Store) -> None:
    source, run_id = create_runs(
        store,
        [
            new_run("source"),
            new_run("m%", experiment="e", tags=("t",), notes="n", priority=2, gpus=1,
                    inputs=(NewInput("init", 0, "best", in_batch=True),)),
        ],
    )  # fmt: skip
    records = [
        *metrics(range(200), [step / 7 for step in range(200)]),
        evaluation(5, 0.5),
        Environment(time=1.0, values={"host": "box"}),
    ]
    take_in(store, run_id, records)
    advance(store, source, Status.STARTING, Status.RUNNING, Status.FINISHED)
    advance(store, run_id, Status.STARTING, Status.RUNNING, Status.FAILED)
    manifests = [json.loads(json.dumps(dump_run(store, each))) for each in (source, run_id)]
    detail, curve = run_detail(store, run_id), series(store, run_id, "train/loss")
    with store.connection() as connection:
        params = connection.execute(select(RunParam).order_by(RunParam.run_id, RunParam.key)).all()
    with store.write() as session:
        session.execute(delete(Run))
        session.execute(delete(Experiment))
    assert [restore_run(store, manifest) for manifest in manifests] == [source, run_id]
    take_in(store, run_id, records)
    again = run_detail(store, run_id)
    assert again.run == detail.run
    assert (again.config, again.env, again.inputs, again.metrics) == (
        *(detail.config, detail.env, detail.inputs, detail.metrics),
    )
    assert [item.levels for item in again.evaluations] == [item.levels for item in detail.evaluations]
    assert series(store, run_id, "train/loss") == curve
    with store.connection() as connection:
        assert connection.execute(select(RunParam).order_by(RunParam.run_id, RunParam.key)).all() == params
    assert add(store) > run_id


def test_every_column_comes_back_or_is_derived_from_records(store: Store) -> None:
    derived = {
        *("experiment_id", "heartbeat", "records_offset", "progress_done", "progress_total", "progress_unit"),
        *("host", "devices", "git_sha", "git_dirty", "best_evaluation", "reported_status", "reported_error"),
    }
    manifest = dump_run(store, add(store))
    assert {column.key for column in inspect(Run).columns} - manifest.keys() == derived


def test_a_deleted_run_stays_deleted(store: Store) -> None:
    run_id = add(store)
    advance(store, run_id, Status.CANCELLED)
    delete_run(store, run_id)
    manifest = dump_run(store, run_id)
    with store.write() as session:
        session.execute(delete(Run))
    restore_run(store, manifest)
    assert list_runs(store).total == 0


def test_an_input_whose_directory_is_gone_is_still_named(store: Store) -> None:
    source, run_id = create_runs(
        store, [new_run("a"), new_run("b", inputs=(NewInput("init", 0, in_batch=True),))]
    )
    manifest = dump_run(store, run_id)
    with store.write() as session:
        session.execute(delete(Run))
    restore_run(store, manifest)
    [lost] = run_detail(store, run_id).inputs
    assert (lost.source_run, lost.source_name, lost.source_status) == (source, "?", Status.FAILED)


def test_an_id_that_is_taken_is_refused(store: Store) -> None:
    manifest = dump_run(store, add(store))
    with pytest.raises(RunError, match="is in the store already"):
        restore_run(store, manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": 10**30},
        {"status": "asleep"},
        {"created": "yesterday"},
        {"created": 5},
        {"created": None},
        {"params": [1]},
        {"inputs": [{"role": "init"}]},
        {"tags": None},
        {"config": None},
        {"seed": "many words"},
        {"name": None},
        {"name": ["a"]},
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(store: Store, changes: dict[str, object]) -> None:
    manifest = dump_run(store, add(store))
    with store.write() as session:
        session.execute(delete(Run))
    with pytest.raises(RunError) as caught:
        restore_run(store, manifest | changes)
    assert "\n" not in str(caught.value)
    assert list_runs(store).total == 0


def test_a_manifest_without_a_field_names_it(store: Store) -> None:
    manifest = dump_run(store, add(store))
    del manifest["config_hash"]
    with pytest.raises(RunError, match="the field 'config_hash' is missing"):
        restore_run(store, manifest)
