"""Writing tables of runs for other programs."""

import sys
from pathlib import Path

from app.verbs.runs import open_store
from engine.errors import FilterError, ReeltopError
from engine.exports import export_of, format_of, write_export, write_text
from engine.format import printable
from engine.workspace import Workspace

STDOUT = "-"


def export_runs(
    workspace: Workspace,
    filters: str,
    *,
    form: str | None,
    out: str,
    sort: str,
    columns: str | None,
    force: bool,
) -> None:
    """All runs that match, with all their columns or those that were named, into a file or to standard output.

    Raises:
        ReeltopError: the filter, a format or the file cannot be used.
    """
    wanted = [name.strip() for name in (columns or "").split(",") if name.strip()]
    chosen = format_of("" if out == STDOUT else out, form)
    from engine.store.tables import require_columns

    store = open_store(workspace)
    require_columns(store, wanted)
    try:
        export = export_of(store, filters, sort, wanted)
    except FilterError as error:
        pointer = f"\n  {printable(filters)}\n  {' ' * error.position}^" if filters else ""
        raise ReeltopError(f"{error}{pointer}") from None
    if out == STDOUT:
        write_text(export, sys.stdout, chosen)
        return
    count = write_export(export, Path(out).expanduser(), chosen, replace=force)
    print(f"{count} run{'' if count == 1 else 's'}, {len(export.columns)} columns in {out}", file=sys.stderr)
