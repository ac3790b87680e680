"""What nothing looks like: signatures of the same sizes whose dimensions mean nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from magsig_tf.seeding import generator_for


def permuted(selected: ArrayLike, *names: object) -> np.ndarray:
    """Return sets of the same sizes with dimensions permuted at random, each set on its own.

    Args:
        selected: Row i holds which dimensions are in set i, shape (M, p).
        names: What the draw is for; set i has the seed `seed_for("permuted signature", *names, i)`.

    Returns:
        Booleans of shape (M, p).
    """
    selected = np.asarray(selected, bool)
    return np.stack([generator_for("permuted signature", *names, i).permutation(row) for i, row in enumerate(selected)])
