"""A signal that reaches a process in the middle of its training, as its log tells."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path


def send_at_step(process: subprocess.Popen, root: Path, pattern: str, step: int, number: int, seconds: float) -> None:
    """Send a signal once a training log holds a step; return without one where the process ends or time is up.

    Args:
        process: Who trains.
        root: A folder above the log.
        pattern: Where the log lies below it, for `Path.glob`.
        step: The step that the log must hold.
        number: The signal.
        seconds: How long to wait at most.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        logs = list(root.glob(pattern))
        lines = logs[0].read_text().splitlines() if logs else []
        # the last line may be half-written
        if any(json.loads(line)["step"] >= step for line in lines if line[-1:] == "}"):
            process.send_signal(number)
            return
        time.sleep(0.005)
