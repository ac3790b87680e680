"""Embeddings whose answer is known: cases with images at several magnifications, and what is planted in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.seeding import generator_for

MAGNIFICATIONS = ("100X", "200X", "400X")


@dataclass(frozen=True)
class Planted:
    """Rows of made-up cases.

    Args:
        noise: Features that know nothing, shape (n, 12).
        case: Shape (n,).
        label: Shape (n,).
        magnification: Shape (n,).
        case_effect: A vector that all rows of a case share, shape (n, 12).
    """

    noise: np.ndarray
    case: np.ndarray
    label: np.ndarray
    magnification: np.ndarray
    case_effect: np.ndarray

    def shifted(self, size: float) -> np.ndarray:
        """Return the noise with its first three dimensions moved by the place of the magnification times `size`."""
        features = self.noise.copy()
        features[:, :3] += size * np.unique(self.magnification, return_inverse=True)[1][:, None]
        return features


def planted(cases: int = 40, images: int = 4, name: str = "planted") -> Planted:
    """Return rows in which nothing is planted yet."""
    generator = generator_for(name)
    case = np.repeat(np.arange(cases), images * len(MAGNIFICATIONS))
    effect = generator.normal(size=(cases, 12))[case]
    return Planted(
        noise=generator.normal(size=(len(case), 12)),
        case=np.array([f"case-{number:03d}" for number in case]),
        label=case % 2,
        magnification=np.tile(np.repeat(MAGNIFICATIONS, images), cases),
        case_effect=effect,
    )
