"""The image files below a folder; imports no TensorFlow, so that a wrong folder is told at once."""

from __future__ import annotations

from pathlib import Path

from magsig_tf.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""In a folder these are taken for images; a file that is named by itself or in a CSV is taken whatever its name."""


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by path.

    Raises:
        DataError: there is none.
    """
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(
            f"Expected images below {folder}", f"found none ending in {', '.join(SUFFIXES)}", "Pass another folder"
        )
    return found
