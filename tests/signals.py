"""A signal that reaches a process in the middle of its training, as its log tells."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path


def send_at_step(process: subprocess.Popen, root: Path, pattern: str, step: int, number: int, seconds: float) -> None:
    """Send a signal once a process has logged a step; return without one where it ends before.

    What the log holds from an earlier process does not count.

    Args:
        process: Who trains.
        root: A folder above the log.
        pattern: Where the log lies below it, for `Path.glob`.
        step: The step that the log must hold.
        number: The signal.
        seconds: How long to wait at most.

    Raises:
        TimeoutError: the process logs no such step in time; it is killed.
    """
    earlier = {path: path.read_bytes() for path in root.glob(pattern)}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        for path in root.glob(pattern):
            content = path.read_bytes()
            if not content.startswith(earlier.get(path, b"")):
                earlier[path] = b""  # a resumed process cuts the log back to its checkpoint
            lines = content[len(earlier.get(path, b"")) :].decode().splitlines()
            # the last line may be half-written
            if any(json.loads(line)["step"] >= step for line in lines if line[-1:] == "}"):
                process.send_signal(number)
                return
        time.sleep(0.005)
    if process.poll() is None:
        process.kill()
        raise TimeoutError(f"expected step {step} within {seconds:.0f} s")
