"""Verbs of the `reeltop` command that act on a run in the queue or at work."""

from typing import Annotated

import typer

from app.cli_options import Json, Run

acts = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@acts.command()
def stop(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Ask a run to write a checkpoint and end; it can be resumed."""
    from app.verbs.runs import act_on

    act_on(context.obj, run, "stop", as_json=as_json)


@acts.command()
def kill(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """End a run at once; it can be resumed from its last checkpoint."""
    from app.verbs.runs import act_on

    act_on(context.obj, run, "kill", as_json=as_json)


@acts.command()
def resume(
    context: typer.Context,
    run: Run,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; exit 1 unless it finished.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Queue a stopped, crashed or failed run to go on from its last checkpoint."""
    from app.verbs.run import wait_for
    from app.verbs.runs import act_on

    run_id = act_on(context.obj, run, "resume", as_json=as_json and not wait)
    if wait:
        raise typer.Exit(wait_for(context.obj, [run_id], as_json=as_json))


@acts.command()
def rm(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Remove an ended run from the lists; its directory stays."""
    from app.verbs.runs import act_on

    act_on(context.obj, run, "delete", as_json=as_json)


@acts.command()
def hold(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Keep a queued run from being started until it is released."""
    from app.verbs.runs import act_on

    act_on(context.obj, run, "hold", as_json=as_json)


@acts.command()
def release(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Let a held run start when its turn comes."""
    from app.verbs.runs import act_on

    act_on(context.obj, run, "release", as_json=as_json)


@acts.command(context_settings={"ignore_unknown_options": True})
def priority(
    context: typer.Context,
    run: Run,
    value: Annotated[int, typer.Argument(metavar="N", help="-1000 to 1000; higher leave the queue first.")],
    as_json: Json = False,
) -> None:
    """Change when a queued run leaves the queue."""
    from app.verbs.runs import prioritize_run

    prioritize_run(context.obj, run, value, as_json=as_json)
