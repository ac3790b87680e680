"""Probe scores of every bootstrap replicate at once: sums per case, multiplied by how often a case is drawn."""

from __future__ import annotations

import numpy as np

from magsig_tf.evaluation.probes.factors import FactorAnswers
from magsig_tf.evaluation.probes.identity import IdentityAnswers
from magsig_tf.evaluation.probes.magnification import MagnificationAnswers
from magsig_tf.metrics import ratio


class CaseSums:
    """What is additive over the rows of a case, for one kind of answers; answers of several patient folds add up.

    Args:
        cases: Every case of the study, sorted, shape (cases,).
        columns: Number of sums.
    """

    def __init__(self, cases: np.ndarray, columns: int):
        self.cases, self.sums = cases, np.zeros((len(cases), columns))

    def add(self, case: np.ndarray, values: np.ndarray) -> None:
        """Add rows: names of their cases, shape (n,), and their values, shape (n, columns)."""
        np.add.at(self.sums, np.searchsorted(self.cases, case), values)

    @property
    def scored(self) -> np.ndarray:
        """Whether each case has a row, shape (cases,); column 0 counts rows."""
        return self.sums[:, 0] > 0

    def drawn(self, multiplicities: np.ndarray) -> np.ndarray:
        """Return the sums of each replicate, shape (R, columns)."""
        return multiplicities @ self.sums


def magnification_values(answers: MagnificationAnswers, names: list[str]) -> np.ndarray:
    """Return the additive values of each row: one, its loss, one-hot magnification, one-hot where it was right.

    Args:
        answers: Of a magnification probe.
        names: Every magnification of the study, in the order of the columns.
    """
    place = np.array([names.index(name) for name in answers.classes])
    one_hot = np.eye(len(names))[place[answers.target]]
    right = one_hot * (answers.target == answers.predicted)[:, None]
    return np.column_stack([np.ones(len(one_hot)), answers.loss, one_hot, right])


def magnification_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return balanced accuracy, the bound on the mutual information (nats) and chance, each of shape (R,).

    The bound is H(D) - CE (Barber and Agakov, NeurIPS 2003), floored at 0: H is the entropy of the magnifications of
    the scored rows, CE the mean cross-entropy of the probe.

    Args:
        drawn: Sums of the columns of `magnification_values`, shape (R, 2 + 2 * magnifications).
    """
    names = (drawn.shape[1] - 2) // 2
    count, loss, rows, right = drawn[:, 0], drawn[:, 1], drawn[:, 2 : 2 + names], drawn[:, 2 + names :]
    present = (rows > 0).sum(1)
    recall = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    share = ratio(rows, count[:, None])
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1)
    bound = np.maximum(entropy - ratio(loss, count), 0.0)
    # where one magnification was drawn alone, nothing can be told apart
    apart = present > 1
    return {
        "balanced_accuracy": np.where(apart, ratio(recall.sum(1), present), np.nan),
        "mutual_information": np.where(apart, bound, np.nan),
        "chance": ratio(np.ones(len(present)), present),
    }


def identity_values(answers: IdentityAnswers) -> np.ndarray:
    """Return the additive values of each search: one, whether it found its case, its chance."""
    return np.column_stack([np.ones(len(answers.found)), answers.found, answers.chance])


def identity_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share of searches that found their case, and chance, each of shape (R,)."""
    return {"top1": ratio(drawn[:, 1], drawn[:, 0]), "chance": ratio(drawn[:, 2], drawn[:, 0])}


def factor_values(answers: FactorAnswers) -> np.ndarray:
    """Return the additive values of each row: one, the factor, its square, the squared error of its prediction."""
    target, error = answers.target, answers.target - answers.predicted
    return np.column_stack([np.ones(len(target)), target, target**2, error**2])


def factor_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return R2 = 1 - squared error / squared deviation from the mean of the scored rows, shape (R,)."""
    count, total, squares, error = drawn.T
    return {"r2": 1 - ratio(error, squares - ratio(total**2, count))}
