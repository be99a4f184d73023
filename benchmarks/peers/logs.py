"""How each tracker is written and read, in the same few words: what `benchmarks.peers` compares.

A writer is opened as one run of a shared folder and gives a function that logs a step and one that closes. A reader
gives, for every run in the folder, the steps whose five values another process can read now. Run in the environment
that has the tracker, so nothing is imported before it is asked for. Nobody talks to a network.
"""

import contextlib
import os
import sqlite3
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.recorder import VALUES, bare, reeltop, tensorboard

os.environ |= {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "AIM_UI_TELEMETRY_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
Log, Close = Callable[[int], None], Callable[[], None]
Steps = dict[str, set[int]]
PROJECT = "peers"


def wandb(folder: Path, name: str) -> tuple[Log, Close]:
    """W&B offline: values go over a socket to a process of its own, which writes the run's file."""
    import wandb

    run = wandb.init(dir=folder, project=PROJECT, name=name, mode="offline", id=name)
    return lambda step: run.log(VALUES, step=step), run.finish


def mlflow(folder: Path, name: str) -> tuple[Log, Close]:
    """MLflow on SQLite, as its documents advise; `log_metrics` is one transaction."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.start_run(run_name=name)
    return lambda step: mlflow.log_metrics(VALUES, step=step), mlflow.end_run


def aim(folder: Path, name: str) -> tuple[Log, Close]:
    """Aim's local repository, without its own sampling of the machine."""
    import aim

    run = aim.Run(
        repo=str(folder),
        experiment=name,
        system_tracking_interval=None,
        log_system_params=False,
        capture_terminal_logs=False,
    )
    run.name = name
    return lambda step: run.track(VALUES, step=step), run.close


def trackio(folder: Path, name: str) -> tuple[Log, Close]:
    """Trackio's local project, without its own sampling of the machine."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    run = trackio.init(project=PROJECT, name=name, auto_log_cpu=False, auto_log_gpu=False, embed=False)
    return lambda step: run.log(dict(VALUES), step=step), run.finish


def _own_folder(make: Callable[[Path], tuple[Log, Close]]) -> Callable[[Path, str], tuple[Log, Close]]:
    def opened(folder: Path, name: str) -> tuple[Log, Close]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        return make(folder / name)

    return opened


WRITERS = {
    "reeltop": _own_folder(reeltop),
    "TensorBoard": _own_folder(tensorboard),
    "W&B offline": wandb,
    "MLflow": mlflow,
    "Aim": aim,
    "Trackio": trackio,
    "bare write": _own_folder(bare),
}


def prepare(peer: str, folder: Path) -> None:
    """Make what all runs share, so that eight of them do not make it at once."""
    if peer == "MLflow":
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.search_experiments()
    if peer == "Aim":
        from aim import Repo

        Repo(str(folder), init=True)
    if peer == "Trackio":
        _, close = trackio(folder, "prepared")
        close()


def read_records_files(folder: Path) -> Callable[[], Steps]:
    """The record file of each run, from where it was read to before."""
    from engine.records import Metrics, read_records

    offsets: dict[Path, int] = Counter()
    found: Steps = {}

    def read() -> Steps:
        for path in folder.glob("*/records.bin"):
            more = True
            while more:
                records, offsets[path], _, more = read_records(path, offsets[path])
                found.setdefault(path.parent.name, set()).update(
                    record.step for record in records if isinstance(record, Metrics)
                )
        return found

    return read


def read_event_files(folder: Path) -> Callable[[], Steps]:
    """TensorBoard's own loader, which goes on where it stopped."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    loaders: dict[Path, Any] = {}
    counts: dict[str, Counter[int]] = {}

    def read() -> Steps:
        for path in folder.glob("*/events*"):
            loader = loaders.setdefault(path, EventFileLoader(str(path)))
            seen = counts.setdefault(path.parent.name, Counter())
            for event in loader.Load():
                seen[event.step] += len(event.summary.value)
        return _complete(counts)

    return read


def read_wandb_files(folder: Path) -> Callable[[], Steps]:
    """The framed protobuf file of each offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    def read() -> Steps:
        found: Steps = {}
        for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
            steps = found.setdefault(path.stem.removeprefix("run-"), set())
            for payload in _leveldb_records(path.read_bytes()):
                record = Record.FromString(payload)
                keys = {item.key or "/".join(item.nested_key) for item in record.history.item}
                if VALUES.keys() <= keys:
                    steps.add(record.history.step.num)
        return found

    return read


def read_mlflow(folder: Path) -> Callable[[], Steps]:
    """The rows of its database."""
    query = "SELECT runs.name, step, count(*) FROM metrics JOIN runs USING (run_uuid) GROUP BY 1, 2"
    return lambda: _from_rows(_rows(folder / "mlflow.db", query))


def read_aim(folder: Path) -> Callable[[], Steps]:
    """The chunk of each run, where its queries would go by an index that only its server brings up to date."""
    from aim import Repo, Run
    from aim.sdk.sequences.metric import Metric
    from aim.storage.context import Context

    def read() -> Steps:
        counts: dict[str, Counter[int]] = {}
        repo = Repo(str(folder))
        for hash_ in repo.list_all_runs():
            run = Run(hash_, repo=repo, read_only=True)
            run.meta_tree = repo.request_tree("meta", hash_, read_only=True).subtree("meta")
            run.meta_run_tree = run.meta_tree.subtree("chunks").subtree(hash_)
            seen = counts.setdefault(run.name, Counter())
            for key in VALUES:
                seen.update(Metric(key, Context({}), run).data.items_list()[0])
        return _complete(counts)

    return read


def read_trackio(folder: Path) -> Callable[[], Steps]:
    """The rows of its database: a JSON object a step."""
    query = "SELECT run_name, step, (SELECT count(*) FROM json_each(metrics)) FROM metrics"
    return lambda: _from_rows(_rows(folder / f"{PROJECT}.db", query))


READERS = {
    "reeltop": read_records_files,
    "TensorBoard": read_event_files,
    "W&B offline": read_wandb_files,
    "MLflow": read_mlflow,
    "Aim": read_aim,
    "Trackio": read_trackio,
}


def _complete(counts: dict[str, Counter[int]]) -> Steps:
    return {
        name: {step for step, number in steps.items() if number >= len(VALUES)}
        for name, steps in counts.items()
    }


def _rows(path: Path, query: str) -> list[tuple[str, int, int]]:
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(connection):
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:  # no such file, or no such table yet
        return []


def _from_rows(rows: list[tuple[str, int, int]]) -> Steps:
    found: Steps = {}
    for name, step, number in rows:
        if number >= len(VALUES):
            found.setdefault(name, set()).add(step)
    return found


def _leveldb_records(data: bytes) -> Iterator[bytes]:
    """Payloads of a file in LevelDB's log format behind a header of seven bytes; a torn end is left out."""
    block, header, at = 32768, 7, 7
    parts = b""
    while at + header <= len(data):
        left = block - at % block
        if left < header:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        part = data[at + header : at + header + length]
        if kind == 0 or len(part) < length:
            return
        parts = part if kind in (1, 2) else parts + part
        if kind in (1, 4):
            yield parts
        at += header + length
