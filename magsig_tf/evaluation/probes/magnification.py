"""The magnification probe: what an embedding still says about the magnification of its image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.linear_models.probe_classifiers import (
    NEIGHBOURS,
    PENALTIES,
    linear_probabilities,
    neighbour_probabilities,
    standardised,
)
from magsig_tf.reasons import FEWER_CASES_THAN_FOLDS, MAGNIFICATION_IN_ONE_FOLD, ONE_MAGNIFICATION
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import deal_cases
from magsig_tf.statistics.metrics import ratio

FOLDS = 5
SMOOTHING = 0.01
"""Share of every probability that is spread evenly over the classes, so that one certain slip costs a finite loss."""


@dataclass(frozen=True)
class ProbeKind:
    """One classifier that looks for the magnification.

    Args:
        name: As in tables on disk.
        settings: Values from which cross-validation chooses.
        probabilities: Takes standardised training rows, their classes, other rows, the number of classes and settings;
            returns probabilities of shape (settings, other rows, classes).
    """

    name: str
    settings: Sequence[float]
    probabilities: Callable[[np.ndarray, np.ndarray, np.ndarray, int, Sequence], np.ndarray]


KINDS = {
    "linear": ProbeKind("linear", PENALTIES, linear_probabilities),
    "neighbours": ProbeKind("neighbours", NEIGHBOURS, neighbour_probabilities),
}
"""The linear probe and the non-linear one; an adversary that fools the first may not fool the second."""


@dataclass(frozen=True)
class MagnificationAnswers:
    """Out-of-fold answers of a magnification probe; arrays have shape (n,).

    Args:
        classes: The magnifications in the order of the positions below.
        case: Name of each row's case.
        target: Position of the row's magnification in `classes`.
        predicted: Position of the most probable one.
        loss: Cross-entropy of the row in nats, under smoothed probabilities.
    """

    classes: tuple[str, ...]
    case: np.ndarray
    target: np.ndarray
    predicted: np.ndarray
    loss: np.ndarray

    def values(self, names: Sequence[str]) -> np.ndarray:
        """Return the additive values of each row: one, its loss, one-hot magnification, one-hot where it was right.

        Args:
            names: Every magnification of the study, in the order of the columns.
        """
        place = np.array([names.index(name) for name in self.classes])
        one_hot = np.eye(len(names))[place[self.target]]
        right = one_hot * (self.target == self.predicted)[:, None]
        return np.column_stack([np.ones(len(one_hot)), self.loss, one_hot, right])

    @staticmethod
    def scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
        """Return balanced accuracy, the bound on the mutual information (nats) and chance, each of shape (R,).

        The bound is H(D) - CE (Barber and Agakov, NeurIPS 2003), floored at 0: H is the entropy of the magnifications
        of the scored rows, CE the mean cross-entropy of the probe.

        Args:
            drawn: Sums of the columns of `values`, shape (R, 2 + 2 * magnifications).
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


def magnification_probe(
    embedding: np.ndarray,
    magnification: np.ndarray,
    case: np.ndarray,
    label: np.ndarray,
    kind: str = "linear",
    folds: int = FOLDS,
) -> MagnificationAnswers:
    """Predict the magnification of each row from its embedding, by cross-validation grouped by case.

    In each fold the features are standardised on the training rows. The setting (penalty, number of neighbours) is the
    one with the lowest loss on the cases of the next fold, fitted without them; then all training rows are used.

    Args:
        embedding: Frozen features, shape (n, p).
        magnification: Name of each row's magnification, shape (n,).
        case: Name of each row's case, shape (n,).
        label: Label of each row, by which cases are spread over folds, shape (n,).
        kind: A key of `KINDS`.
        folds: Number of folds, at least 3.

    Raises:
        NotDefinedError: one magnification only, fewer cases than folds, or a magnification that is missing from the
            training rows of a fold.
    """
    classes, target = np.unique(magnification, return_inverse=True)
    if len(classes) < 2:
        found = "found one magnification"
        raise NotDefinedError("Expected two magnifications or more", found, "Probe more of them", ONE_MAGNIFICATION)
    fold = case_folds(case, label, folds)
    settings, probability = KINDS[kind].settings, np.empty((len(target), len(classes)))

    def answers(rows: np.ndarray, others: np.ndarray, settings: Sequence) -> np.ndarray:
        features, other_features = standardised(embedding[rows], embedding[others])
        found = KINDS[kind].probabilities(features, target[rows], other_features, len(classes), settings)
        return (1 - SMOOTHING) * found + SMOOTHING / len(classes)

    for held in range(folds):
        train, test, inner = fold != held, fold == held, fold == (held + 1) % folds
        absent = np.setdiff1d(np.arange(len(classes)), target[train])
        if len(absent):
            expected = "Expected each magnification in the training cases of each fold"
            found = f"found {classes[absent[0]]} in the cases of one fold only"
            remedy = "Probe more test cases, or fewer magnifications"
            raise NotDefinedError(expected, found, remedy, MAGNIFICATION_IN_ONE_FOLD)
        losses = -np.log(answers(train & ~inner, inner, settings)[:, np.arange(inner.sum()), target[inner]]).mean(1)
        probability[test] = answers(train, test, [settings[int(losses.argmin())]])[0]
    loss = -np.log(probability[np.arange(len(target)), target])
    return MagnificationAnswers(tuple(classes.tolist()), case, target, probability.argmax(1), loss)


def case_folds(case: np.ndarray, label: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """Deal cases into the folds of a probe, each label spread evenly over them.

    The same cases are dealt the same way whatever the embedding, so methods and controls are probed on the same folds.

    Args:
        case: Name of each row's case, shape (n,).
        label: Label of each row, shape (n,).
        folds: Number of folds, at least 2.

    Returns:
        Fold of each row, whole numbers from 0 to folds - 1, shape (n,).

    Raises:
        NotDefinedError: there are fewer cases than folds.
    """
    cases = len(np.unique(case))
    if cases < folds:
        found, remedy = f"found fewer cases than folds ({cases} of {folds})", "Probe more test cases"
        raise NotDefinedError(f"Expected at least {folds} cases", found, remedy, FEWER_CASES_THAN_FOLDS)
    return deal_cases(label, case, folds, "probe folds", folds, shuffled_by_label=False)


def shuffled_magnifications(magnification: np.ndarray, case: np.ndarray, *names: object) -> np.ndarray:
    """Return the magnifications shuffled among the rows of each case: the control that must be at chance.

    Args:
        magnification: Shape (n,).
        case: Shape (n,).
        names: What the shuffle is for; others give another one.
    """
    shuffled = np.array(magnification)
    generator = generator_for("probe shuffled", *names)
    for name in np.unique(case):
        rows = np.flatnonzero(case == name)
        shuffled[rows] = shuffled[generator.permutation(rows)]
    return shuffled
