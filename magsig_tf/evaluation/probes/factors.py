"""The factor probe: how well an embedding recovers what is known of its image (ridge regression)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes.magnification import FOLDS, case_folds
from magsig_tf.linear_models.probe_classifiers import standardised
from magsig_tf.reasons import DOES_NOT_VARY

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridge penalties from which cross-validation chooses, on the scale of the mean squared error."""


@dataclass(frozen=True)
class FactorAnswers:
    """Out-of-fold predictions of one factor; arrays have shape (n,).

    Args:
        case: Name of each row's case.
        target: The factor.
        predicted: Its prediction from the embedding.
    """

    case: np.ndarray
    target: np.ndarray
    predicted: np.ndarray


def factor_probe(
    embedding: np.ndarray, factors: Mapping[str, np.ndarray], case: np.ndarray, label: np.ndarray, folds: int = FOLDS
) -> dict[str, FactorAnswers]:
    """Predict each factor from the embedding, by cross-validation grouped by case.

    Standardisation and the choice of the penalty are those of the magnification probe.

    Args:
        embedding: Frozen features, shape (n, p).
        factors: Known values by name, each of shape (n,).
        case: Name of each row's case, shape (n,).
        label: Label of each row, by which cases are spread over folds, shape (n,).
        folds: Number of folds, at least 3.

    Returns:
        Answers for each factor that varies; constant ones are left out.

    Raises:
        NotDefinedError: fewer cases than folds.
    """
    names = [name for name, values in factors.items() if np.ptp(values) > 0]
    fold = case_folds(case, label, folds)
    if not names:
        return {}
    targets = np.stack([np.asarray(factors[name], np.float64) for name in names], axis=1)
    predicted = np.empty_like(targets)
    for held in range(folds):
        train, test, inner = fold != held, fold == held, fold == (held + 1) % folds
        fitted = train & ~inner
        tried = _ridge(embedding[fitted], targets[fitted], embedding[inner])
        best = ((tried - targets[inner]) ** 2).mean(1).argmin(0)
        predicted[test] = _ridge(embedding[train], targets[train], embedding[test])[best, :, range(len(names))].T
    return {name: FactorAnswers(case, targets[:, i], predicted[:, i]) for i, name in enumerate(names)}


def require_varying(answers: Mapping[str, FactorAnswers], name: str) -> FactorAnswers:
    """Return the answers for one factor.

    Raises:
        NotDefinedError: the factor is the same in every row.
    """
    if name not in answers:
        found = "found the same value in every row"
        raise NotDefinedError(f"Expected {name} to vary", found, "Probe other rows", DOES_NOT_VARY)
    return answers[name]


def _ridge(train: np.ndarray, targets: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the predictions for other rows at each penalty, shape (penalties, m, targets)."""
    train, other = standardised(train, other)
    left, singular, right = np.linalg.svd(train, full_matrices=False)
    mean = targets.mean(0)
    along, projected = left.T @ (targets - mean), other @ right.T
    shrunk = [singular / (singular**2 + penalty * len(train)) for penalty in PENALTIES]
    return np.stack([projected @ (shrink[:, None] * along) + mean for shrink in shrunk])
