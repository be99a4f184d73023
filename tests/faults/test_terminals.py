"""A terminal is closed, or Ctrl+C pressed twice: the program in it ends, the runs and their supervisor stay."""

import contextlib
import os
import pty
import select
import signal
import sys
import time

import psutil
from supervisor_bench import Bench, wait_until

from engine.store.views import Status

SLOW = {"steps": 100_000, "pause": 0.01}


def drawn(terminal: int, seconds: float = 0.05) -> bytes:
    if not select.select([terminal], [], [], seconds)[0]:
        return b""
    with contextlib.suppress(OSError):
        return os.read(terminal, 1 << 16)
    return b""


def until_ended(child: int, seconds: float = 20.0) -> int:
    """The wait status of a child; fails when it does not end."""
    deadline = time.monotonic() + seconds
    status: list[int] = []

    def ended() -> bool:
        pid, code = os.waitpid(child, os.WNOHANG)
        if pid:
            status.append(code)
        return bool(pid) or time.monotonic() > deadline

    wait_until(ended, seconds + 1)
    if not status:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert status, "it outlives its terminal"
    return status[0]


def in_terminal(bench: Bench, *arguments: str) -> tuple[int, int]:
    """The program with a terminal of its own: its pid, and our end."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(bench.workspace.root)
        os.environ["TERM"] = "xterm-256color"
        for number in (signal.SIGHUP, signal.SIGINT):  # a suite that runs in the background ignores them
            signal.signal(number, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-m", "app.cli", *arguments])
    return child, terminal


def test_an_interface_whose_terminal_is_closed_ends_and_leaves_the_rest_at_work(bench: Bench) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor_process()
    bench.until_training(None, run_id)
    child, terminal = in_terminal(bench)
    seen = bytearray()
    wait_until(lambda: b"Monitor" in seen, step=lambda: seen.extend(drawn(terminal)))
    os.close(terminal)
    until_ended(child)
    before = len(bench.points(run_id))
    wait_until(lambda: len(bench.points(run_id)) > before)
    assert bench.status(run_id) is Status.RUNNING
    assert supervisor.poll() is None


def test_a_watched_log_ends_at_ctrl_c_pressed_twice_without_a_traceback_and_the_run_goes_on(
    bench: Bench,
) -> None:
    run_id = bench.queue(config=SLOW)
    supervisor = bench.supervisor_process()
    bench.until_training(None, run_id)
    child, terminal = in_terminal(bench, "logs", str(run_id), "-f")
    seen = bytearray()
    wait_until(lambda: b"attempt 1" in seen, step=lambda: seen.extend(drawn(terminal)))
    os.write(terminal, b"\x03\x03")
    until_ended(child)
    while more := drawn(terminal):
        seen.extend(more)
    os.close(terminal)
    assert b"Traceback" not in seen
    before = len(bench.points(run_id))
    wait_until(lambda: len(bench.points(run_id)) > before)
    assert bench.status(run_id) is Status.RUNNING
    assert supervisor.poll() is None


def test_an_interface_put_aside_with_ctrl_z_comes_back_whole(bench: Bench) -> None:
    shell, terminal = pty.fork()
    if shell == 0:
        os.chdir(bench.workspace.root)
        os.environ |= {"TERM": "xterm-256color", "PS1": "$ ", "ENV": ""}
        os.execv("/bin/sh", ["sh", "-i"])
    seen = bytearray()

    def until_drawn(text: bytes) -> None:
        wait_until(lambda: text in seen, step=lambda: seen.extend(drawn(terminal)))

    os.write(terminal, f"{sys.executable} -m app.cli\n".encode())
    until_drawn(b"No runs yet")
    (interface,) = psutil.Process(shell).children()
    os.write(terminal, b"\x1a")
    wait_until(lambda: interface.status() == psutil.STATUS_STOPPED, step=lambda: seen.extend(drawn(terminal)))
    os.write(terminal, b"echo the-shell-$((40 + 2))\n")
    until_drawn(b"the-shell-42")
    seen.clear()
    os.write(terminal, b"fg\n")
    until_drawn(b"Ensemble")  # the top line, which nothing changes
    until_drawn(b"No runs yet")
    os.write(terminal, b"q")
    wait_until(lambda: not interface.is_running(), step=lambda: seen.extend(drawn(terminal)))
    os.write(terminal, b"exit\n")
    until_ended(shell)
    os.close(terminal)
