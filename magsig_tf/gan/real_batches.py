"""Which real images a GAN sees at each step: a pure function of (seed names, step)."""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache

import numpy as np

from magsig_tf.parallel_work import read_ahead
from magsig_tf.seeding import generator_for


class RealBatches:
    """Real images in shuffled epochs that run on across batches, each turned by a random symmetry of the square.

    Tissue has no preferred orientation, so turns and flips make eight images of one without inventing anything.

    Args:
        images: uint8 [n, size, size, 3].
        batch: Images in a step; more than n shows some twice.
        seed_names: Names that order and turns derive from.
    """

    def __init__(self, images: np.ndarray, batch: int, seed_names: tuple[object, ...]):
        self.images, self.batch, self.seed_names = images, batch, seed_names
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def rows(self, step: int) -> np.ndarray:
        """Return the rows of global step `step`, int64 [batch]."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs, places = np.divmod(places, len(self.images))
        return np.array([self._order(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])

    def turned(self, step: int) -> np.ndarray:
        """Return the images of global step `step`, uint8 [batch, size, size, 3]."""
        symmetries = generator_for("gan turns", *self.seed_names, step).integers(0, 8, self.batch)
        images = self.images[self.rows(step)]
        for number in range(1, 8):
            chosen = symmetries == number
            turned = np.rot90(images[chosen], number % 4, axes=(1, 2))
            images[chosen] = turned[:, :, ::-1] if number >= 4 else turned
        return images

    def read(self, first: int, last: int, share: tuple[int, int] = (0, 1)) -> Generator[np.ndarray]:
        """Yield the images of the steps from `first` up to `last`, read ahead by a thread.

        Args:
            first: Global step to begin with.
            last: Global step to end before.
            share: (index, count): yield only the index-th of count equal slices of each batch.
        """
        index, count = share
        mine = slice(index * self.batch // count, (index + 1) * self.batch // count)
        yield from read_ahead(lambda step: self.turned(step)[mine], range(first, last))

    def _shuffled(self, epoch: int) -> np.ndarray:
        return generator_for("gan order", *self.seed_names, epoch).permutation(len(self.images))
