"""Takes from the process that calls it what the machine gives: descriptors, processes, memory."""

import contextlib
import os
import resource
from collections.abc import Callable
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_SPARE_BYTES = 64 << 20


def descriptors() -> None:
    """No file can be opened any more: the limit is lowered to what is open, and every gap below it is filled."""
    probe = os.open(os.devnull, os.O_RDONLY)
    top = max([probe, *(int(name) for name in os.listdir("/proc/self/fd"))])  # noqa: PTH208 - numbers, not paths
    resource.setrlimit(resource.RLIMIT_NOFILE, (top + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.suppress(OSError):
        while True:
            os.open(os.devnull, os.O_RDONLY)


def processes() -> None:
    """No process or thread can be started any more, by a control group that counts them.

    Raises:
        OSError: this user may not make control groups.
    """
    group = _group("pids")
    (group / "pids.max").write_text((group / "pids.current").read_text())


def memory() -> None:
    """The kernel ends this process for want of memory, by a control group a little larger than what it has.

    Raises:
        OSError: this user may not make control groups.
    """
    group = _group("memory")
    now = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[1])
    limit = "memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes"
    (group / limit).write_text(str(_SPARE_BYTES))  # what a process had before it came is not counted
    held = bytearray(now + 4 * _SPARE_BYTES)
    held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(held[:: os.sysconf("SC_PAGE_SIZE")])


KINDS: dict[str, Callable[[], None]] = {
    "descriptors": descriptors,
    "processes": processes,
    "memory": memory,
}


def remove_groups(pid: int) -> None:
    """Remove the control groups of a process that has ended."""
    for kind in ("pids", "memory"):
        with contextlib.suppress(OSError):
            _path(kind, pid).rmdir()


def _path(kind: str, pid: int) -> Path:
    """Where a process's own group is or would be: below the one it was born in, so that no limit is escaped."""
    mine = ""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        if kind in kinds.split(","):
            mine = f"{kind}{path}"
    parent = _GROUPS / mine.strip("/") if mine else _GROUPS
    return parent / f"reeltop-faults-{pid}"


def _group(kind: str) -> Path:
    group = _path(kind, os.getpid())
    group.mkdir()
    (group / "cgroup.procs").write_text(str(os.getpid()))
    return group
