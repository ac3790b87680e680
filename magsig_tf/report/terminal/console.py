"""The terminal, to which text from strangers is only text: no markup, no emoji code, no escape sequence of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from magsig_tf.data.plain_text import printable_lines

WIDTH = 100


class PlainConsole(Console):
    r"""A console that reads no string as markup and prints no control character but its own.

    A name such as `[red]`, `:x:` or `\x1b[2J` appears as these characters; styles are given as `rich.text.Text`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of something drawn; what is not printable in a text is written as an escape."""
        for segment in super().render(renderable, options):
            text = segment.text
            # a segment of control codes is rich's own: it moves the cursor of a bar
            strange = not segment.control and not text.isprintable()
            yield Segment(printable_lines(text), segment.style) if strange else segment


def output_console(width: int = WIDTH) -> Console:
    """Return a console on standard output.

    Args:
        width: Columns where that is no terminal; a pipe has no width of its own.
    """
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=width)


def error_console() -> Console:
    """Return a console on standard error."""
    return PlainConsole(stderr=True)


def bars(console: Console, *columns: str | ProgressColumn, **settings: Any) -> Progress:
    """Return bars of progress whose words are only words.

    Args:
        console: Where they are drawn.
        columns: What stands in a line; texts are templates of the task, as `rich.progress.TextColumn` takes them.
        settings: Of `rich.progress.Progress`.
    """
    standard = ("{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    drawn = [TextColumn(each, markup=False) if isinstance(each, str) else each for each in columns or standard]
    return Progress(*drawn, console=console, **settings)
