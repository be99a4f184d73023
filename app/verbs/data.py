"""Verbs about data sets and submission files."""

from pathlib import Path

from app.output import print_json, print_scores


def score_submission(result: Path, truth: Path, *, as_json: bool) -> None:
    """The competition's evaluation of a submission file."""
    from engine.data.submission import score_files

    scores = score_files(result, truth)
    if as_json:
        levels = [
            {"level": one.level, "f1_micro": one.f1_micro, "f1_macro": one.f1_macro, "accuracy": one.accuracy}
            for one in scores.levels
        ]
        print_json({"f1_mean": scores.f1_mean, "levels": levels})
    else:
        print_scores(scores)
