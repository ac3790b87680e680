"""The images that the GANs of a fold drew, read from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import RunError
from magsig_tf.execution.resumption import check_identity
from magsig_tf.execution.workers import Workers
from magsig_tf.gan.fold import FoldGans

RECORD, IMAGES, TABLE = "fold.json", "synthetic.npy", "synthetic.parquet"
_AGAIN = "Remove that folder and repeat"


@dataclass(frozen=True)
class SyntheticImages:
    """What all GANs of a fold drew; N images.

    Args:
        images: uint8 [N, s, s, 3], mapped from disk.
        part: Name of the GAN of each, [N].
        label: int64 [N], 0 benign, 1 malignant.
        magnification: The source magnification that its GAN learned, [N]; "" where it learned all.
    """

    images: np.ndarray
    part: np.ndarray
    label: np.ndarray
    magnification: np.ndarray

    @classmethod
    def of(cls, fold: FoldGans, images: np.ndarray, part: Sequence[str]) -> SyntheticImages:
        """Return images with what the fold says of the GANs that drew them.

        Args:
            fold: The GANs.
            images: uint8 [N, s, s, 3].
            part: Name of the GAN of each, [N].
        """
        known = {each.name: each for each in fold.parts}
        label = np.array([known[name].label for name in part], np.int64)
        magnification = np.array([known[name].magnification for name in part], str)
        return cls(images, np.array(part, str), label, magnification)

    def __len__(self) -> int:
        return len(self.label)

    def positions(self, label: int, magnification: str) -> np.ndarray:
        """Return where the images of a class stand that can take the place of a real one at a magnification."""
        return np.flatnonzero((self.label == label) & np.isin(self.magnification, ["", magnification]))


def fold_status(fold: FoldGans) -> str:
    """Return `done`, `failed`, `running` or `new`.

    Raises:
        RunError: the folder holds GANs of another data set or split.
    """
    path = fold.folder / RECORD
    if not path.exists():
        return "new"
    record = read_json(path)
    check_identity(record, fold.identity, fold.folder, "fold of GANs")
    return str(record.get("status", "new"))


def read_synthetic_images(fold: FoldGans) -> SyntheticImages:
    """Return the images of a finished fold.

    Args:
        fold: Its GANs.

    Raises:
        RunError: the GANs are not finished, belong to another data set or split, or their files do not fit together.
    """
    status = fold_status(fold)
    if status != "done":
        found = "found none" if status == "new" else f"found a folder that is {status}"
        raise RunError(f"Expected the GANs of {fold.title} in {fold.folder}", found, "Run `magsig gan` for that fold")
    size = fold.options.gan_size
    try:
        images = np.load(fold.folder / IMAGES, mmap_mode="r", allow_pickle=False)
        table = pd.read_parquet(fold.folder / TABLE, columns=["part", "label", "magnification"])
    except (OSError, ValueError, KeyError) as error:
        found = " ".join(str(error).split())
        raise RunError(f"Expected synthetic images in {fold.folder}", f"found: {found}", _AGAIN) from error
    if images.dtype != np.uint8 or images.shape != (len(table), size, size, 3):
        raise RunError(
            f"Expected uint8 images of shape {(len(table), size, size, 3)} in {fold.folder / IMAGES}",
            f"found {images.dtype} {images.shape}",
            _AGAIN,
        )
    known = [part.name for part in fold.parts]
    strange = [name for name in table["part"].unique() if name not in known]
    if strange:
        raise RunError(
            f"Expected the parts {', '.join(known)} in {fold.folder / TABLE}", f"found {strange[0]!r}", _AGAIN
        )
    return SyntheticImages.of(fold, images, table["part"].tolist())


def share_synthetic_images(fold: FoldGans, workers: Workers) -> SyntheticImages:
    """Return the images of a finished fold in every process; the chief alone reads them.

    Raises:
        RunError: as `read_synthetic_images`.
    """
    if workers.count == 1:
        return read_synthetic_images(fold)
    found: list[SyntheticImages] = []

    def read() -> list[str]:
        found.append(read_synthetic_images(fold))
        return found[0].part.tolist()

    part = workers.from_chief(read)
    size = fold.options.gan_size
    # no process can add bytes to those of another: TensorFlow reduces int32 and wider
    images = found[0].images if found else np.zeros((len(part), size, size, 3))
    (images,) = workers.share([images.astype(np.int32)])
    return SyntheticImages.of(fold, images.astype(np.uint8), part)
