"""What a data set must offer to be prepared, a stream of images with what is known about each; and which one fits."""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from magsig_tf.data.pixels.whole_slides import REMEDY, slide_maker
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.archive import ARCHIVE_SUFFIXES
from magsig_tf.data.sources.images import ImageFileReader, Reader, SourceImage
from magsig_tf.errors import UsageError, nearest
from magsig_tf.registry import PluginError, registry

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")

UNREADABLE_LIMIT = 0.05
"""Share of a source's images that may be unreadable."""


@dataclass
class IgnoredFiles:
    """Files of a source that are not its images, counted by what they are.

    Args:
        counts: Number of files of each kind.
        examples: Up to three names of each kind.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, name: str) -> None:
        """Count one file of a kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= 3:
            self.examples[kind].append(name)

    def as_list(self) -> list[dict[str, Any]]:
        """Return one entry a kind, the most frequent first."""
        kinds = sorted(self.counts, key=lambda kind: (-self.counts[kind], kind))
        return [{"what": kind, "count": self.counts[kind], "examples": self.examples[kind]} for kind in kinds]


def dataset_name(text: str) -> str:
    """Return a text as a data set can be called: what does not belong in a folder name becomes `-`; perhaps empty."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")


class DataSource:
    """Base class of all data sets, built in or from a plugin (entry-point group `magsig.datasets`).

    A subclass gives `name`, `recognises`, `fingerprint` and `images`; the rest has a default.

    Args:
        source: The path that the user gave, or None for a source that needs no file.
        options: What the user set with `--source-set KEY=VALUE`; keys outside `option_names` are refused.

    Raises:
        UsageError: an unknown option.
    """

    kind: ClassVar[str] = ""
    needs_file: ClassVar[bool] = True  # False: `magsig reproduce` prepares it by itself where it is missing
    default_size: ClassVar[int] = 224
    option_names: ClassVar[tuple[str, ...]] = ()
    fallback: ClassVar[bool] = False  # takes a path only where no other data set recognises it
    shortens_paths: ClassVar[bool] = False  # drop the folders that all images share from the manifest's paths
    _share = 0.0  # of what `images` yields, how much it has passed

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        self.source = None if source is None else Path(source)
        self.options = dict(options or {})
        self.ignored = IgnoredFiles()
        self.notes: list[str] = []  # what was assumed while reading, as sentences for the user
        for option in self.options:
            if option not in self.option_names:
                expected = f"Expected a setting that {self.kind or type(self).__name__} knows"
                raise UsageError(expected, f"found {option!r}", nearest(option, self.option_names))

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` looks like this data set; quick, and never raises."""
        return False

    @property
    def name(self) -> str:
        """The default name of the prepared data set."""
        return self.kind

    def fingerprint(self) -> dict[str, object]:
        """Return what tells this source from another one without reading its images, as plain JSON values.

        An interrupted `prepare` continues, and a finished one is not repeated, only while it stays the same.
        """
        raise NotImplementedError

    def names(self) -> pd.DataFrame | None:
        """Return `path` and the names of every image where they are known before any is read, else None.

        Names that may be one are then refused before anything is decoded.
        """
        return None

    def images(self) -> Iterator[SourceImage]:
        """Yield the images one by one, always in the same order, without holding more than a few."""
        raise NotImplementedError

    def fraction_read(self) -> float:
        """Return how much of the source `images` has passed so far, in [0, 1]."""
        return self._share

    def _counted(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """Yield items, so many in all, and let `fraction_read` follow."""
        for passed, item in enumerate(items, start=1):
            self._share = passed / total
            yield item

    def _rows(self, table: pd.DataFrame) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table, and let `fraction_read` follow."""
        columns = [str(column) for column in table]
        for values in self._counted(table.itertuples(index=False, name=None), len(table)):
            yield dict(zip(columns, values, strict=True))

    def reader(self, size: int, resize: str) -> Reader:
        """Return the picklable function that turns images into pixels in a worker process.

        Args:
            size: Height and width of the prepared images in pixels.
            resize: "squash" or "crop".
        """
        return ImageFileReader(size, resize)

    def known_counts(self) -> pd.DataFrame | None:
        """Return the counts that the whole data set is known to have, or None.

        Returns:
            One row a (slide, magnification): `label`, `subtype`, `magnification`, `case`, `slide`, `images`.
        """
        return None

    def truth(self, workers: int = 1) -> pd.DataFrame | None:
        """Return what is known about each image beyond the manifest, with `path` as index, or None.

        Args:
            workers: Processes that may be used to find out.
        """
        return None


def _archives_in(folder: Path) -> list[str]:
    """Return the names of archives in a folder, sorted."""
    if not folder.is_dir():
        return []
    with contextlib.suppress(OSError):
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        return [printable(name) for name in names if name.lower().endswith((*ARCHIVE_SUFFIXES, ".zip", ".rar", ".7z"))]
    return []


def choose_source(path: Path | None, kind: str | None = None, options: Mapping[str, Any] | None = None) -> DataSource:
    """Return the data source for a path.

    Args:
        path: What the user gave, or None for a kind that needs no file.
        kind: A name from the registry of data sets; None asks every registered class whether it recognises the path.
        options: Settings of the source.

    Raises:
        UsageError: the path does not exist, nobody or more than one recognises it, or the kind is unknown.
    """
    if path is not None and not Path(path).exists():
        raise UsageError("Expected --source to exist", f"found nothing at {path}", "Check the path")
    if path is not None and (maker := slide_maker(Path(path).name)):
        expected, found = "Expected pictures, or a table or archive of them", f"found {path}, a file of {maker}"
        raise UsageError(expected, found, f"{REMEDY[0].upper()}{REMEDY[1:]}")
    if kind is not None:
        return registry("datasets").load(kind)(path, options)
    if path is None:
        remedy = "Pass one of them, for example --phantom"
        raise UsageError("Expected a data set", "found neither --source nor --phantom", remedy)
    known: dict[str, type[DataSource]] = {}
    for name in registry("datasets").names():
        with contextlib.suppress(PluginError):  # `magsig plugins` reports it; it must not stop the others
            known[name] = registry("datasets").load(name)
    fitting = [name for name, source in known.items() if source.recognises(Path(path))]
    fitting = [name for name in fitting if not known[name].fallback] or fitting
    if not fitting:
        expected = "Expected a BreaKHis archive or folder, a table, or folders of images"
        remedy = "Describe any other data set in a CSV with path,label,magnification,case (docs/data.md)"
        if archives := _archives_in(Path(path)):
            remedy = f"It holds {' and '.join(archives[:3])}: pass that"
        raise UsageError(expected, f"found {path}, which none of {', '.join(known)} recognises", remedy)
    if len(fitting) > 1:
        found = f"found that {' and '.join(fitting)} recognise {path}"
        raise UsageError("Expected one kind of data set", found, "Choose with --kind")
    return known[fitting[0]](path, options)
