"""Verbs that make things: workspaces, sample data, tiny models, a store from run directories."""

import shutil
import sys
from pathlib import Path

import engine
from app.output import print_json
from engine.errors import ReeltopError
from engine.workspace import STORE_FILE, Workspace

_IGNORED = (f"{STORE_FILE}*", "runs/", "data/", "models/", "exports/", ".reeltop/")


def shipped_configs() -> Path:
    """The configs that travel with the program: beside the packages in a checkout, inside the wheel elsewhere."""
    around = Path(engine.__file__).resolve().parent.parent
    for folder in (around / "reeltop_configs", around / "configs"):
        if (folder / "sample" / "pipeline.yaml").is_file():
            return folder
    raise ReeltopError(f"the shipped configs are missing beside {around}; install reeltop again")


def init_workspace(folder: Path, store: str | None = None, *, as_json: bool = False) -> None:
    """Fill `folder` with configs, .gitignore and an empty store; what is there already stays as it is."""
    from engine.store.database import Store

    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy_configs(folder / "configs")
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("".join(f"{pattern}\n" for pattern in _IGNORED))
    except OSError as error:
        raise ReeltopError(
            f"{folder}: cannot be made a workspace ({error.strerror}); choose another folder"
        ) from None
    workspace = Workspace.open(folder, store)
    Store.open(workspace.store_url).close()
    if as_json:
        print_json({"workspace": str(workspace.root)})
    else:
        print(
            f"workspace {workspace.root}: try `reeltop demo`, or `reeltop run configs/sample/pipeline.yaml`"
        )


def copy_configs(folder: Path) -> None:
    """Copy the shipped configs that are not there yet."""
    shipped = shipped_configs()
    for source in sorted(shipped.rglob("*.yaml")):
        target = folder / source.relative_to(shipped)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def write_sample(folder: Path, *, videos: int, classes: int, seed: int, as_json: bool = False) -> None:
    """A sample data set, and tiny models for it.

    The models go to `models/<name>` beside `data/` where the folder is some `data/<name>`, else into the folder.
    """
    from engine.data.sample import make_sample
    from engine.data.tiny_models import make_tiny_models

    if (folder / "annotations").exists():
        raise ReeltopError(f"{folder}: holds a data set already; remove it or name another folder")
    folder = folder.expanduser().absolute()
    in_workspace = folder.parent.name == "data"
    models = folder.parent.parent / "models" / folder.name if in_workspace else folder / "models"
    with _writing(folder):
        make_sample(
            folder, videos=videos, classes=classes, seed=seed, progress=_tell if sys.stderr.isatty() else None
        )
        make_tiny_models(folder, models)
    if as_json:
        print_json({"data": str(folder), "text": str(models / "bert"), "vision": str(models / "clip")})
    else:
        print(f"sample data in {_shown(folder)}, tiny models in {_shown(models)}", file=sys.stderr)


def write_tiny_models(
    data: Path, out: Path, *, hidden: int, layers: int, image_size: int, as_json: bool = False
) -> None:
    """Small untrained text and vision models whose vocabulary comes from the data set's own text."""
    from engine.data.tiny_models import make_tiny_models

    with _writing(out):
        make_tiny_models(data, out, hidden=hidden, layers=layers, image_size=image_size)
    if as_json:
        print_json({"text": str(out / "bert"), "vision": str(out / "clip")})
    else:
        print(f"tiny models in {out / 'bert'} and {out / 'clip'}", file=sys.stderr)


def run_supervisor(workspace: Workspace, idle: float | None) -> int:
    """The supervisor in the foreground; without `idle` until it is told to end."""
    from engine.supervisor.service import serve_as_program

    return serve_as_program(workspace, idle)


def rebuild_store(workspace: Workspace, *, as_json: bool) -> int:
    """Make the store again from the run directories; 0 where all of them are in it, else 1."""
    from engine.supervisor.rebuild import rebuild

    report = rebuild(workspace)
    for problem in report.problems:
        print(problem, file=sys.stderr)
    if as_json:
        print_json(report)
    else:
        bad = f", {report.bad_records} unreadable ones skipped" if report.bad_records else ""
        print(f"{report.runs} runs with {report.records} records taken in{bad}")
    return 1 if report.problems else 0


class _writing:  # noqa: N801 - read as a word in `with`
    """A full disk or a read-only folder is one line, not a traceback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise ReeltopError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another folder"
            ) from None


def _tell(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        end = "\n" if done == total else ""
        print(f"\rsample data: {done}/{total} videos", end=end, file=sys.stderr, flush=True)


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
