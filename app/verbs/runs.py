"""Looking at runs and acting on them."""

from typing import TYPE_CHECKING

from app.output import detail_json, print_detail, print_json, print_runs, run_json
from engine.errors import FilterError, ReeltopError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store


def open_store(workspace: Workspace) -> "Store":
    """The workspace's store."""
    from engine.store.database import Store

    return Store.open(workspace.store_url)


def list_runs(workspace: Workspace, filters: str, sort: str, limit: int, *, as_json: bool) -> None:
    """The newest runs that match, or the best by any column."""
    from engine.store import queries

    try:
        page = queries.list_runs(open_store(workspace), filters, sort=sort, limit=limit)
    except FilterError as error:
        pointer = f"\n  {printable(filters)}\n  {' ' * error.position}^" if filters else ""
        raise ReeltopError(f"{error}{pointer}") from None
    if as_json:
        print_json([run_json(run) for run in page.runs])
    elif page.runs:
        print_runs(page.runs, matching=page.matching)
    elif page.total:
        print(f"none of {page.total} runs matches {printable(filters)}")
    else:
        print("no runs yet: `reeltop demo` makes some, `reeltop run CONFIG.yaml` queues one")


def show_run(workspace: Workspace, reference: str, *, as_json: bool) -> None:
    """All about one run."""
    from engine.store.queries import run_detail
    from engine.store.runs import find_run

    store = open_store(workspace)
    detail = run_detail(store, find_run(store, reference))
    if as_json:
        print_json(detail_json(detail))
    else:
        print_detail(detail)


def act(workspace: Workspace, reference: str, verb: str, *, as_json: bool) -> int:
    """Write what a person wants of a run, and see to it that a supervisor acts on it; the run's id."""
    from engine.store import runs
    from engine.store.queries import run_row
    from engine.supervisor.client import ensure_supervisor
    from engine.supervisor.launch import write_manifest

    actions = {
        "stop": (runs.request_stop, "will stop at its next step"),
        "kill": (runs.request_kill, "will be killed"),
        "resume": (runs.resume_run, "is queued to go on"),
        "rm": (runs.delete_run, "is removed from the lists; its directory stays"),
    }
    store = open_store(workspace)
    run_id = runs.find_run(store, reference)
    row = run_row(store, run_id)
    do, done = actions[verb]
    do(store, run_id)
    write_manifest(workspace, store, run_id)
    if verb != "rm":
        ensure_supervisor(workspace)
        row = run_row(store, run_id)
    if as_json:
        print_json(run_json(row))
    else:
        print(f"run {run_id} {printable(row.name)} {done}")
    return run_id
