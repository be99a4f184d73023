"""A supervisor's process for tests, whose runs are the test stage."""

import sys
from pathlib import Path

from engine.supervisor import service
from engine.workspace import Workspace

STAGE = Path(__file__).with_name("stage_script.py")

if __name__ == "__main__":
    service._PATIENCE_SECONDS = 0.5
    service.log_to_stderr()
    service.serve(
        Workspace.open(sys.argv[1]),
        float(sys.argv[2]),
        command=lambda run_dir: [sys.executable, str(STAGE), str(run_dir)],
    )
