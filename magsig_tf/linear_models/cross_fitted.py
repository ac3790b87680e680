"""Linear classifiers fitted by cross-validation over whole cases: real images are judged by one that never saw them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from magsig_tf.errors import NotDefinedError
from magsig_tf.statistics.case_folds import deal_cases_of_many_classes

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
            raise NotDefinedError(
                f"Expected each {what} in the cases of several folds",
                "found one in the cases of one fold only",
                "Use more cases",
            )
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
        raise NotDefinedError(
            f"Expected at least {FOLDS} cases", f"found fewer cases than folds ({cases} of {FOLDS})", "Use more cases"
        )
    if counts.min() < FOLDS:
        raise NotDefinedError(
            f"Expected at least {FOLDS} images of each {what}",
            f"found fewer than {FOLDS} images of {classes[counts.argmin()]}",
            "Use more images",
        )


def _classifier(features: np.ndarray, target: np.ndarray, balanced: bool, most_steps: int) -> Pipeline:
    # scikit-learn's C is on the sum of the losses
    regression = LogisticRegression(
        C=1 / (PENALTY * len(features)), max_iter=most_steps, class_weight="balanced" if balanced else None
    )
    pipeline = make_pipeline(StandardScaler(), regression)
    # matrices this small take longer on several threads, and many times longer on a busy machine
    with warnings.catch_warnings(), threadpool_limits(1):
        # a probe short of its optimum by the fourth digit of a weight tells classes apart as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        return pipeline.fit(features, target)
