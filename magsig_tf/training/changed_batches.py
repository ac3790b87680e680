"""Training batches in which some images are synthetic and some went through a GAN's resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from magsig_tf.data.batches import Batch
from magsig_tf.data.resampling import downsampled, upsampled
from magsig_tf.errors import RunError
from magsig_tf.gan.fold import LABELS, SyntheticImages
from magsig_tf.methods.needs import ChangedImages
from magsig_tf.seeding import generator_for

FEWEST = 8
"""Synthetic images of a class (and magnification) below which batches would repeat a handful."""


class ChangedBatches:
    """Replaces images of a batch; which ones, and by what, is a pure function of (seed names, epoch, step).

    A synthetic image takes the place of a real one of its class and, where its GAN learned one, its magnification:
    labels and magnifications of a batch stay as they were. Places are numbered in the global batch, so every process
    makes the same choice for its slice.

    Args:
        asked: What the method asks for.
        batch_size: Images in one global batch.
        seed_names: Names that the choice derives from (split and seed, never the method).
        source_magnifications: In the order of the domains.
        synthetic: The images that may be used; None where no share is asked for.

    Raises:
        RunError: fewer than `FEWEST` images of a class (and magnification) are there.
    """

    def __init__(
        self,
        asked: ChangedImages,
        batch_size: int,
        seed_names: tuple[object, ...],
        source_magnifications: tuple[str, ...],
        synthetic: SyntheticImages | None = None,
        usable: np.ndarray | None = None,
    ):
        self.asked, self.batch_size, self.seed_names, self.synthetic = asked, batch_size, seed_names, synthetic
        self.candidates: dict[tuple[int, int], np.ndarray] = {}
        if asked.synthetic_share:
            if synthetic is None:
                raise RunError("Expected synthetic images", "found none", "Let `needs` of the method ask for the GANs")
            self.candidates = _candidates(synthetic, usable, source_magnifications)

    def __call__(self, batch: Batch, epoch: int, step: int, places: slice) -> Batch:
        """Return the batch with its images replaced; where some may be synthetic it says which are.

        Args:
            batch: The slice of a global batch that this process trains on.
            epoch: Epoch index.
            step: Step inside the epoch.
            places: Where in the global batch the slice lies.
        """
        names = (*self.seed_names, epoch, step)
        is_synthetic = self._drawn(self.asked.synthetic_share, "synthetic places", *names)[places]
        is_resampled = self._drawn(self.asked.resampled_share, "resampled places", *names)[places] & ~is_synthetic
        if self.candidates:
            batch = replace(batch, synthetic=is_synthetic)  # in every slice and step, so that one graph serves
        if not (is_synthetic | is_resampled).any():
            return batch
        images = np.array(batch.images)
        small = np.empty((len(images), self.asked.size, self.asked.size, 3), np.uint8)
        small[is_resampled] = downsampled(images[is_resampled], self.asked.size)
        if self.synthetic is not None and is_synthetic.any():
            draw = generator_for("synthetic images", *names).random(self.batch_size)[places]
            small[is_synthetic] = self.synthetic.images[self._chosen(batch, draw)[is_synthetic]]
        changed = is_synthetic | is_resampled
        images[changed] = upsampled(small[changed], images.shape[1])
        return replace(batch, images=images)

    def _drawn(self, share: float, *names: object) -> np.ndarray:
        """Return which places of the global batch are drawn, bool [batch_size]; their number is fixed."""
        return generator_for(*names).permutation(self.batch_size) < int(share * self.batch_size + 0.5)

    def _chosen(self, batch: Batch, draw: np.ndarray) -> np.ndarray:
        """Return the synthetic image of each place, given numbers in [0, 1)."""
        labels = batch.labels[:, 0].astype(int)
        candidates = [self.candidates[cell] for cell in zip(labels, batch.domains.tolist(), strict=True)]
        return np.array([among[int(u * len(among))] for among, u in zip(candidates, draw, strict=True)])


def _candidates(
    synthetic: SyntheticImages, usable: np.ndarray | None, source_magnifications: tuple[str, ...]
) -> dict[tuple[int, int], np.ndarray]:
    """Return the positions of the usable images for each (label, domain)."""
    found = {}
    for label in range(len(LABELS)):
        for domain, magnification in enumerate(source_magnifications):
            positions = synthetic.positions(label, magnification)
            kept = positions if usable is None else positions[usable[positions]]
            if len(kept) < FEWEST:
                raise RunError(
                    f"Expected at least {FEWEST} synthetic images that are {LABELS[label]} for {magnification}",
                    f"found {len(kept)} of {len(positions)} usable",
                    "Lower --synthetic-confidence, raise --gan-images or train the GANs longer",
                )
            found[label, domain] = kept
    return found
