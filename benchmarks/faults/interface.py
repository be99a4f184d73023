"""The interface as a process in a terminal of its own."""

import contextlib
import os
import pty
import subprocess
import sys
import threading

from benchmarks.faults.world import World
from engine.process import environment_of_child
from engine.workspace import STORE_VARIABLE


def open_interface(world: World) -> "tuple[subprocess.Popen[bytes], threading.Thread]":
    """The interface in a terminal of its own; the thread reads away what it draws, until nobody draws any more."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli"],
        cwd=world.workspace.root,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env=environment_of_child() | {"TERM": "xterm-256color", STORE_VARIABLE: world.workspace.store_url},
    )
    world.processes.append(process)
    os.close(inside)

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(terminal, 1 << 16):
                pass
        os.close(terminal)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return process, thread
