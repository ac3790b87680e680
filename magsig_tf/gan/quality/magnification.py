"""Which magnification does each sample look like, and is the mix that of the training images?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.quality.case_draws import interval
from magsig_tf.seeding import seed_for

FOLDS = 5
PENALTY = 0.01
"""Ridge penalty on the scale of the mean loss; fixed, so that nothing is tuned."""
_MOST_STEPS = 200


@dataclass(frozen=True)
class MagnificationProbe:
    """Linear classifiers of magnification, fitted on training images of one class; n images, C cases.

    Args:
        classes: The magnifications, in the order of the positions below.
        target: Position of each image's magnification, shape (n,).
        case: Position of each image's case, 0 to C - 1, shape (n,).
        predicted: Position of the magnification that a classifier fitted on other cases gives it, shape (n,).
        classifiers: One for each fold of cases.
    """

    classes: tuple[str, ...]
    target: np.ndarray
    case: np.ndarray
    predicted: np.ndarray
    classifiers: tuple[Pipeline, ...]

    @classmethod
    def fitted(
        cls, features: np.ndarray, magnification: np.ndarray, case: np.ndarray, *names: object
    ) -> MagnificationProbe:
        """Fit the classifiers by cross-validation grouped by case.

        Args:
            features: Of training images of one class, shape (n, d).
            magnification: Name of each image's magnification, shape (n,).
            case: Position of each image's case, shape (n,).
            names: Names that the deal of cases derives from.

        Raises:
            NotDefinedError: one magnification only, fewer cases than folds, a magnification with fewer images than
                folds, or in the cases of one fold only.
        """
        classes, target = np.unique(magnification, return_inverse=True)
        _check(classes, target, case)
        predicted, classifiers = np.empty_like(target), []
        deal = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed_for("gan magnification probe", *names))
        for train, held in deal.split(features, target, case):
            if len(np.unique(target[train])) < len(classes):
                raise NotDefinedError(
                    "Expected each magnification in the cases of several folds",
                    "found one in the cases of one fold only",
                    "Use more cases",
                )
            classifiers.append(_classifier(features[train], target[train]))
            if len(held):
                predicted[held] = classifiers[-1].predict(features[held])
        return cls(tuple(classes.tolist()), target, case, predicted, tuple(classifiers))

    def mix(self, chosen: np.ndarray) -> np.ndarray:
        """Return the predicted share of each magnification among some images, given as bool [n]."""
        return np.bincount(self.predicted[chosen], minlength=len(self.classes)) / chosen.sum()

    def sample_mix(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted share of each magnification among samples, averaged over the classifiers.

        Args:
            features: Of the samples, shape (m, d).
        """
        votes = np.concatenate([each.predict(features) for each in self.classifiers])
        return np.bincount(votes, minlength=len(self.classes)) / len(votes)

    def balanced_accuracy(self, draws: np.ndarray) -> tuple[float, float, float]:
        """Return the mean share of each magnification's images that is recognised, and its 95 % interval.

        Args:
            draws: Multiplicities of the cases, row 0 the sample itself, shape (B + 1, C).
        """
        cells = (draws.shape[1], len(self.classes))
        counts, hits = np.zeros(cells), np.zeros(cells)
        np.add.at(counts, (self.case, self.target), 1)
        np.add.at(hits, (self.case, self.target), self.predicted == self.target)
        drawn, found = draws @ counts, draws @ hits
        # a replicate without a magnification averages over the others
        recalls = np.divide(found, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
        values = np.nanmean(recalls, axis=1)
        return float(values[0]), *interval(values[1:])

    def halved(self, chosen: np.ndarray, halves: np.ndarray) -> float:
        """Return the mean distance between the predicted mixes of two halves of the cases.

        Args:
            chosen: The images that count, bool [n].
            halves: Bool [H, C].

        Returns:
            NaN where no halving leaves images on both sides.
        """
        sides = [(chosen & half[self.case], chosen & ~half[self.case]) for half in halves]
        found = [mix_distance(self.mix(one), self.mix(other)) for one, other in sides if one.any() and other.any()]
        return float(np.mean(found)) if found else float("nan")


def mix_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the total variation distance of two mixes: the share that would have to change, in [0, 1]."""
    return float(np.abs(first - second).sum() / 2)


def _check(classes: np.ndarray, target: np.ndarray, case: np.ndarray) -> None:
    cases = len(np.unique(case))
    if len(classes) < 2:
        raise NotDefinedError("Expected two magnifications or more", "found one magnification", "Use more of them")
    if cases < FOLDS:
        raise NotDefinedError(
            f"Expected at least {FOLDS} cases", f"found fewer cases than folds ({cases} of {FOLDS})", "Use more cases"
        )
    fewest = np.bincount(target).argmin()
    if (target == fewest).sum() < FOLDS:
        raise NotDefinedError(
            f"Expected at least {FOLDS} images at each magnification",
            f"found fewer than {FOLDS} images at {classes[fewest]}",
            "Use more images",
        )


def _classifier(features: np.ndarray, target: np.ndarray) -> Pipeline:
    # scikit-learn's C is on the sum of the losses
    regression = LogisticRegression(C=1 / (PENALTY * len(features)), max_iter=_MOST_STEPS)
    pipeline = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        # a probe short of its optimum by the fourth digit of a weight tells magnifications apart as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        return pipeline.fit(features, target)
