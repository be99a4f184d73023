"""Launching: a run's directory filled with config and manifest, and a process started in it, lock in hand."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from ruamel.yaml import YAML

from engine.process import ProcessId, environment_of_child, identify
from engine.runlock import LOCK_FD_VARIABLE
from engine.store.database import Store
from engine.store.manifest import dump_run
from engine.supervisor.rows import config_of, directory_of
from engine.supervisor.slots import Placement
from engine.workspace import Workspace

CONFIG_FILE = "config.yaml"
MANIFEST_FILE = "run.json"
LOG_FILE = "log.txt"
RUN_DIR_VARIABLE = "REELTOP_RUN_DIR"


def run_command(run_dir: Path) -> list[str]:
    """The command that carries out a run. `-P`: a module in the workspace must not stand in for one of ours."""
    return [sys.executable, "-P", "-m", "engine.run", str(run_dir)]


def write_manifest(workspace: Workspace, store: Store, run_id: int) -> None:
    """Write `run.json`: all of the run's row that its records do not tell, for `reeltop rebuild`.

    Raises:
        OSError: the run's directory cannot be written.
    """
    folder = workspace.root / directory_of(store, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dump_run(store, run_id), indent=1, ensure_ascii=False)
    _replace(folder / MANIFEST_FILE, text.encode("utf-8", "backslashreplace"))


def write_config(store: Store, run_id: int, run_dir: Path, inputs: Mapping[str, str | list[str]]) -> None:
    """Write `config.yaml`: the config as queued, with the names of its inputs replaced by paths.

    Raises:
        OSError: the run's directory cannot be written.
    """
    config = config_of(store, run_id)
    if inputs:
        config = config | {"inputs": config.get("inputs", {}) | inputs}
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 1 << 30  # a folded string does not always come back as it was
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    target = run_dir / CONFIG_FILE
    partial = _partial(target)
    with partial.open("w", encoding="utf-8") as file:
        yaml.dump(config, file)
    partial.replace(target)


def spawn(
    workspace: Workspace,
    run_dir: Path,
    lock_fd: int,
    placement: Placement,
    command: Callable[[Path], list[str]] = run_command,
) -> tuple["subprocess.Popen[bytes]", ProcessId | None]:
    """Start the run's process in a session of its own, with the lock's descriptor, its output appended to the log.

    Raises:
        OSError: no process could be started, or the log cannot be opened.
    """
    environment = environment_of_child() | {
        "CUDA_VISIBLE_DEVICES": ",".join(str(index) for index in placement.gpus),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # so that CUDA counts GPUs as NVML does
        "PYTHONUNBUFFERED": "1",
        LOCK_FD_VARIABLE: str(lock_fd),
        RUN_DIR_VARIABLE: str(run_dir),
    }
    with (run_dir / LOG_FILE).open("ab", buffering=0) as log:
        if placement.warning:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} WARNING {placement.warning}\n".encode())
        process = subprocess.Popen(
            command(run_dir),
            cwd=workspace.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock_fd,),
        )
    return process, identify(process.pid)


def log_tail(run_dir: Path, lines: int = 10) -> str:
    """The last lines of the run's log, bounded; empty where there is none."""
    try:
        with (run_dir / LOG_FILE).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    kept = [line[:500] for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:])


def _replace(target: Path, data: bytes) -> None:
    partial = _partial(target)
    partial.write_bytes(data)
    partial.replace(target)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}")
