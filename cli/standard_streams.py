"""Standard output and standard error that never end a command half-way: what they refuse is told at its end."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator

_LEFT_ALONE = (errno.EPIPE, errno.ECONNRESET)
"""What a reader that has left (head, less) answers: there is nobody to tell anything."""


class KeptStream(io.RawIOBase):
    """Bytes on their way to a stream; after the first error they are dropped, and the error is kept.

    Args:
        raw: The stream.

    Attributes:
        error: What it answered.
    """

    def __init__(self, raw: io.RawIOBase):
        self._raw = raw
        self.error: OSError | None = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, content: bytes | bytearray | memoryview) -> int | None:  # type: ignore[override]
        """Write, or pretend to."""
        if self.error is None:
            try:
                return self._raw.write(content)
            except OSError as error:
                self.error = error
        return len(content)

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._raw.isatty()


class StandardStreams:
    """What standard output and standard error refused.

    Args:
        kept: Both, those that are real streams.
    """

    def __init__(self, kept: dict[str, KeptStream]):
        self._kept = kept

    @property
    def refusal(self) -> OSError | None:
        """What standard output answered, where that was an error."""
        return self._kept["stdout"].error if "stdout" in self._kept else None

    @property
    def reader_left(self) -> bool:
        """Whether its reader has left, as `head` does."""
        return self.refusal is not None and self.refusal.errno in _LEFT_ALONE


@contextlib.contextmanager
def standard_streams() -> Iterator[StandardStreams]:
    """Put streams that do not fail in the place of `sys.stdout` and `sys.stderr` while the block runs.

    What a terminal's encoding lacks is written as an escape. Streams of a test or a notebook stay as they are.
    """
    _open_closed()
    kept: dict[str, KeptStream] = {}
    with contextlib.ExitStack() as put_back:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            binary = getattr(stream, "buffer", None)
            raw = getattr(binary, "raw", binary)
            if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.FileIO):
                continue
            with contextlib.suppress(OSError):
                stream.flush()
            kept[name] = KeptStream(raw)
            wrapped = io.TextIOWrapper(
                io.BufferedWriter(kept[name]),  # type: ignore[type-var]
                encoding=stream.encoding,
                errors="backslashreplace",
                line_buffering=stream.line_buffering or name == "stderr",
                write_through=stream.write_through,
            )
            setattr(sys, name, wrapped)
            put_back.callback(setattr, sys, name, stream)
            put_back.callback(wrapped.flush)
        yield StandardStreams(kept)


def names_in_utf_8() -> None:
    """Start the program again in Python's UTF-8 mode where the locale (`LC_ALL=C`) makes names of files ASCII.

    Libraries written in C++ take names in UTF-8 alone, and call a file that they cannot name unreadable. What is
    printed stays in the encoding of the locale.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return
    printed = {"PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace"} if sys.stdout else {}
    with contextlib.suppress(OSError):  # a program that embeds Python has no interpreter to start
        command = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONUTF8": "1", **printed})


def _open_closed() -> None:
    """Open streams that the caller has closed (`>&-`), or the first file of ours would take their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # for reading: what is written to it is refused, as by a stream that is closed
            os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free
            if number and getattr(sys, name) is None:
                setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115  as long as the process
