"""The images that quality measures and pictures compare: a fold's training images and what its GANs drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.gan.fold import Part


@dataclass(frozen=True)
class TrainingImages:
    """Training images of a fold as its GANs saw them, with what the manifest says of each; n rows.

    Args:
        images: uint8 [n, s, s, 3], at the GAN's size.
        label: int64 [n], 0 benign, 1 malignant.
        magnification: Name of each one's magnification, [n].
        case: Name of each one's case, [n].
        path: As in the manifest, [n].
    """

    images: np.ndarray
    label: np.ndarray
    magnification: np.ndarray
    case: np.ndarray
    path: np.ndarray

    @classmethod
    def of(cls, prepared: PreparedDataset, rows: np.ndarray, images: np.ndarray) -> TrainingImages:
        """Return the images of some rows with their columns of the manifest.

        Args:
            prepared: The data.
            rows: int64 [n], the fold's training rows and no others.
            images: uint8 [n, s, s, 3], these rows at the GAN's size.
        """
        table = prepared.manifest.iloc[rows]
        columns = (table[name].to_numpy(str) for name in ("magnification", "case", "path"))
        return cls(images, prepared.labels[rows], *columns)

    def rows_of(self, part: Part) -> np.ndarray:
        """Return the positions of the images that one GAN saw, ascending."""
        chosen = self.label == part.label
        if part.magnification:
            chosen &= self.magnification == part.magnification
        return np.flatnonzero(chosen)

    def of_rows(self, rows: np.ndarray) -> TrainingImages:
        """Return the images at some positions."""
        return TrainingImages(*(array[rows] for array in vars(self).values()))

    @property
    def magnifications(self) -> Sequence[str]:
        """The magnifications that occur, sorted as text."""
        return np.unique(self.magnification).tolist()


@dataclass(frozen=True)
class PartSamples:
    """What one GAN drew.

    Args:
        part: The GAN.
        images: uint8 [m, s, s, 3].
    """

    part: Part
    images: np.ndarray
