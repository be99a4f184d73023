"""What a run records to be repeatable: command, code, versions, machine; never a secret."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.recorder import Scalar
from engine.telemetry import Telemetry

PATCH_FILE = "git.patch"
_PATCH_BYTES = 4 << 20
_GIT_SECONDS = 20
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "TOKENIZERS_PARALLELISM",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
)


def describe_environment(workspace: Path, telemetry: Telemetry) -> dict[str, Scalar]:
    """Command, Python, packages, git commit, host and devices, and the environment variables of a short list."""
    gpus = telemetry.visible_gpus()
    cpu = f"CPU ({os.cpu_count()} cores)"
    values: dict[str, Scalar] = {
        "command": shlex.join(sys.orig_argv),
        "cwd": str(workspace),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "devices": ", ".join(f"gpu{gpu.index} {gpu.name}" for gpu in gpus) or cpu,
        "driver": telemetry.driver(),
        "packages": _packages(),
    }
    for name in ("reeltop", "torch", "transformers"):
        values[name] = _version(name)
    values |= {f"env.{name}": os.environ[name] for name in _VARIABLES if name in os.environ}
    return values | _git(_code_folder(workspace))


def describe_torch() -> dict[str, Scalar]:
    """What only a loaded torch knows; nothing where the stage did without it."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return {}
    values: dict[str, Scalar] = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if torch.cuda.is_available():
        values["cudnn"] = torch.backends.cudnn.version()
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        values["cuda_devices"] = ", ".join(names)
    values["threads"] = torch.get_num_threads()
    return values


def write_patch(workspace: Path, target: Path) -> Path | None:
    """The uncommitted changes of the code as a patch file; None where there are none, or no git."""
    folder = _code_folder(workspace)
    patch = _run_git(folder, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--binary")
    if not patch:
        return None
    if len(patch) > _PATCH_BYTES:
        patch = patch[:_PATCH_BYTES] + b"\n# cut here: the patch is larger than what a run keeps\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(patch)
    return target


def _git(folder: Path) -> dict[str, Scalar]:
    commit = _run_git(folder, "rev-parse", "HEAD")
    if not commit:
        return {"git_sha": None, "git_dirty": None}
    changed = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    untracked = _run_git(folder, "ls-files", "--others", "--exclude-standard", "--", "*.py")
    return {
        "git_sha": commit.decode("ascii", "replace").strip(),
        "git_dirty": None if changed is None else bool(changed),
        "git_untracked_code": None if untracked is None else len(untracked.splitlines()),
    }


def _run_git(folder: Path, *arguments: str) -> bytes | None:
    """Output of a git command that changes nothing and runs nobody's hooks; None where it cannot answer."""
    # A repository's own file system monitor is a program of its owner's choice: not started here.
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def _code_folder(workspace: Path) -> Path:
    """Where the running code is under version control: its checkout, or the workspace for an installed one."""
    source = Path(__file__).resolve().parent
    return workspace if "site-packages" in source.parts else source


def _packages() -> str:
    """`name==version` of every installed distribution, one a line."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found[name.lower()] = f"{name}=={distribution.version}"
    return "\n".join(found[name] for name in sorted(found))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
