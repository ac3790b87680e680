"""The figures of a report as files, and as pictures inside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magsig_tf.atomic_files import writing
from magsig_tf.report.figures import Figure

LARGEST_SVG = 1_000_000
"""A drawing of more bytes than this stands in the page as pixels, so that the page stays small."""


@dataclass(frozen=True)
class Drawn:
    """One figure of the page.

    Args:
        name: Name of its files, without the ending.
        caption: What is to be read from it.
        source: The picture as a data address; empty where there is nothing to draw.
        absent: What is said in its place.
        wide: Whether it takes two columns.
        paths: Its files.
    """

    name: str
    caption: str
    source: str = field(repr=False)
    absent: str
    wide: bool
    paths: tuple[Path, ...]


def draw_figures(
    figures: Sequence[Figure], folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Drawn]:
    """Draw figures and write each as SVG and PNG; files of one that has nothing to draw any more are removed.

    Args:
        figures: What to draw.
        folder: Receives the files.
        progress: Told the figures done, and their number.

    Returns:
        The figures by name.

    Raises:
        MagsigError: the folder cannot be written.
    """
    drawn = {}
    for done, figure in enumerate(figures):
        progress(done, len(figures))
        drawn[figure.name] = _draw(figure, folder)
    progress(len(figures), len(figures))
    return drawn


def _draw(figure: Figure, folder: Path) -> Drawn:
    wide = figure.width > Figure.width
    if not len(figure.frame()):
        for path in (folder / f"{figure.name}.svg", folder / f"{figure.name}.png"):
            with writing(path):
                path.unlink(missing_ok=True)  # an older drawing would say what is no longer so
        return Drawn(figure.name, figure.caption, "", figure.absent, wide, ())
    paths = figure.write(folder)
    vector, pixels = paths
    # a picture cannot run anything and its ids stay its own, whatever lies in the drawing
    kind, path = ("svg+xml", vector) if vector.stat().st_size <= LARGEST_SVG else ("png", pixels)
    source = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    return Drawn(figure.name, figure.caption, source, "", wide, paths)
