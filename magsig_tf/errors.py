"""Errors that a user can act on.

Every message says, in one sentence each, what was expected, what was found and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from magsig_tf.reasons import NOT_DEFINED, Reason


class MagsigError(Exception):
    """Something went wrong that the user can mend.

    Args:
        expected: What magsig needed, as a sentence without the full stop.
        found: What it met instead, beginning with "found".
        remedy: What to do about it.

    The command line prints the message in one line and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, expected: str, found: str = "", remedy: str = "") -> None:
        self.expected, self.found, self.remedy = expected, found, remedy
        first = ", ".join(part.rstrip(".") for part in (expected, found) if part)
        text = ". ".join(part.rstrip(".") for part in (first, remedy) if part)
        super().__init__(f"{text}?" if remedy.startswith("Did you mean") and "?" not in remedy else f"{text}.")

    def __reduce__(self) -> tuple[type[MagsigError], tuple[str, ...]]:
        # worker processes hand their errors to the parent: the three parts must survive the trip
        return type(self), (self.expected, self.found, self.remedy)


class UsageError(MagsigError):
    """The command or a config asks for something that does not exist or cannot be combined."""

    exit_code = 2


class DataError(MagsigError):
    """Images, a manifest or a split are not what the protocol needs."""


class RunError(MagsigError):
    """A run cannot start, continue or be read."""


class NotDefinedError(MagsigError):
    """A number does not exist for these data; tables print `reason` in its place.

    Args:
        expected: What the number needs.
        found: What the data have, beginning with "found".
        remedy: What to do about it.
        code: One of the codes of `magsig_tf.reasons`.
    """

    def __init__(self, expected: str, found: str = "", remedy: str = "", code: str = NOT_DEFINED):
        super().__init__(expected, found, remedy)
        self.code = code

    def __reduce__(self) -> tuple[type[MagsigError], tuple[str, ...]]:
        return type(self), (self.expected, self.found, self.remedy, self.code)

    @property
    def reason(self) -> Reason:
        """What was found, as a sentence with its code."""
        return Reason(self.code, self.found.removeprefix("found "))


_LONG_LIST = 12


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a remedy that names the nearest known name, or all of them.

    Args:
        name: What the user wrote.
        known: The names that exist.

    Returns:
        A sentence without the full stop; a long list is left out where one name is near.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close and len(known) > _LONG_LIST:
        return f"Did you mean {close[0]!r}"
    if close:
        return f"Did you mean {close[0]!r}? Known: {', '.join(known)}"
    return f"Known: {', '.join(known) or 'none'}"


def in_one_line(error: BaseException) -> str:
    """Return an error's own words without line breaks."""
    return " ".join(str(error).split())
