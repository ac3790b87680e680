"""Work done ahead of its use: by a thread, or spread over processes in the order it was given."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

from magsig_tf.errors import MagsigError, RunError

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT = 3
"""Items handed out per worker: one in work, one waiting, one finished and not yet taken."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_address_space(least: int, per_core: int) -> None:
    """Refuse a limit of memory under which libraries wait for ever for threads that cannot start, or abort.

    Args:
        least: Bytes that are needed with one core.
        per_core: Bytes of each further core, for the threads and buffers that libraries set up for it.

    Raises:
        MagsigError: `ulimit -v` allows less.
    """
    limit, needed = resource.getrlimit(resource.RLIMIT_AS)[0], least + per_core * (available_cores() - 1)
    if limit != resource.RLIM_INFINITY and limit < needed:
        expected = f"Expected more memory than {limit // 2**20:,} MiB"
        found = f"found no more allowed (`ulimit -v {limit // 1024}`)"
        raise MagsigError(expected, found, f"Raise the limit to {needed // 2**20:,} MiB or more, or lift it")


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result]:
    """Apply a function to items in worker processes.

    Args:
        function: A picklable function.
        items: Picklable items, drawn only as fast as results are taken.
        workers: Number of processes; 1 works in this process.

    Yields:
        One result an item, in the order of the items whatever the scheduling.

    Raises:
        RunError: a worker was killed.
    """
    if workers == 1:
        yield from map(function, items)
        return
    # fresh processes: a fork would inherit locks, threads and whatever library the caller has loaded
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield from _in_order(pool, function, items, IN_FLIGHT * workers)
        except BrokenProcessPool as error:
            expected = "Expected the worker processes to last"
            remedy = "Repeat the command: it continues; --workers 1 needs the least memory"
            raise RunError(expected, "found one ended from outside (out of memory?)", remedy) from error


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result]:
    """Apply a function to items in threads, for work that leaves Python's lock alone.

    Args:
        function: What to call; threads call it at once.
        items: Drawn only as fast as results are taken.
        threads: Number of threads.

    Yields:
        One result an item, in the order of the items whatever the scheduling.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="magsig-worker") as pool:
        yield from _in_order(pool, function, items, IN_FLIGHT * threads)


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """Yield `read(item)` for each item in order, computed ahead by one thread.

    Args:
        read: Called in the thread.
        items: What to read.

    Raises:
        Exception: whatever `read` raises, at the place where its result would have come.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="magsig-read-ahead") as pool:
        yield from _in_order(pool, read, items, IN_FLIGHT + 1)


def _in_order(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[Result]:
    """Yield results in the order of the items, with at most so many of them handed out."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _end_with_parent() -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a parent that was killed cannot end its workers, and they would wait for work for ever
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only worker processes come here"
    wait([parent.sentinel])
    os._exit(1)
