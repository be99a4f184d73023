"""A supervisor whose runs are the faults' stage: `python -m benchmarks.faults.supervisor WORKSPACE IDLE_SECONDS`."""

import sys

from benchmarks.faults.stage import command
from engine.errors import RunError
from engine.supervisor import service
from engine.workspace import Workspace

if __name__ == "__main__":
    service.log_to_stderr()
    try:
        service.serve(Workspace.open(sys.argv[1]), float(sys.argv[2]), command=command)
    except RunError as error:
        sys.exit(str(error))
