"""Images of a run without their labels: what a method may look at once its weights are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np


class UnlabelledRows:
    """Images by part; neither labels nor cases.

    Parts are `train` and `validation`, both at the source magnifications, and `held_out`: the validation cases at the
    held-out magnification. No image of a tested case is among them.

    Args:
        images: uint8 [N, height, width, 3].
        rows: Part name to rows of `images`.
        batch_size: Images in a batch.
    """

    def __init__(self, images: np.ndarray, rows: Mapping[str, np.ndarray], batch_size: int):
        self._images, self._rows, self.batch_size = images, dict(rows), batch_size

    def count(self, part: str) -> int:
        """Return how many images a part has; some splits have none that are held out."""
        return len(self._rows[part])

    def batches(self, part: str) -> Iterator[np.ndarray]:
        """Yield the images of a part in order, float32 [batch_size, height, width, 3] in 0 to 255.

        The last batch is filled up with the first images of the part, so that nothing is traced twice.
        """
        rows = self._rows[part]
        filled = np.resize(rows, -(-len(rows) // self.batch_size) * self.batch_size)
        for chosen in filled.reshape(-1, self.batch_size):
            yield self._images[chosen].astype(np.float32)
