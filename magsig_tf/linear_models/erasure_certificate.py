"""What rows still tell a linear reader of the magnification, before and after an eraser: measured, not assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import log_softmax

from magsig_tf.linear_models.erasure import Eraser
from magsig_tf.linear_models.erasure_rows import (
    Groups,
    finite_rows,
    grouped_rows,
    rank_revealing_cholesky,
    varying_dimensions,
)

LARGEST_CROSS_COVARIANCE = 1e-6
LARGEST_DIFFERENCE = 1e-4
"""Nats."""
_LIMITS = {"maxiter": 5000, "maxfun": 20_000, "gtol": 1e-7, "ftol": 1e-11, "maxcor": 20}


@dataclass(frozen=True)
class Certificate:
    """What a linear reader can learn of the magnification of some rows.

    For an eraser by class everything is within classes: covariances are centred by class and each class weighs the
    same, the logistic regression is told the class (an intercept for each class and magnification, weights that classes
    share), and the entropy is that of the shares within a class. Either way a cross-covariance of 0 and a cross-entropy
    equal to the entropy are the same statement (Belrose et al. 2023, section 3): the first is the gradient of the
    second where the weights are 0, and the problem is convex.

    Args:
        rows: Number of rows that weigh.
        rank: Of the erased, centred rows.
        by_class: Whether all of this is within classes.
        before: Frobenius norm of the cross-covariance of the plain rows and the indicators of magnification, divided by
            the root of the product of their total variances: from 0 to 1, as a correlation.
        after: The same norm of the erased rows, divided by the same number as before.
        cross_entropy: Of the best multinomial logistic regression on the erased rows, which it is fitted on, in nats.
        entropy: Of the shares of magnifications, in nats.
        removed_share: Mean squared change of a row, as a share of the mean squared distance to the eraser's mean.
        saturated: Whether the plain rows have as many dimensions as they can. Any magnifications can then be read from
            them without an error, and from the erased ones too unless the cross-covariance is 0 to rounding: the
            cross-entropy says nothing about other rows.
    """

    rows: int
    rank: int
    by_class: bool
    before: float
    after: float
    cross_entropy: float
    entropy: float
    removed_share: float
    saturated: bool

    @property
    def relative_cross_covariance(self) -> float:
        """Norm of the cross-covariance after, divided by that before; where there was none before, `after` itself."""
        return self.after / self.before if self.before > LARGEST_CROSS_COVARIANCE else self.after

    @property
    def holds(self) -> bool:
        """Whether nothing is left on these rows: to be expected of the rows that the eraser was fitted on alone."""
        same = abs(self.entropy - self.cross_entropy) <= LARGEST_DIFFERENCE
        return same and self.relative_cross_covariance <= LARGEST_CROSS_COVARIANCE


def certify(
    eraser: Eraser,
    embeddings: np.ndarray,
    domains: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Certificate:
    """Return what is left on rows, those of the fit or others.

    Args:
        eraser: The eraser.
        embeddings: Plain, as it takes them, finite, (n, p).
        domains: Magnification of each row, (n,), two or more different ones.
        labels: Class of each row, (n,); needed for an eraser by class, and looked at for no other.
        weights: Of rows, not negative, (n,); all alike if None.

    Raises:
        DataError: rows, magnifications or classes of which nothing can be said.
    """
    plain = finite_rows(embeddings)
    # an eraser by class needs labels as much as its fit did: without them the length is said to be wrong
    classes = np.asarray(labels if labels is not None else []) if eraser.by_class else None
    groups = grouped_rows(len(plain), domains, classes, weights)
    plain = plain[groups.rows]
    erased = eraser.apply(plain)
    centred, indicators = groups.centred(plain), groups.indicators
    scale = float(np.linalg.norm(centred) * np.linalg.norm(indicators)) or 1.0
    before = np.linalg.norm(centred.T @ indicators) / scale
    after = np.linalg.norm(groups.centred(erased).T @ indicators) / scale
    moved = groups.weights @ ((plain - erased) ** 2).sum(axis=1)
    around = groups.weights @ ((plain - eraser.mean) ** 2).sum(axis=1)
    features = uncorrelated(erased, groups)
    return Certificate(
        rows=len(plain),
        rank=features.shape[1],
        by_class=eraser.by_class,
        before=float(before),
        after=float(after),
        cross_entropy=least_cross_entropy(features, groups),
        entropy=groups.entropy,
        removed_share=float(moved / around) if around > 0 else 0.0,
        saturated=features.shape[1] + eraser.rank >= len(plain) - groups.groups,
    )


def uncorrelated(values: np.ndarray, groups: Groups) -> np.ndarray:
    """Return features of covariance I, (n, rank), that linear functions of values (n, p) and groups are functions of.

    Nothing is lost: a logistic regression without a penalty has the same least cross-entropy on them.
    """
    rows = groups.centred(values[:, varying_dimensions(values)])
    deviation = np.sqrt((rows**2).sum(axis=0))
    rows = rows[:, deviation > 0] / deviation[deviation > 0]
    few = len(rows) <= rows.shape[1]
    rows = rows @ rows.T if few else rows
    factor, pivots, rank = rank_revealing_cholesky(rows if few else rows.T @ rows)
    found = solve_triangular(factor, rows[:, pivots[:rank]].T, trans="T", check_finite=False).T
    return np.asarray(found / np.sqrt(groups.weights)[:, None])


def least_cross_entropy(features: np.ndarray, groups: Groups) -> float:
    """Return the least cross-entropy in nats of a multinomial logistic regression, intercepts by group, no penalty.

    Where magnifications can be separated it has no minimum; the value is then within 1e-5 of its lower bound. Begins at
    the shares, so that it stops there at once where nothing can be learned.

    Args:
        features: With a covariance near I, which makes the problem well conditioned, (n, r).
        groups: Weights, magnifications and groups of these rows.
    """
    count, length = groups.domains, features.shape[1]
    with np.errstate(divide="ignore"):
        # a magnification that a group lacks has no probability there
        base = np.maximum(np.log(groups.shares), -1e9)
    members, wanted = np.eye(groups.groups)[groups.group], np.eye(count)[groups.domain]
    design = np.ascontiguousarray(np.concatenate([features, members], axis=1))
    start, weights = base[groups.group], groups.weights[:, None]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scores = log_softmax(start + design @ flat.reshape(-1, count), axis=1)
        loss = -float((weights * wanted * scores).sum())
        return loss, (design.T @ (weights * (np.exp(scores) - wanted))).ravel()

    found = minimize(
        objective, np.zeros((length + groups.groups) * count), jac=True, method="L-BFGS-B", options=_LIMITS
    )
    return float(found.fun)
