"""The distance by which a checkpoint of a GAN is chosen."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from magsig_tf.gan.quality.features import Features
from magsig_tf.seeding import generator_for

FEWEST = 2
"""Images that each set needs: the estimate rests on pairs."""
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class RealKernel:
    """Sums of the kernel over pairs of real rows, by case; a row is never paired with itself. C is the number of cases.

    Args:
        sums: float64 [C, C], over pairs of different rows, one of each case.
        pairs: float64 [C, C], the number of these pairs.
        images: float64 [C], rows of each case.
    """

    sums: np.ndarray
    pairs: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, real: np.ndarray, case: np.ndarray) -> RealKernel:
        """Sum the kernel over all pairs.

        Args:
            real: Shape (n, d).
            case: Position of each row's case, 0 to C - 1, shape (n,).
        """
        images = np.bincount(case).astype(np.float64)
        itself = np.diag(np.bincount(case, _kernel_with_itself(real)))
        return cls(kernel_sums(real, case, real, case) - itself, np.outer(images, images) - np.diag(images), images)

    def means(self, draws: np.ndarray) -> np.ndarray:
        """Return the mean of the kernel over pairs in every bootstrap replicate over the cases.

        A case drawn w times is w patients, each with its own images: pairs of two different cases count with the
        product of their multiplicities, pairs within one case w times. Images of two copies of one case are not
        paired, since they would be images of one patient, or one image twice, in the place of two patients.

        Args:
            draws: Multiplicity of each case in each replicate, shape (R, C).

        Returns:
            Shape (R,); NaN where a replicate has no pairs.
        """
        once = draws - draws**2
        kernel = np.einsum("rc,rc->r", draws @ self.sums, draws) + once @ np.diag(self.sums)
        pairs = np.einsum("rc,rc->r", draws @ self.pairs, draws) + once @ np.diag(self.pairs)
        return np.divide(kernel, pairs, out=np.full(len(draws), np.nan), where=pairs > 0)

    def halved(self, first: np.ndarray) -> float:
        """Return the KID of some cases against the others, all real.

        Args:
            first: Bool [C]; each side needs two images.
        """
        one, other = first.astype(np.float64), (~first).astype(np.float64)
        own = [side @ self.sums @ side / (side @ self.pairs @ side) for side in (one, other)]
        return float(sum(own) - 2 * (one @ self.sums @ other) / (one @ self.pairs @ other))


@dataclass(frozen=True)
class SampleKernel:
    """Sums of the kernel over pairs with synthetic rows.

    Args:
        cross: float64 [C], sum over pairs of a real row of the case and a synthetic row, divided by m.
        mean: Mean over pairs of different synthetic rows.
    """

    cross: np.ndarray
    mean: float

    @classmethod
    def of(cls, real: np.ndarray, case: np.ndarray, synthetic: np.ndarray) -> SampleKernel:
        """Sum the kernel over all pairs.

        Args:
            real: Shape (n, d).
            case: Position of each real row's case, 0 to C - 1, shape (n,).
            synthetic: Shape (m, d), m at least 2.
        """
        drawn = len(synthetic)
        together = np.zeros(drawn, int)
        among = kernel_sums(synthetic, together, synthetic, together)[0, 0] - _kernel_with_itself(synthetic).sum()
        cross = kernel_sums(real, case, synthetic, together)[:, 0] / drawn
        return cls(cross, float(among / (drawn * (drawn - 1))))


def resampled_kid(real: RealKernel, synthetic: SampleKernel, draws: np.ndarray) -> np.ndarray:
    """Return the KID of every bootstrap replicate over the cases of the real rows; the samples stay as they are.

    KID is the unbiased squared maximum mean discrepancy with the cubic kernel; it may be negative.

    Args:
        real: Of the real rows.
        synthetic: Of the samples.
        draws: Multiplicity of each case in each replicate, shape (R, C).

    Returns:
        Shape (R,); NaN where a replicate has no pairs.

    Source: Binkowski et al., Demystifying MMD GANs, ICLR 2018, eq. 4 and section 3.
    """
    return real.means(draws) + synthetic.mean - 2 * (draws @ synthetic.cross) / (draws @ real.images)


def kernel_sums(first: np.ndarray, group: np.ndarray, second: np.ndarray, other_group: np.ndarray) -> np.ndarray:
    """Return the sum of the kernel (x.y / d + 1)**3 over the pairs of every two groups of rows.

    Args:
        first: Shape (n, d).
        group: Group of each row of `first`, 0 to G - 1, shape (n,).
        second: Shape (m, d); where it is `first`, in the same groups, half of the blocks are the other half
            transposed.
        other_group: Group of each row of `second`, 0 to H - 1, shape (m,).

    Returns:
        float64 [G, H].
    """
    found, within = np.zeros((group.max() + 1, other_group.max() + 1)), second is first and other_group is group
    blocks = _blocks(second, other_group)
    if within:
        pairs = [(above, columns) for place, columns in enumerate(blocks) for above in blocks[: place + 1]]
    else:
        pairs = list(itertools.product(_blocks(first, group), blocks))
    for (rows, of_rows), (columns, of_columns) in pairs:
        sums = _block_sums(rows, of_rows[1], columns, of_columns[1])
        found[np.ix_(of_rows[0], of_columns[0])] += sums
        if within and rows is not columns:
            found[np.ix_(of_columns[0], of_rows[0])] += sums.T
    return found


def _blocks(rows: np.ndarray, group: np.ndarray) -> list[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
    """Return rows sorted by group, in blocks, each with the groups that occur and where each begins."""
    order = np.argsort(group, kind="stable")
    chosen = [order[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
    return [(rows[some], np.unique(group[some], return_index=True)) for some in chosen]


def _block_sums(rows: np.ndarray, starts: np.ndarray, columns: np.ndarray, column_starts: np.ndarray) -> np.ndarray:
    kernel = rows.astype(np.float64) @ columns.astype(np.float64).T
    kernel /= rows.shape[1]
    kernel += 1
    kernel *= kernel * kernel
    return np.add.reduceat(np.add.reduceat(kernel, starts, axis=0), column_starts, axis=1)


def _kernel_with_itself(rows: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return (squares / rows.shape[1] + 1) ** 3


MOST_IMAGES = 1000
"""Training images that a checkpoint is held against; more would cost time and change no choice."""


def distance_to(images: np.ndarray, space: Callable[[], Features], *names: object) -> Callable[[np.ndarray], float]:
    """Return the function that gives the KID of samples against training images.

    Args:
        images: uint8 [n, s, s, 3], the training images of one GAN; at most `MOST_IMAGES` of them, drawn at random, are
            used, the same ones at every call.
        space: Makes the features in which they are compared, at the first call of what is returned: a GAN that is done
            needs none. `random_features(s)`, so that the choice does not depend on what is installed.
        names: Names that the draw derives from.

    Returns:
        uint8 [m, s, s, 3] -> KID, smaller is better.
    """
    chosen = np.sort(generator_for("gan distance", *names).permutation(len(images))[:MOST_IMAGES])
    together = np.zeros(len(chosen), int)

    @functools.cache
    def compared() -> tuple[Features, np.ndarray, RealKernel]:
        features = space()
        real = features(images[chosen])
        return features, real, RealKernel.of(real, together)

    def distance(samples: np.ndarray) -> float:
        features, real, kernel = compared()
        drawn = SampleKernel.of(real, together, features(samples))
        return float(resampled_kid(kernel, drawn, np.ones((1, 1)))[0])

    return distance
