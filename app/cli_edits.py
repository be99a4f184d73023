"""Verbs of the `reeltop` command that change what people say about runs, and that write runs out."""

from typing import Annotated

import typer

from app.cli_options import Json, Run

edits = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


# `-old` is a tag to take away: no letter of it may be read as an option.
@edits.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
def tag(
    context: typer.Context,
    run: Run,
    tags: Annotated[list[str], typer.Argument(metavar="+TAG|-TAG...", help="Such as: +best -old")],
    as_json: Json = False,
) -> None:
    """Give a run tags, and take others away."""
    from app.verbs.edits import tag_run

    tag_run(context.obj, run, tags, as_json=as_json)


@edits.command()
def rename(
    context: typer.Context,
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    as_json: Json = False,
) -> None:
    """Give a run another name; its directory keeps the old one."""
    from app.verbs.edits import rename_run

    rename_run(context.obj, run, name, as_json=as_json)


@edits.command()
def note(
    context: typer.Context,
    run: Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; - reads it, '' takes it away.")],
    as_json: Json = False,
) -> None:
    """Write about a run, in place of what was written before."""
    from app.verbs.edits import note_run

    note_run(context.obj, run, text, as_json=as_json)


@edits.command()
def pin(
    context: typer.Context,
    run: Run,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    as_json: Json = False,
) -> None:
    """Pin a run, to be found with `reeltop ls pinned=true`."""
    from app.verbs.edits import pin_run

    pin_run(context.obj, run, pinned=not off, as_json=as_json)


@edits.command()
def restore(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id or the name of a deleted run.")],
    as_json: Json = False,
) -> None:
    """Bring a run back that `reeltop rm` took out of the lists."""
    from app.verbs.edits import restore_run

    restore_run(context.obj, run, as_json=as_json)


@edits.command()
def export(
    context: typer.Context,
    filters: Annotated[
        list[str] | None, typer.Argument(metavar="[FILTER]", help="As of `reeltop ls`; all runs without.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="csv|parquet|json|md", help="By the file's ending; csv else."),
    ] = None,
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write; - prints it.")] = "-",
    sort: Annotated[str, typer.Option(help="Column or metric; a leading - is descending.")] = "-created",
    columns: Annotated[
        str | None,
        typer.Option(metavar="KEY,KEY...", help="These columns only, such as name,f1_mean,lr.text."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write runs with their settings, metrics and scores by level as a table."""
    from app.verbs.export import export_runs

    export_runs(
        context.obj,
        " ".join(filters or []),
        form=form,
        out=out,
        sort=sort,
        columns=columns,
        force=force,
    )
