"""The classifiers of probes: ridge-penalised regression, nearest neighbours, and their fit over folds of cases."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from magsig_tf.errors import NotDefinedError
from magsig_tf.statistics.cases import deal_cases_of_many_classes

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def standardised(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale both parts by mean and standard deviation of the training rows, as the probes do.

    Not by `fit_scaling`: it divides where this multiplies by the reciprocal, and the last bit of a feature was seen to
    move a probe's printed accuracy by .001.

    Args:
        train: Shape (n, p).
        other: Shape (m, p).

    Returns:
        Both in float64; a dimension that is constant over the training rows is zero in both.
    """
    train, other = np.asarray(train, np.float64), np.asarray(other, np.float64)
    mean, deviation = train.mean(0), train.std(0)
    # rounding gives constant dimensions a deviation of a few ulp
    constant = deviation <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    return (train - mean) * scale, (other - mean) * scale


PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Ridge penalties from which cross-validation chooses, strongest first, on the scale of the mean loss."""
_LIMITS = {"maxiter": 200, "gtol": 1e-4}


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
        parameters = minimize(objective, parameters, (penalty,), method="L-BFGS-B", jac=True, options=_LIMITS).x
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


NEIGHBOURS = (5, 15, 45)
"""Numbers of neighbours from which cross-validation chooses."""
_ROWS_AT_ONCE = 512


def neighbour_probabilities(
    train: np.ndarray, target: np.ndarray, other: np.ndarray, classes: int, neighbours: Sequence[int]
) -> np.ndarray:
    """Return the class shares among the nearest training rows, with one pseudo-row a class spread by frequency.

    Args:
        train: Standardised features, shape (n, p); distances are Euclidean.
        target: Class of each training row, 0 to classes - 1, shape (n,).
        other: Features on the same scale, shape (m, p).
        classes: Number of classes.
        neighbours: How many neighbours vote; more than there are rows means all rows.

    Returns:
        Shape (neighbours, m, classes): (votes + classes * prior) / (neighbours + classes), where prior is the share of
        a class among the training rows, so that no probability of a class that was seen is zero.
    """
    wanted = np.eye(classes)[target]
    pseudo = classes * wanted.mean(0)
    counts = [min(count, len(train)) for count in neighbours]
    most = max(counts)
    squares = (train**2).sum(1)
    found = np.empty((len(counts), len(other), classes))
    for start in range(0, len(other), _ROWS_AT_ONCE):
        rows = other[start : start + _ROWS_AT_ONCE]
        # the row's own square shifts all its distances alike
        distance = squares - 2 * rows @ train.T
        nearest = np.argpartition(distance, most - 1, axis=1)[:, :most]
        nearest = np.take_along_axis(nearest, np.argsort(np.take_along_axis(distance, nearest, 1), axis=1), 1)
        votes = wanted[nearest].cumsum(axis=1)
        for index, count in enumerate(counts):
            found[index, start : start + len(rows)] = (votes[:, count - 1] + pseudo) / (count + classes)
    return found


FOLDS = 5
PENALTY = 0.01
"""Ridge penalty on the scale of the mean loss; fixed, so that nothing is tuned."""


@dataclass(frozen=True)
class CrossFitted:
    """Classifiers of one property of training images; n images.

    Args:
        predicted: Position of the class that a classifier fitted on other cases gives each image, shape (n,).
        classifiers: One for each fold of cases.
    """

    predicted: np.ndarray
    classifiers: tuple[Pipeline, ...]

    def votes(self, features: np.ndarray) -> np.ndarray:
        """Return what every classifier says of other images: positions of classes, shape (folds, m).

        Args:
            features: Of these images, shape (m, d).
        """
        return np.stack([each.predict(features) for each in self.classifiers])


def cross_fitted(
    features: np.ndarray,
    target: np.ndarray,
    case: np.ndarray,
    classes: Sequence[str],
    what: str,
    seed: int,
    *,
    balanced: bool = False,
    most_steps: int = 200,
) -> CrossFitted:
    """Fit a logistic regression on standardised features in each of `FOLDS` folds of cases.

    Args:
        features: Of training images, shape (n, d).
        target: Position of each image's class, 0 to K - 1, shape (n,).
        case: Position of each image's case, shape (n,).
        classes: Names of the K classes, for errors.
        what: What they are, in a word ("magnification", "label").
        seed: Of the deal of cases.
        balanced: Whether each class weighs the same.
        most_steps: Steps after which the solver stops at the latest.

    Raises:
        NotDefinedError: one class only, fewer cases than folds, a class with fewer images than folds, or in the cases
            of one fold only.
    """
    _check(target, case, classes, what)
    predicted, classifiers = np.empty_like(target), []
    fold = deal_cases_of_many_classes(target, case, FOLDS, seed)
    for number in range(FOLDS):
        train, held = fold != number, fold == number
        if len(np.unique(target[train])) < len(classes):
            expected = f"Expected each {what} in the cases of several folds"
            raise NotDefinedError(expected, "found one in the cases of one fold only", "Use more cases")
        classifiers.append(_classifier(features[train], target[train], balanced, most_steps))
        if held.any():
            predicted[held] = classifiers[-1].predict(features[held])
    return CrossFitted(predicted, tuple(classifiers))


def _check(target: np.ndarray, case: np.ndarray, classes: Sequence[str], what: str) -> None:
    counts = np.bincount(target, minlength=len(classes))
    cases = len(np.unique(case))
    if (counts > 0).sum() < 2:
        raise NotDefinedError(f"Expected two {what}s or more", f"found one {what}", "Use more of them")
    if cases < FOLDS:
        found = f"found fewer cases than folds ({cases} of {FOLDS})"
        raise NotDefinedError(f"Expected at least {FOLDS} cases", found, "Use more cases")
    if counts.min() < FOLDS:
        found = f"found fewer than {FOLDS} images of {classes[int(counts.argmin())]}"
        raise NotDefinedError(f"Expected at least {FOLDS} images of each {what}", found, "Use more images")


def _classifier(features: np.ndarray, target: np.ndarray, balanced: bool, most_steps: int) -> Pipeline:
    # `linear_probabilities` has the same minimum; but each stops a little short of it in its own way, and up to one
    # sample in 150 was seen to change sides, which is more than the printed digits allow
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # scikit-learn's C is on the sum of the losses
    strength, weight = 1 / (PENALTY * len(features)), "balanced" if balanced else None
    regression = LogisticRegression(C=strength, max_iter=most_steps, class_weight=weight)
    # matrices this small take longer on several threads, and many times longer on a busy machine
    with warnings.catch_warnings(), threadpool_limits(1):
        # a probe short of its optimum by the fourth digit of a weight tells classes apart as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), regression).fit(features, target)
