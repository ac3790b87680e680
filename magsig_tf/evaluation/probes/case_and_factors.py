"""The probes for the case of an image, and for what else is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes.magnification import FOLDS, case_folds
from magsig_tf.linear_models.probe_classifiers import standardised
from magsig_tf.reasons import DOES_NOT_VARY, NO_CASE_TWICE, ONE_CASE, ONE_MAGNIFICATION
from magsig_tf.statistics.metrics import ratio

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridge penalties from which cross-validation chooses, on the scale of the mean squared error."""


TIED = 1e-9
"""Cosines that differ by no more than this are the same."""


@dataclass(frozen=True)
class IdentityAnswers:
    """One search each: a query row in the gallery of one other magnification; arrays have shape (searches,).

    Args:
        case: Name of the query's case.
        found: 1 where the most similar gallery row is of the same case, else 0; of several equally similar ones, the
            share that is.
        chance: Share of the gallery rows that are of the same case.
        left_out: Searches without an answer to find: no row of the same case in the gallery.
    """

    case: np.ndarray
    found: np.ndarray
    chance: np.ndarray
    left_out: int

    @property
    def values(self) -> np.ndarray:
        """The additive values of each search: one, whether it found its case, its chance."""
        return np.column_stack([np.ones(len(self.found)), self.found, self.chance])

    @staticmethod
    def scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
        """Return the share of searches that found their case, and chance, each of shape (R,)."""
        return {"top1": ratio(drawn[:, 1], drawn[:, 0]), "chance": ratio(drawn[:, 2], drawn[:, 0])}


def identity_probe(
    embedding: np.ndarray, magnification: np.ndarray, case: np.ndarray, picture: np.ndarray | None = None
) -> IdentityAnswers:
    """Let every row look for its case among the rows of each other magnification.

    Each dimension is standardised within each magnification, which takes a shift between magnifications away; the
    nearest row is the one with the highest cosine. Rows that tie share the hit, so that their order plays no part and a
    constant embedding scores exactly what chance does.

    Args:
        embedding: Frozen features, shape (n, p).
        magnification: Name of each row's magnification, shape (n,).
        case: Name of each row's case, shape (n,).
        picture: What each row was made from, shape (n,): a digital zoom and its source share a name and never meet.
            None where every row is a picture of its own.

    Raises:
        NotDefinedError: one magnification only, or fewer than two cases.
    """
    names = np.unique(magnification)
    if len(names) < 2:
        found = "found one magnification"
        raise NotDefinedError("Expected two magnifications or more", found, "Probe more of them", ONE_MAGNIFICATION)
    if len(np.unique(case)) < 2:
        raise NotDefinedError("Expected two cases or more", "found one case", "Probe more of them", ONE_CASE)
    rows_at = {name: np.flatnonzero(magnification == name) for name in names}
    directions = {name: _directions(embedding[rows]) for name, rows in rows_at.items()}
    hits, chances, queried = [], [], []
    for queries, gallery in permutations(names, 2):
        rows, others = rows_at[queries], rows_at[gallery]
        allowed = np.ones((len(rows), len(others)), bool)
        if picture is not None:
            allowed = picture[rows][:, None] != picture[others][None, :]
        same = (case[rows][:, None] == case[others][None, :]) & allowed
        similarity = np.where(allowed, directions[queries] @ directions[gallery].T, -np.inf)
        # rounding alone must not decide between rows that are the same: they share the hit, at chance where all are
        nearest = allowed & (similarity >= similarity.max(1, keepdims=True) - TIED)
        hits.append((same & nearest).sum(1) / np.maximum(nearest.sum(1), 1))
        chances.append(same.sum(1) / np.maximum(allowed.sum(1), 1))
        queried.append(case[rows])
    right, chance, cases = np.concatenate(hits), np.concatenate(chances), np.concatenate(queried)
    kept = chance > 0
    if not kept.any():
        expected = "Expected cases with images at several magnifications"
        raise NotDefinedError(expected, "found no case at two magnifications", "Add some", NO_CASE_TWICE)
    return IdentityAnswers(cases[kept], right[kept], chance[kept], int((~kept).sum()))


def _directions(features: np.ndarray) -> np.ndarray:
    centred, _ = standardised(features, features)
    lengths = np.sqrt((centred**2).sum(1, keepdims=True))
    return centred / np.where(lengths > 0, lengths, 1.0)


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

    @property
    def values(self) -> np.ndarray:
        """The additive values of each row: one, the factor, its square, the squared error of its prediction."""
        target, error = self.target, self.target - self.predicted
        return np.column_stack([np.ones(len(target)), target, target**2, error**2])

    @staticmethod
    def scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
        """Return R2 = 1 - squared error / squared deviation from the mean of the scored rows, shape (R,)."""
        count, total, squares, error = drawn.T
        return {"r2": 1 - ratio(error, squares - ratio(total**2, count))}


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
