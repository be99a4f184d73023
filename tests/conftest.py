"""What every test runs under: one computing thread a process, since the suite itself runs on every core."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The interface's tests look at what is on the screen, not at how smoothly it got there.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
os.environ.setdefault("TEXTUAL_FPS", "15")
