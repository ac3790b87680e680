"""The linear probe: multinomial logistic regression with a ridge penalty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Ridge penalties from which cross-validation chooses, strongest first, on the scale of the mean loss."""
_TOLERANCE = 1e-4
_MOST_STEPS = 200


def linear_probabilities(
    train: np.ndarray, target: np.ndarray, other: np.ndarray, classes: int, penalties: Sequence[float]
) -> np.ndarray:
    """Fit the regression at each penalty and return the probabilities of other rows.

    Minimises mean cross-entropy + penalty / 2 * sum of squared weights (intercepts free) by L-BFGS; each penalty begins
    at the weights of the one before it.

    Args:
        train: Standardised features, shape (n, p).
        target: Class of each training row, 0 to classes - 1, shape (n,).
        other: Features on the same scale, shape (m, p).
        classes: Number of classes.
        penalties: Above 0.

    Returns:
        Shape (penalties, m, classes).
    """
    rows, length = train.shape
    # classes first: sums over a few classes are then sums of whole rows
    columns, wanted = np.ascontiguousarray(train.T), np.eye(classes)[:, target]
    parameters = np.zeros((length + 1) * classes)

    def objective(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights, intercepts = _unpacked(flat, length, classes)
        scores = weights.T @ columns + intercepts[:, None]
        probability, log_sum = _softmax(scores)
        loss = (log_sum.sum() - (scores * wanted).sum()) / rows + penalty / 2 * (weights**2).sum()
        residual = (probability - wanted) / rows
        return loss, np.concatenate([(columns @ residual.T + penalty * weights).ravel(), residual.sum(1)])

    found = []
    for penalty in penalties:
        options = {"maxiter": _MOST_STEPS, "gtol": _TOLERANCE}
        parameters = minimize(objective, parameters, (penalty,), method="L-BFGS-B", jac=True, options=options).x
        weights, intercepts = _unpacked(parameters, length, classes)
        found.append(_softmax((other @ weights + intercepts).T)[0].T)
    return np.stack(found)


def _unpacked(flat: np.ndarray, length: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    return flat[: length * classes].reshape(length, classes), flat[length * classes :]


def _softmax(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and the log of the sums of exponentials, from scores of shape (classes, rows)."""
    highest = scores.max(0)
    raised = np.exp(scores - highest)
    total = raised.sum(0)
    return raised / total, np.log(total) + highest
