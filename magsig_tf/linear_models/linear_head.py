"""A label head that is a logistic regression with a ridge penalty, its strength chosen by a loss on other rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from magsig_tf.linear_models.ridge_path import RidgePath, fit_ridge_path
from magsig_tf.linear_models.sparse_path import fit_scaling

PATH = tuple(float(f"{strength:.3g}") for strength in np.logspace(-5, 1, 13))
"""C of scikit-learn, the inverse of the penalty on the scale of the summed loss; strongest penalty first."""


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of embeddings as the encoder gives them.

    Args:
        weights: (p,).
        offset: Logit of an embedding of zeros.
        strengths: The C of each head of the path.
        losses: Of each on the rows that chose among them.
    """

    weights: np.ndarray
    offset: float
    strengths: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def chosen(self) -> int:
        """Which of the path it is: the lowest loss, and of equal ones the strongest penalty."""
        return int(np.argmin(self.losses))

    @property
    def at_edge(self) -> bool:
        """Whether a longer path might have had a better one."""
        return self.chosen in (0, len(self.strengths) - 1)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the logit of malignant of embeddings (n, p), float64 [n]."""
        return embeddings.astype(np.float64) @ self.weights + self.offset


def fitted_head(
    train: np.ndarray,
    labels: np.ndarray,
    validation: np.ndarray,
    loss: Callable[[np.ndarray], float],
    strengths: tuple[float, ...] = PATH,
) -> LinearHead:
    """Return the head of a path that validation prefers; the embeddings are standardised on the training rows.

    Training rows count alike, and the intercept is not penalised.

    Args:
        train: Embeddings of the training rows, (n, p).
        labels: Theirs, 0 or 1, (n,).
        validation: Embeddings of the rows that choose, (m, p).
        loss: Takes logits of those rows, (m,).
        strengths: The path: values of C, ascending; each fit begins at the weights of the one before it.
    """
    scaling = fit_scaling(train)
    path, losses = judged_path(scaling.apply(train), labels, scaling.apply(validation), loss, strengths)
    chosen = int(np.argmin(losses))
    weights, offset = path.coefficients[chosen], float(path.intercepts[chosen])
    # a constant dimension is 0 throughout when standardised, whatever its weight
    weights = np.where(scaling.constant, 0.0, weights / scaling.scale)
    return LinearHead(weights, offset - float(weights @ scaling.mean), strengths, losses)


def judged_path(
    features: np.ndarray,
    labels: np.ndarray,
    judged: np.ndarray,
    loss: Callable[[np.ndarray], float],
    strengths: tuple[float, ...] = PATH,
    weights: np.ndarray | None = None,
) -> tuple[RidgePath, tuple[float, ...]]:
    """Return the heads of a path, and the loss of each on the rows that choose among them.

    Args:
        features: Standardised embeddings of the training rows, (n, p).
        labels: Theirs, 0 or 1, (n,).
        judged: Embeddings of the rows that choose, on the same scale, (m, p).
        loss: Takes logits of those rows, (m,).
        strengths: Values of C, ascending; each fit begins at the weights of the one before it.
        weights: How much each training row counts, (n,); None means alike.
    """
    path = fit_ridge_path(features, labels, 1 / (len(features) * np.array(strengths)), weights)
    return path, tuple(loss(logits) for logits in path.decision(judged).T)
