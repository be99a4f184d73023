"""Verbs of the `reeltop` command about data sets and submission files; they need no workspace."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import Json

data_verbs = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@data_verbs.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Data set folder to make.")],
    videos: Annotated[int, typer.Option(min=20, max=1_000_000, help="Labelled videos.")] = 600,
    classes: Annotated[int, typer.Option(min=4, max=200, help="Level-2 classes.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 802,
    as_json: Json = False,
) -> None:
    """Write a data set in the challenge's layout, and tiny models for it in DIR/models."""
    from app.verbs.workspace import write_sample

    write_sample(folder, videos=videos, classes=classes, seed=seed, as_json=as_json)


@data_verbs.command("tiny-models")
def tiny_models(
    data: Annotated[
        Path, typer.Argument(metavar="DATA_DIR", help="Data set whose text makes the vocabulary.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for bert/ and clip/.")],
    hidden: Annotated[int, typer.Option(min=16, max=1024, help="Hidden size.")] = 128,
    layers: Annotated[int, typer.Option(min=1, max=24, help="Layers of each model.")] = 2,
    image_size: Annotated[int, typer.Option(min=16, max=512, help="Pixels of a frame's side.")] = 64,
    as_json: Json = False,
) -> None:
    """Write small untrained BERT and CLIP-vision folders, to try things without a hub."""
    from app.verbs.workspace import write_tiny_models

    write_tiny_models(data, out, hidden=hidden, layers=layers, image_size=image_size, as_json=as_json)


@data_verbs.command()
def score(
    result: Annotated[Path, typer.Argument(metavar="RESULT.csv", help="Submission file.")],
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH.csv", help="True classes: CSV, or annotations JSON.")
    ],
    as_json: Json = False,
) -> None:
    """The competition's evaluation: F1-mean, and micro and macro F1 of each level."""
    from app.verbs.data import score_submission

    score_submission(result, truth, as_json=as_json)


@data_verbs.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Data set folder.")],
    quick: Annotated[bool, typer.Option("--quick", help="List the frames, do not decode them.")] = False,
    sample: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Look at the frames of N videos of each split only."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate a data set: counts, missing modalities, broken files. Exit 2 where something is broken."""
    from app.verbs.data import check_data

    raise typer.Exit(check_data(data, as_json=as_json, quick=quick, sample=sample))
