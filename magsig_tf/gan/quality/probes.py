"""Which magnification and which label do samples look like, to classifiers of real images?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import LABELS, Part
from magsig_tf.gan.images import TrainingImages
from magsig_tf.linear_models.probe_classifiers import CrossFitted, cross_fitted
from magsig_tf.seeding import seed_for
from magsig_tf.statistics.cases import interval


@dataclass(frozen=True)
class MagnificationProbe:
    """Linear classifiers of magnification, fitted on training images of one class; n images, C cases.

    Args:
        classes: The magnifications, in the order of the positions below.
        target: Position of each image's magnification, shape (n,).
        case: Position of each image's case, 0 to C - 1, shape (n,).
        fitted_on_others: The classifiers, and what those that did not see an image's case say of it.
    """

    classes: tuple[str, ...]
    target: np.ndarray
    case: np.ndarray
    fitted_on_others: CrossFitted

    @property
    def predicted(self) -> np.ndarray:
        """Position of the magnification that a classifier fitted on other cases gives each image, shape (n,)."""
        return self.fitted_on_others.predicted

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
        present, target = np.unique(magnification, return_inverse=True)
        classes = tuple(present.tolist())
        seed = seed_for("gan magnification probe", *names)
        probe = cross_fitted(features, target, case, classes, "magnification", seed)
        return cls(classes, target, case, probe)

    def mix(self, chosen: np.ndarray) -> np.ndarray:
        """Return the predicted share of each magnification among some images, given as bool [n]."""
        return np.bincount(self.predicted[chosen], minlength=len(self.classes)) / chosen.sum()

    def sample_mix(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted share of each magnification among samples, averaged over the classifiers.

        Args:
            features: Of the samples, shape (m, d).
        """
        votes = self.fitted_on_others.votes(features)
        return np.bincount(votes.ravel(), minlength=len(self.classes)) / votes.size

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


@dataclass(frozen=True)
class LabelProbe:
    """Linear classifiers of benign and malignant, fitted on the training images of a fold; n images.

    Args:
        label: 0 benign, 1 malignant, shape (n,).
        fitted_on_others: The classifiers, and what those that did not see an image's case say of it.
    """

    label: np.ndarray
    fitted_on_others: CrossFitted

    @classmethod
    def fitted(cls, features: np.ndarray, label: np.ndarray, case: np.ndarray, *names: object) -> LabelProbe:
        """Fit the classifiers by cross-validation grouped by case, both classes of the same weight.

        Args:
            features: Of training images of both classes, shape (n, d).
            label: 0 benign, 1 malignant, shape (n,).
            case: Name of each image's case, shape (n,).
            names: Names that the deal of cases derives from.

        Raises:
            NotDefinedError: one class only, fewer cases than folds, a class with fewer images than folds, or in the
                cases of one fold only.
        """
        positions, seed = np.unique(case, return_inverse=True)[1], seed_for("gan label probe", *names)
        return cls(label, cross_fitted(features, label, positions, LABELS, "label", seed, balanced=True))

    def agreement(self, features: np.ndarray, label: int) -> float:
        """Return the share of samples that look like their label, averaged over the classifiers.

        Args:
            features: Of the samples, shape (m, d).
            label: Theirs.
        """
        return float((self.fitted_on_others.votes(features) == label).mean())

    def real_agreement(self, chosen: np.ndarray) -> float:
        """Return the share of some training images that a classifier of other cases gives their label.

        Args:
            chosen: The images that count, bool [n].
        """
        return float((self.fitted_on_others.predicted == self.label)[chosen].mean())

    def sees(self) -> bool:
        """Return whether the classifiers recognise more than half of the real images of each class."""
        return all(self.real_agreement(self.label == label) > 0.5 for label in np.unique(self.label))


METRIC = "label_agreement"
BLIND = "the probe does not distinguish real classes"


def label_agreement(
    probe: LabelProbe | NotDefinedError, training: TrainingImages, part: Part, drawn: np.ndarray
) -> Iterator[dict[str, object]]:
    """Yield the share of a GAN's samples that look like their label, and the floor: that of its training images.

    Args:
        probe: Fitted on the fold's training images, or why it cannot be.
        training: These images.
        part: The GAN.
        drawn: Features of its samples, shape (m, d).
    """
    own = np.zeros(len(training.label), bool)
    own[training.rows_of(part)] = True
    counts = {"images_real": int(own.sum()), "images_synthetic": len(drawn), "cases": len(set(training.case[own]))}
    row = counts | {"metric": METRIC, "low": np.nan, "high": np.nan}
    if isinstance(probe, NotDefinedError):
        yield row | {"kind": "synthetic", "value": np.nan, "reason": probe.reason}
        return
    reason = "" if probe.sees() else BLIND
    yield row | {"kind": "synthetic", "value": probe.agreement(drawn, part.label), "reason": reason}
    yield row | {"kind": "floor", "value": probe.real_agreement(own), "reason": ""}
