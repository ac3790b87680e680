"""A prepared data set on disk: `manifest.parquet`, `images.npy` and `dataset.json` in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import DataError

_REMEDY = "Repeat `magsig prepare` with --overwrite"
_NEEDED_COLUMNS = ("path", "label", "magnification", "case", "slide", "pixel_sha256", "perceptual_hash")


@dataclass(frozen=True)
class PreparedDataset:
    """What `magsig prepare` wrote; nothing but the manifest is in memory.

    Args:
        name: Name of the data set.
        folder: Where it lies.
        manifest: One row per image, index 0..N-1 (see docs/data.md).
        images: uint8 [N, size, size, 3], mapped from disk, read-only.
        size: Height and width of the images in pixels.
        content_hash: 64 hex digits; the same wherever the images came from.
        magnifications: In their natural order.
        info: The whole of dataset.json.
    """

    name: str
    folder: Path
    manifest: pd.DataFrame
    images: np.memmap
    size: int
    content_hash: str
    magnifications: list[str]
    info: dict

    @classmethod
    def open(cls, folder: Path) -> PreparedDataset:
        """Open a prepared data set.

        Args:
            folder: `<workspace>/data/<name>`.

        Raises:
            DataError: it is not there, not finished, or its files do not belong together.
        """
        folder = Path(folder)
        if not (folder / "dataset.json").is_file():
            raise DataError(f"Expected a prepared data set in {folder}", "found none", "Run `magsig prepare` first")
        info = read_json(folder / "dataset.json")
        _check_kinds(info, folder / "dataset.json")
        try:
            manifest = pd.read_parquet(folder / "manifest.parquet")
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            shape = (len(manifest), info["size"], info["size"], 3)
            facts = {key: info[key] for key in ("name", "size", "content_hash", "magnifications")}
        except (OSError, ValueError, KeyError) as error:
            found = " ".join(str(error).split())
            raise DataError(f"Expected a whole data set in {folder}", f"found: {found}", _REMEDY) from error
        missing = [column for column in _NEEDED_COLUMNS if column not in manifest]
        if missing:
            raise DataError(
                f"Expected the columns {', '.join(_NEEDED_COLUMNS)} in {folder / 'manifest.parquet'}",
                f"found no {missing[0]!r}",
                _REMEDY,
            )
        if images.shape != shape or images.dtype != np.uint8:
            raise DataError(
                f"Expected uint8 images of shape {shape} in {folder}", f"found {images.dtype} {images.shape}", _REMEDY
            )
        return cls(folder=folder, manifest=manifest, images=images, info=info, **facts)

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels, int64 [N]: 0 benign, 1 malignant."""
        return (self.manifest["label"] == "malignant").to_numpy(np.int64)

    @cached_property
    def cases(self) -> np.ndarray:
        """Index of each image's case in the sorted case names, int32 [N]."""
        return np.unique(self.manifest["case"].to_numpy(str), return_inverse=True)[1].astype(np.int32)

    @cached_property
    def truth(self) -> pd.DataFrame | None:
        """What is known beyond the manifest (phantom), in the manifest's row order; None where there is nothing."""
        path = self.folder / "truth.parquet"
        return pd.read_parquet(path) if path.exists() else None


def _check_kinds(info: dict, path: Path) -> None:
    """Refuse a dataset.json whose values could not be worked with."""
    kinds = {"name": str, "size": int, "content_hash": str, "magnifications": list}
    wrong = [key for key, kind in kinds.items() if not isinstance(info.get(key), kind)]
    if not wrong and not all(isinstance(name, str) for name in info["magnifications"]):
        wrong = ["magnifications"]
    if wrong:
        raise DataError(
            f"Expected name, size, content_hash and magnifications in {path}",
            f"found {wrong[0]} {repr(info.get(wrong[0]))[:100]}",
            _REMEDY,
        )
