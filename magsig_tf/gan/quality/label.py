"""Rows of the quality table on label noise: samples that look like their class, beside real images of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import LABELS, Part
from magsig_tf.gan.images import TrainingImages
from magsig_tf.linear_models.cross_fitted import CrossFitted, cross_fitted
from magsig_tf.seeding import seed_for


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
BLIND = "the probe does not tell real classes apart"


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
