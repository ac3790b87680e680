"""Errors that a user can act on.

Every message says, in one sentence each, what was expected, what was found and what to do.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

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


_NO_MEMORY = ("can't start new thread", "failed to map segment", "Cannot allocate memory", "Resource temporarily")
"""What errors of other classes say where memory or threads are lacking."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_DAMAGED_DISK = (errno.EIO, errno.ESTALE, errno.EREMOTEIO if hasattr(errno, "EREMOTEIO") else errno.EIO)


def of_system(error: OSError) -> str:
    """Return what the operating system says of an error, without its number."""
    return in_one_line(error) if error.strerror is None else error.strerror


def system_remedy(error: OSError, otherwise: str) -> str:
    """Return what to do about an error of the operating system.

    Args:
        error: The error.
        otherwise: What to do where its number tells nothing better.
    """
    if error.errno in _TOO_MANY:
        return "Raise the limit of open files (`ulimit -n`)"
    if error.errno == errno.ENAMETOOLONG:
        return "Choose a shorter name"
    if error.errno in _DAMAGED_DISK:
        return "Check the disk or the network behind it, then repeat the command"
    if error.errno in _NO_ROOM:
        return "Free space or choose another --workspace"
    return otherwise


def reading_remedy(error: BaseException | None, damaged: str) -> str:
    """Return what to do about a file that could not be read; that it is damaged is said only where it was read.

    Args:
        error: What happened.
        damaged: What to do where the content is not what it should be.
    """
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and error.errno is not None:
        return system_remedy(error, "Check that you may read it, then repeat the command")
    if isinstance(error, UnicodeEncodeError):
        return "Its name cannot be passed on: set LC_ALL=C.UTF-8, or rename it in UTF-8"
    return damaged


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn an error of the operating system into one that says what to do.

    Args:
        path: What the block writes.

    Raises:
        MagsigError: it cannot be written (read-only, disk full).
    """
    try:
        yield
    except OSError as error:
        remedy = system_remedy(error, "Free space or choose another --workspace")
        raise MagsigError(f"Expected to write {path}", f"found: {of_system(error)}", remedy) from error


def as_magsig_error(error: BaseException) -> MagsigError | None:
    """Return in our words what the machine refused; None where an error is of another kind: a defect of ours.

    Args:
        error: An error that nobody has caught.
    """
    if isinstance(error, MagsigError):
        return error
    if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        found = "found the machine or a limit (`ulimit -v`, a container's) to give no more"
        remedy = "Raise the limit, or close other programs; --workers 1 and a smaller batch need less"
        return MagsigError("Expected more memory", found, remedy)
    # one that carries a number came from the system; others are raised by code that misuses the class
    if isinstance(error, OSError) and error.errno is not None:
        named = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        expected = f"Expected to read or write {' and '.join(named) or 'a file'}"
        remedy = system_remedy(error, "Check that it is there and that you may use it, then repeat the command")
        return MagsigError(expected, f"found: {of_system(error)}", remedy)
    return None


def in_words(error: BaseException) -> str:
    """Return in one line what is said of any error; one that no code of magsig foresaw is told as a defect."""
    told = as_magsig_error(error)
    if told is not None:
        return in_one_line(told)
    said = f": {in_one_line(error)[:300]}" if str(error) else ""
    return f"unexpected {type(error).__name__}{said}. Repeat with `magsig --debug` and report it."
