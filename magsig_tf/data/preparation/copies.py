"""The search for copies as a step of a preparation: after the pixels, before the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.data.copies.linked_cases import summary_of_copies, table_of_copies, with_copies
from magsig_tf.data.copies.search import find_copies
from magsig_tf.data.plain_text import write_csv


def look_for_copies(
    folder: Path,
    manifest: pd.DataFrame,
    *,
    near: bool,
    original_paths: Sequence[str] | None,
    threads: int,
    progress: Callable[[float], None],
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Find copies among the images of a data set and write `copies.csv`.

    Args:
        folder: Of the data set; `images.npy` is there.
        manifest: One row an image.
        near: False looks for identical images only.
        original_paths: Path of each image below the folder that the user passed; None where it was no folder.
        threads: To use.
        progress: Told the share that is done.

    Returns:
        The manifest with the columns of `with_copies`, and what `summary_of_copies` says.

    Raises:
        DataError: copies contradict each other.
    """
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    copies = find_copies(images, list(manifest["pixel_sha256"]), threads=threads, near=near, progress=progress)
    manifest = with_copies(manifest, copies)
    with replacing(folder / "copies.csv") as temporary:
        write_csv(table_of_copies(manifest, copies), temporary)
    return manifest, summary_of_copies(manifest, copies, original_paths)
