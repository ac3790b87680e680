"""What every command that reads finished runs needs: their data set, and a bar while it calculates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from magsig_tf.workspace import Workspace


def choose_dataset(workspace: Workspace, wanted: str | None) -> str:
    """Return the data set whose runs to read; runs suffice, their prepared images may be gone.

    Args:
        workspace: Where the runs lie.
        wanted: Name of the data set; None takes the only one.

    Raises:
        UsageError: there is none, the wanted one is not there, or several are and none was named.
    """
    from magsig_tf.runs.finished import datasets_with_runs

    with_runs = datasets_with_runs(workspace)
    if wanted in with_runs:
        return wanted
    if wanted is None and len(with_runs) == 1:
        return with_runs.pop()
    return workspace.choose_dataset(wanted)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; yields what is to be told how much is done, and of how much.

    Args:
        title: The word in front of the bar.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title)
        yield lambda done, total: bar.update(task, completed=done, total=total)
