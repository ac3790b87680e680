"""What commands show: bars on standard error while they work, then numbers and lines on standard output."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from magsig_tf.data.plain_text import printable_lines

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from magsig_tf.data.preparation.decode import PrepareProgress


def as_records(frame: pd.DataFrame) -> str:
    """Return a frame as JSON records."""
    return frame.to_json(orient="records", double_precision=15)


def output_console() -> Console:
    """Return a console on standard output, 100 columns wide when that is no terminal."""
    from magsig_tf.report.terminal import console

    return console.output_console()


def say(text: str = "", err: bool = False) -> None:
    """Print a text as it is, what is not printable in it as an escape; on standard error if `err`."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    # here, since click would write UTF-8 to a terminal that takes ASCII alone
    shown = printable_lines(text).encode(encoding, "backslashreplace").decode(encoding)
    click.echo(shown, err=err)


def print_lines(lines: Iterable[str], console: Console | None = None) -> None:
    """Print lines as they are: not folded, so that a path can be copied, and not read as markup."""
    console = console or output_console()
    for line in lines:
        console.print(line, soft_wrap=True)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; yields what is to be told how much is done, and of how much.

    Args:
        title: The word in front of the bar.
    """
    from magsig_tf.report.terminal.console import bars, error_console

    console = error_console()
    with bars(console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def preparation_bar(name: str) -> Iterator[Callable[[PrepareProgress], None]]:
    """Show the images prepared and their rate; yields what takes a `PrepareProgress`.

    Args:
        name: What is being prepared.
    """
    with _bar("preparing {task.description}", "{task.fields[words]}") as bar:
        task = bar.add_task(name, total=1.0, words="")
        started, decoded = time.monotonic(), ""

        def show(state: PrepareProgress) -> None:
            nonlocal decoded
            share, words = state.looking_for_copies, f"copies among {state.images:,} images"
            if share is None:
                rate = (state.images - state.resumed) / max(time.monotonic() - started, 1e-3)
                share, words = state.fraction, f"{state.images:,} images  {rate:.0f} images/s"
                decoded = words
            # what stays when all is done is how quickly images were decoded
            bar.update(task, completed=share, words=decoded if state.looking_for_copies == 1 else words)

        yield show


@contextlib.contextmanager
def prediction_bar(title: str) -> Iterator[Callable[[int, int, int, int], None]]:
    """Show the images predicted and their rate; yields what takes images done, of all, done before and unreadable.

    Args:
        title: The model.
    """
    from rich.progress import MofNCompleteColumn

    with _bar("{task.description}", MofNCompleteColumn(), "{task.fields[words]}") as bar:
        task = bar.add_task(title, total=None, words="")
        began = None

        def show(done: int, total: int, resumed: int, unreadable: int) -> None:
            nonlocal began
            began = began or time.monotonic()
            rate = (done - resumed) / max(time.monotonic() - began, 1e-3)
            bad = f"  {unreadable:,} unreadable" if unreadable else ""
            bar.update(task, completed=done, total=total, words=f"{rate:.0f} images/s{bad}")

        yield show


@contextlib.contextmanager
def waiting(title: str) -> Iterator[Callable[..., None]]:
    """Show that something goes on, where nobody can say how far it is.

    Args:
        title: What goes on.
    """
    from rich.text import Text

    from magsig_tf.report.terminal.console import error_console

    with error_console().status(Text(title)):
        yield lambda *state: None


def _bar(title: str, *columns: str | ProgressColumn) -> Progress:
    from rich.progress import BarColumn, TimeRemainingColumn

    from magsig_tf.report.terminal.console import bars, error_console

    return bars(error_console(), title, BarColumn(), *columns, TimeRemainingColumn())
