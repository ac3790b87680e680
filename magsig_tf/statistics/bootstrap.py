"""Bootstrap over cases: the draws."""

from __future__ import annotations

import numpy as np

from magsig_tf.seeding import generator_for

FEWEST_CASES = 5
"""With fewer cases than this in a class no interval is given."""

MANY_CASES = 30
"""Below this many cases an interval is likely too narrow."""


def case_multiplicities(strata: np.ndarray, replicates: int, *names: object) -> np.ndarray:
    """Draw how often each case appears in each bootstrap replicate.

    Cases are drawn with replacement within their stratum (their label), as many as the stratum has. One draw serves all
    images, folds, holdouts, seeds and methods, which makes every comparison paired.

    Args:
        strata: Label of each case, shape (cases,).
        replicates: Number B of replicates.
        names: What the draw is for; the seed is `seed_for("bootstrap", *names)`.

    Returns:
        Float64 whole numbers of shape (B + 1, cases). Row 0 is the sample itself (all ones), so that one calculation
        gives the value and its replicates.
    """
    generator = generator_for("bootstrap", *names)
    drawn = np.ones((replicates + 1, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        drawn[1:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), replicates)
    return drawn
