"""The phantom as a data source: its images are rendered instead of read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.config_files import parse_yaml
from magsig_tf.data.phantom import PhantomSettings, measure_rows, phantom_manifest, render_rows
from magsig_tf.data.sources.images import DecodedImage, Reader, SourceImage, measure
from magsig_tf.data.sources.source import DataSource
from magsig_tf.errors import UsageError
from magsig_tf.parallel_work import map_in_order

ROWS_A_TASK = 64


class PhantomSource(DataSource):
    """Synthetic tiles at four magnifications with known truth.

    Args:
        source: None: there is no file.
        options: Fields of `PhantomSettings` but `size`, which is the size of the prepared images; values may be text.

    Raises:
        UsageError: an unknown setting or a value that does not fit.
    """

    kind = "phantom"
    needs_file = False
    default_size = 64
    option_names = tuple(field.name for field in dataclasses.fields(PhantomSettings) if field.name != "size")

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        super().__init__(None, options)
        if source is not None:
            raise UsageError("Expected no file for the phantom", f"found {source}", "Leave out --source or --phantom")
        self.settings = PhantomSettings(**{key: _value(text) for key, text in self.options.items()})

    def fingerprint(self) -> dict[str, object]:
        """Return the settings; the size is the prepared data set's own."""
        return {"phantom": {name: getattr(self.settings, name) for name in self.option_names}}

    def images(self) -> Iterator[SourceImage]:
        """Yield the rows of the phantom, sorted by path."""
        # width and height follow the prepared size, which only the reader knows
        manifest = self._frames[0].drop(columns=["width", "height"])
        for number, row in enumerate(self._rows(manifest)):
            yield SourceImage(row["path"], row, number)

    def reader(self, size: int, resize: str) -> Reader:
        """Return the renderer at that size; there is nothing to squash or crop."""
        return partial(_rendered, dataclasses.replace(self.settings, size=size))

    def truth(self, workers: int = 1) -> pd.DataFrame:
        """Return the factors of each image's case, its geometry, and what its rendered nuclei measure, by path."""
        known = self._frames[1]
        parts = np.array_split(np.arange(len(known)), max(1, len(known) // ROWS_A_TASK))
        measured = pd.concat(map_in_order(partial(measure_rows, self.settings), parts, workers))
        return known.join(measured).set_index("path")

    @cached_property
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return phantom_manifest(self.settings)


def _rendered(settings: PhantomSettings, images: Sequence[SourceImage]) -> list[DecodedImage]:
    """Return one rendered image a row, in order."""
    results = []
    pixels_of_rows = render_rows(settings, [image.content for image in images])
    for image, pixels in zip(images, pixels_of_rows, strict=True):
        measured = measure(pixels)
        size = {"width": settings.size, "height": settings.size, "sha256": measured["pixel_sha256"]}
        results.append(DecodedImage(image.path, pixels, size | measured))
    return results


def _value(text: object) -> Any:
    if not isinstance(text, str):
        return text
    return parse_yaml(text, "Expected a number, true, false or a list [a, b, ...]", f"Correct {text[:100]!r}")
