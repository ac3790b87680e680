"""Compute results in a thread, a little ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item], depth: int = 2) -> Iterator[Result]:
    """Yield `read(item)` for each item in order, computed by one thread at most `depth` results ahead.

    Args:
        read: Called in the thread.
        items: What to read.
        depth: Results held ready.

    Raises:
        Exception: whatever `read` raises, at the place where its result would have come.
    """
    results: queue.Queue = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(result: object, error: Exception | None) -> bool:
        while not stopped.is_set():
            try:
                results.put((result, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(read(item), None):
                    return
            put(_END, None)
        except Exception as error:  # the consumer raises it
            put(None, error)

    thread = threading.Thread(target=work, daemon=True, name="magsig-read-ahead")
    thread.start()
    try:
        while True:
            result, error = results.get()
            if error is not None:
                raise error
            if result is _END:
                return
            yield result
    finally:
        stopped.set()
        thread.join()
