"""What works on this machine."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version

from app.output import print_json
from engine.errors import ReeltopError
from engine.format import printable, size
from engine.workspace import Workspace

# In a process of its own: the command line never loads torch, and a broken CUDA must not take it down.
_TORCH = """
import torch
cuda = torch.cuda.is_available()
names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) if cuda else "no GPU"
built = torch.version.cuda or "not built in"
print(f"{torch.__version__}, CUDA {built}, {names}, {torch.get_num_threads()} CPU threads")
"""


def diagnose(workspace: Workspace, *, as_json: bool) -> int:
    """Print a line for each part; 0 where everything that training needs works, else 1."""
    rows = [
        _python(),
        _torch(),
        _gpu(),
        _host(workspace),
        _store(workspace),
        _supervisor(workspace),
        _terminal(),
    ]
    if as_json:
        print_json([{"part": part, "ok": ok, "detail": detail} for part, ok, detail in rows])
    else:
        for part, ok, detail in rows:
            print(f"{'ok' if ok else '!!':<3} {part:<11} {printable(detail)}")
    return 0 if all(ok for part, ok, _ in rows if part in ("python", "torch", "store")) else 1


def _python() -> tuple[str, bool, str]:
    return "python", sys.version_info >= (3, 11), f"{platform.python_version()}, reeltop {version('reeltop')}"


def _torch() -> tuple[str, bool, str]:
    if importlib.util.find_spec("torch") is None:
        return "torch", False, "not installed; `pip install torch`"
    done = subprocess.run([sys.executable, "-c", _TORCH], capture_output=True, text=True, check=False)
    return "torch", done.returncode == 0, (done.stdout or done.stderr).strip().splitlines()[-1]


def _gpu() -> tuple[str, bool, str]:
    from engine.telemetry import Telemetry

    telemetry = Telemetry()
    gpus = telemetry.gpus()
    if not gpus:
        return "nvml", False, telemetry.gpu_problem or "no NVIDIA GPU"
    return "nvml", True, ", ".join(f"gpu{gpu.index} {gpu.name} {size(gpu.memory_total)}" for gpu in gpus)


def _host(workspace: Workspace) -> tuple[str, bool, str]:
    import psutil

    free = shutil.disk_usage(workspace.root).free
    memory = psutil.virtual_memory().total
    return (
        "host",
        free > 1 << 30,
        f"{os.cpu_count()} CPUs, {size(memory)} memory, {size(free)} free on the workspace's disk",
    )


def _store(workspace: Workspace) -> tuple[str, bool, str]:
    from engine.store.database import Store, shown_url
    from engine.store.queries import list_runs

    try:
        store = Store.open(workspace.store_url)
        page = list_runs(store, limit=1)
    except ReeltopError as error:
        return "store", False, str(error)
    return "store", True, f"{shown_url(workspace.store_url)}, {page.total} runs"


def _supervisor(workspace: Workspace) -> tuple[str, bool, str]:
    from engine.supervisor.client import supervisor_alive

    alive = supervisor_alive(workspace)
    return "supervisor", True, "running" if alive else "not running; it starts when a run is queued"


def _terminal() -> tuple[str, bool, str]:
    columns, lines = shutil.get_terminal_size()
    encoding = sys.stdout.encoding or "unknown"
    terminal = sys.stdout.isatty()
    detail = f"{os.environ.get('TERM', 'no TERM')}, {columns}x{lines}, {encoding}"
    return "terminal", terminal, detail if terminal else f"not a terminal ({detail})"
