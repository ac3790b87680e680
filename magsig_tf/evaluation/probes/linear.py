"""The linear probe: multinomial logistic regression with a ridge penalty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

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
    wanted = np.eye(classes)[target]
    parameters = np.zeros((length + 1) * classes)

    def objective(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights, intercepts = _unpacked(flat, length, classes)
        log_probability = _log_softmax(train @ weights + intercepts)
        residual = (np.exp(log_probability) - wanted) / rows
        loss = -(log_probability * wanted).sum() / rows + penalty / 2 * (weights**2).sum()
        return loss, np.concatenate([(train.T @ residual + penalty * weights).ravel(), residual.sum(0)])

    found = []
    for penalty in penalties:
        options = {"maxiter": _MOST_STEPS, "gtol": _TOLERANCE}
        parameters = minimize(objective, parameters, (penalty,), method="L-BFGS-B", jac=True, options=options).x
        weights, intercepts = _unpacked(parameters, length, classes)
        found.append(np.exp(_log_softmax(other @ weights + intercepts)))
    return np.stack(found)


def _unpacked(flat: np.ndarray, length: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    return flat[: length * classes].reshape(length, classes), flat[length * classes :]


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    return scores - logsumexp(scores, axis=1, keepdims=True)
