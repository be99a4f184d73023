"""The `reeltop` command: one thin function a verb.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or bad input (one line says what, where and the fix).
"""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from app.cli_acts import acts
from app.cli_data import data_verbs
from app.cli_edits import edits
from app.cli_options import Json, Run, Set
from engine.errors import ReeltopError
from engine.format import printable
from engine.workspace import STORE_VARIABLE, WORKSPACE_VARIABLE, Workspace

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (data_verbs, acts, edits):
    app.add_typer(group)


def main() -> None:
    """Run the command line; a person's mistake ends in one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a name that a terminal cannot show is no reason to end
    try:
        app()
    except ReeltopError as error:
        print(f"error: {printable(str(error), keep_newlines=True)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        told = printable(f"{place}{error.strerror or error}")
        print(f"error: {told}; make it usable or name another place", file=sys.stderr)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    workspace: Annotated[
        str | None, typer.Option(metavar="DIR", help=f"Workspace folder (or ${WORKSPACE_VARIABLE}).")
    ] = None,
    store: Annotated[str | None, typer.Option(metavar="URL", help=f"Store (or ${STORE_VARIABLE}).")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """reeltop: launch, watch and compare video classification experiments from the terminal.

    Without a verb it opens the terminal interface on this folder's experiments.db.
    """
    if version:
        from importlib.metadata import version as version_of

        print(f"reeltop {version_of('reeltop')}")
        raise typer.Exit
    if context.invoked_subcommand in ("init", "sample", "tiny-models", "check", "score"):
        context.obj = (workspace, store)
        return
    context.obj = Workspace.open(workspace, store)
    if context.invoked_subcommand is None:
        from app.verbs.interface import open_interface

        open_interface(context.obj)


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="The folder, made if missing.")] = ".",
    as_json: Json = False,
) -> None:
    """Make a workspace: configs/, .gitignore and an empty store."""
    from app.verbs.workspace import init_workspace

    _, store = context.obj
    init_workspace(Path(folder), store, as_json=as_json)


@app.command()
def demo(context: typer.Context, as_json: Json = False) -> None:
    """Make the sample data and models, run configs/sample, watch it; with --json wait and print its runs."""
    from app.verbs.demo import run_demo

    raise typer.Exit(run_demo(context.obj, as_json=as_json))


@app.command()
def run(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="A stage or a pipeline.")],
    overrides: Set = None,
    name: Annotated[str | None, typer.Option(help="Name of the run or pipeline.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; exit 1 unless all finished.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show graph, estimates and configs; queue nothing.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Run all of a pipeline again, also what is finished and unchanged."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Queue a stage, or of a pipeline what is not finished and unchanged."""
    from app.verbs.run import queue

    raise typer.Exit(
        queue(
            context.obj,
            config,
            overrides or [],
            name,
            wait=wait,
            dry_run=dry_run,
            fresh=fresh,
            as_json=as_json,
        )
    )


@app.command()
def ls(
    context: typer.Context,
    filters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILTER]", help="Such as: stage=finetune 'f1_mean>0.6' tag=best"),
    ] = None,
    sort: Annotated[str, typer.Option(help="Column or metric; a leading - is descending.")] = "-created",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows.")] = 100,
    as_json: Json = False,
) -> None:
    """List runs."""
    from app.verbs.runs import list_runs

    list_runs(context.obj, " ".join(filters or []), sort, limit, as_json=as_json)


@app.command()
def show(
    context: typer.Context,
    run: Run,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="Precision, recall and F1 of each class, and what it is taken for."),
    ] = False,
    as_json: Json = False,
) -> None:
    """All about one run."""
    from app.verbs.runs import show_run

    show_run(context.obj, run, classes=classes, as_json=as_json)


@app.command()
def logs(
    context: typer.Context,
    run: Run,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    lines: Annotated[int | None, typer.Option("-n", "--lines", min=0, help="Only the last lines.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each line as a JSON string.")] = False,
) -> None:
    """Print a run's log."""
    from app.verbs.logs import print_log

    print_log(context.obj, run, follow=follow, lines=lines, as_json=as_json)


@app.command()
def compare(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN RUN...", help="Ids, unique names, @last or @best; the first is the base."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show also what is the same in all of them, and every class.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Runs side by side: scores, settings that differ, classes that gain and lose, code and machine."""
    from app.verbs.compare import compare_runs

    compare_runs(context.obj, runs or [], everything=everything, as_json=as_json)


@app.command()
def ensemble(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Runs to average; RUN@last, RUN@epoch-3 name checkpoints."),
    ],
    weights: Annotated[
        str,
        typer.Option(
            help="auto (bagged), equal, bagged, greedy, coordinate, or a number for each: 1,1,0.7,1."
        ),
    ] = "auto",
    name: Annotated[str | None, typer.Option(help="Name of the ensemble's run.")] = None,
    as_json: Json = False,
) -> None:
    """Average runs' probabilities; show every member's scores beside the ensemble's honest estimate."""
    from app.verbs.ensemble import ensemble_runs

    raise typer.Exit(ensemble_runs(context.obj, runs, weights, name, as_json=as_json))


@app.command()
def predict(
    context: typer.Context,
    run: Run,
    annotations: Annotated[Path, typer.Option(help="Annotations of the videos to classify.")],
    out: Annotated[Path, typer.Option(help="Submission file to write.")],
    as_json: Json = False,
) -> None:
    """Classify videos with a run's best checkpoint and write the submission file."""
    from app.verbs.predict import predict_file

    raise typer.Exit(predict_file(context.obj, run, annotations, out, as_json=as_json))


@app.command()
def supervisor(
    context: typer.Context,
    idle: Annotated[
        float | None, typer.Option(min=0, help="Exit after so many idle seconds; never without.")
    ] = None,
) -> None:
    """Run the supervisor in the foreground (for systemd, debugging)."""
    from app.verbs.workspace import run_supervisor

    raise typer.Exit(run_supervisor(context.obj, idle))


@app.command()
def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Make the store again from the run directories."""
    from app.verbs.workspace import rebuild_store

    raise typer.Exit(rebuild_store(context.obj, as_json=as_json))


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks visitors for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token on localhost too.")] = False,
    as_json: Json = False,
) -> None:
    """The same interface in a browser, on localhost only unless told otherwise."""
    from app.verbs.serve import serve as serve_interface

    serve_interface(context.obj, host, port, token=token, as_json=as_json)


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """What works here: Python, torch, CUDA, NVML, store, terminal."""
    from app.verbs.doctor import diagnose

    raise typer.Exit(diagnose(context.obj, as_json=as_json))


if __name__ == "__main__":
    main()
