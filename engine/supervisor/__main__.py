"""`python -m engine.supervisor --workspace W [--store URL] [--idle SECONDS]`: what `ensure_supervisor` starts."""

import argparse
import sys

from engine.errors import ReeltopError
from engine.supervisor.service import IDLE_SECONDS, serve_as_program
from engine.workspace import Workspace


def main() -> int:
    """Serve until idle; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.supervisor")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--store")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS)
    arguments = parser.parse_args()
    try:
        workspace = Workspace.open(arguments.workspace, arguments.store)
    except ReeltopError as error:
        print(error, file=sys.stderr)
        return 1
    return serve_as_program(workspace, arguments.idle)


if __name__ == "__main__":
    sys.exit(main())
