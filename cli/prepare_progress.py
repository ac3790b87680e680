"""The progress bar of `magsig prepare`, on standard error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def progress_bar(name: str) -> Iterator[Callable[[object], None]]:
    """Yield a function that takes a `PrepareProgress` and shows it.

    Args:
        name: What is being prepared.
    """
    columns = (
        TextColumn("preparing {task.description}"),
        BarColumn(),
        TextColumn("{task.fields[images]:,} images  {task.fields[rate]:.0f} images/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=1.0, images=0, rate=0.0)
        started = time.monotonic()

        def show(state) -> None:
            rate = (state.images - state.resumed) / max(time.monotonic() - started, 1e-3)
            bar.update(task, completed=state.fraction, images=state.images, rate=rate)

        yield show
