"""SIGINT and SIGTERM ask a run to stop after the current step, with its state stored."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from magsig_tf.execution.workers import Workers


class Interruption:
    """Context manager that turns the first SIGINT or SIGTERM into a request; a second SIGINT acts at once.

    Attributes:
        requested: Whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Interruption:
        # handlers can be set in the main thread only; elsewhere signals act as they always do
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def agreed(self, workers: Workers, step: int, every: int) -> bool:
        """Return whether to stop now; all processes must call it with the same step.

        Args:
            workers: The processes; several agree on it, now and then only, since that means waiting.
            step: Steps taken.
            every: Steps between two such agreements.
        """
        if workers.count > 1 and step % every:
            return False
        return workers.any(self.requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
