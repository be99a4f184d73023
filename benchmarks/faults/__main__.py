"""Faults on purpose, for hours where wanted: what holds after each, and how often it was tried.

    python -m benchmarks.faults [--rounds 200] [--only kill-run,kill-all] [--seed 1] [--minutes 10]

The quick part of the same faults is in `tests/faults/`. Exit code 1 when a promise was broken.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable

from benchmarks.faults import crowds, kill_around, kill_runs, slow, starved
from benchmarks.faults.kills import Kills
from benchmarks.faults.world import BrokenPromiseError

KILLS: dict[str, Callable[[Kills], None]] = {
    "kill-run": kill_runs.kill_run,
    "kill-checkpoint": kill_runs.kill_checkpoint,
    "kill-supervisor": kill_around.kill_supervisor,
    "kill-interface": kill_around.kill_interface,
    "kill-all": kill_around.kill_all,
}
LASTING: dict[str, Callable[[float], str]] = {
    "crowd": crowds.crowd,
    "locked": crowds.locked,
    "migration": crowds.migration,
    "descriptors": starved.descriptors,
    "forks": starved.forks,
    "memory": starved.memory,
    "slow-disk": slow.slow_disk,
}


def main() -> int:
    """Run the chosen faults and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200, help="kills of each kind")
    parser.add_argument("--minutes", type=float, default=10, help="how long the crowd logs")
    parser.add_argument("--seconds", type=float, default=math.inf, help="at the most for kills of one kind")
    parser.add_argument("--only", help=f"some of {','.join([*KILLS, *LASTING])}")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else [*KILLS, *LASTING]
    unknown = [name for name in names if name not in KILLS and name not in LASTING]
    if unknown:
        parser.error(f"--only: no fault {', '.join(unknown)}; there are {', '.join([*KILLS, *LASTING])}")
    failed = False
    for name in names:
        begin = time.monotonic()
        series = Kills(arguments.seed, arguments.rounds, arguments.seconds)
        try:
            if name in KILLS:
                KILLS[name](series)
                said = f"{series.made} kills, nothing broken"
            else:
                said = LASTING[name](arguments.minutes)
        except BrokenPromiseError as error:
            said, failed = f"BROKEN after {series.made}: {error}", True
        more = "".join(f"; {count} {what}" for what, count in series.notes.items())
        print(f"{name:16} {time.monotonic() - begin:7.0f} s  {said}{more}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
