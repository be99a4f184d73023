"""Looking at runs and acting on them."""

from typing import TYPE_CHECKING

from app.output import detail_json, print_classes, print_detail, print_json, print_runs, run_json
from engine.errors import FilterError, ReeltopError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.actions import Verb
    from engine.store.database import Store

_MOST_SHOWN = 500
_DONE = {
    "stop": "will stop at its next step",
    "kill": "will be killed",
    "resume": "is queued to go on",
    "hold": "is held: `reeltop release` lets it start",
    "release": "may start when its turn comes",
    "delete": "is removed from the lists; its directory stays",
}


def open_store(workspace: Workspace) -> "Store":
    """The workspace's store."""
    from engine.store.database import Store

    return Store.open(workspace.store_url)


def list_runs(workspace: Workspace, filters: str, sort: str, limit: int, *, as_json: bool) -> None:
    """The newest runs that match, or the best by any column."""
    from engine.actions import watch
    from engine.store import queries

    store = open_store(workspace)
    watch(workspace, store)
    try:
        page = queries.list_runs(store, filters, sort=sort, limit=limit)
    except FilterError as error:
        shown = filters and len(filters) <= _MOST_SHOWN
        pointer = f"\n  {printable(filters)}\n  {' ' * error.position}^" if shown else ""
        raise ReeltopError(f"{error}{pointer}") from None
    if as_json:
        print_json([run_json(run) for run in page.runs])
    elif page.runs:
        print_runs(page.runs, matching=page.matching)
    elif page.total:
        print(f"none of {page.total} runs matches {printable(filters)}")
    else:
        print("no runs yet: `reeltop demo` makes some, `reeltop run CONFIG.yaml` queues one")


def show_run(workspace: Workspace, reference: str, *, classes: bool = False, as_json: bool) -> None:
    """All about one run; with `classes` also the classes of its best evaluation."""
    from engine.actions import watch
    from engine.store.queries import run_detail
    from engine.store.runs import find_run

    store = open_store(workspace)
    watch(workspace, store)
    detail = run_detail(store, find_run(store, reference))
    data = detail_json(detail)
    report = None
    if classes:
        from engine.class_report import class_report

        report = class_report(workspace, store, detail.run.id)
        data["class_report"] = report
    if as_json:
        print_json(data)
        return
    if report is None:
        print_detail(detail)
    else:
        print_classes(detail.run, report)


def prioritize_run(workspace: Workspace, reference: str, priority: int, *, as_json: bool) -> None:
    """Give a queued run another priority and say so."""
    from engine.actions import prioritize
    from engine.store.queries import run_row
    from engine.store.runs import find_run

    store = open_store(workspace)
    run_id = find_run(store, reference)
    prioritize(workspace, store, run_id, priority)
    row = run_row(store, run_id)
    if as_json:
        print_json(run_json(row))
    else:
        print(f"run {run_id} {printable(row.name)} has priority {row.priority}")


def act_on(workspace: Workspace, reference: str, verb: "Verb", *, as_json: bool) -> int:
    """Do something to a run and say so; the run's id."""
    from engine.actions import act
    from engine.store.queries import run_row
    from engine.store.runs import find_run
    from engine.store.views import Status

    store = open_store(workspace)
    run_id = find_run(store, reference)
    row = run_row(store, run_id)
    leaves_queue = row.status is Status.QUEUED and verb in ("stop", "kill")
    act(workspace, store, run_id, verb)
    if verb != "delete":
        row = run_row(store, run_id)
    if as_json:
        print_json(run_json(row))
    else:
        done = "leaves the queue" if leaves_queue else _DONE[verb]
        print(f"run {run_id} {printable(row.name)} {done}")
    return run_id
