"""The images of a source on their way into the spool: decoded by worker processes, what is there already left out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from magsig_tf.data.preparation.spool import Spool
from magsig_tf.data.sources.images import Reader, SourceImage
from magsig_tf.data.sources.source import DataSource
from magsig_tf.errors import DataError
from magsig_tf.parallel_work import map_in_order

IMAGES_PER_TASK = 8
BYTES_PER_TASK = 8 * 2**20


@dataclass(frozen=True)
class PrepareProgress:
    """How far a preparation is.

    Args:
        images: Images done, those of an earlier, interrupted call included.
        resumed: How many of them an earlier call had done.
        unreadable: Images that could not be decoded.
        fraction: Share of the source that is done, in [0, 1].
        looking_for_copies: Share of the search for copies that is done, in [0, 1]; None before it has begun.
    """

    images: int
    resumed: int
    unreadable: int
    fraction: float
    looking_for_copies: float | None = None


Progress = Callable[[PrepareProgress], None]


def decode_into(spool: Spool, source: DataSource, reader: Reader, workers: int, progress: Progress) -> dict[str, dict]:
    """Decode what is not decoded yet.

    Args:
        spool: Receives the images.
        source: Where they come from.
        reader: Turns them into pixels, in a worker process.
        workers: Processes that decode.
        progress: Told how far it is.

    Returns:
        What the source knows about each image, by path.

    Raises:
        DataError: the source cannot be read, or names an image twice.
    """
    rows: dict[str, dict] = {}
    resumed = len(spool.records)
    progress(PrepareProgress(resumed, resumed, spool.unreadable, 0.0))
    tasks = _tasks(spool, source, rows)
    with contextlib.closing(map_in_order(reader, tasks, workers)) as results:
        for decoded in results:
            spool.append(decoded)
            done = len(spool.records)
            # the source is read ahead of the images that are decoded
            fraction = source.fraction_read() * min(1.0, done / max(1, len(rows)))
            progress(PrepareProgress(done, resumed, spool.unreadable, fraction))
    progress(PrepareProgress(len(rows), resumed, spool.unreadable, 1.0))
    return rows


def _tasks(spool: Spool, source: DataSource, rows: dict[str, dict]) -> Iterator[list[SourceImage]]:
    """Yield the images that are not decoded yet in small groups, and fill `rows` with what is known about all."""
    task, weight = [], 0
    with reading():
        for image in source.images():
            if image.path in rows:
                raise DataError("Expected each path once", f"found {image.path!r} twice", "List it once")
            rows[image.path] = image.row
            if image.path in spool.records:
                continue
            task.append(image)
            weight += len(image.content) if isinstance(image.content, bytes) else 0
            if len(task) == IMAGES_PER_TASK or weight >= BYTES_PER_TASK:
                yield task
                task, weight = [], 0
    if task:
        yield task


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn an error of the operating system into one that names the source.

    Raises:
        DataError: a file of the source cannot be read.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or "the source"
        raise DataError(f"Expected to read {where}", f"found: {error.strerror or error}", "Check --source") from error
