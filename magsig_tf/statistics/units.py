"""What a metric scores: images, or cases made of the images of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVELS = ("image", "case")


@dataclass(frozen=True)
class Units:
    """Scored units; every array has shape (n,).

    Args:
        case: Position of the unit's case in a common list of cases.
        label: 0 benign, 1 malignant.
        probability: Of malignant, in [0, 1].
        predicted: Decision for malignant at the threshold, 0 or 1.
        correct: Share of the unit's images that are decided correctly, in [0, 1] (0 or 1 for an image).
    """

    case: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray

    def __len__(self) -> int:
        return len(self.case)


def image_units(case: np.ndarray, label: np.ndarray, probability: np.ndarray, threshold: float = 0.5) -> Units:
    """Return one unit an image.

    Args:
        case: Position of each image's case in the list of cases, shape (n,).
        label: 0 or 1, shape (n,).
        probability: In [0, 1], shape (n,).
        threshold: An image at or above it is called malignant.
    """
    label = np.asarray(label, np.int8)
    probability = np.asarray(probability, float)
    predicted = (probability >= threshold).astype(np.int8)
    return Units(np.asarray(case, np.int64), label, probability, predicted, (predicted == label).astype(float))


def case_units(images: Units, threshold: float = 0.5) -> Units:
    """Return one unit a case: its mean probability over the images of one run.

    Images of different runs must not be mixed here: an average over models would be an ensemble, which no run is. A
    case that carries both labels (possible when a study splits by slide) gives one unit for each.

    Args:
        images: The image units of one run and part.
        threshold: A case whose mean probability is at or above it is called malignant.
    """
    keys, unit = np.unique(images.case * 2 + images.label, return_inverse=True)
    count = np.bincount(unit, minlength=len(keys))
    probability = np.bincount(unit, images.probability, len(keys)) / count
    correct = np.bincount(unit, images.correct, len(keys)) / count
    return Units(
        keys // 2, (keys % 2).astype(np.int8), probability, (probability >= threshold).astype(np.int8), correct
    )


def join(parts: Sequence[Units]) -> Units:
    """Return the units of several runs as one set."""
    names = ("case", "label", "probability", "predicted", "correct")
    return Units(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def choose_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the threshold with the best balanced accuracy (the maximum of Youden's J).

    Candidates lie half-way between neighbouring distinct probabilities; of equally good ones the nearest to 0.5 is
    taken.

    Args:
        label: 0 or 1, both present, shape (n,).
        probability: In [0, 1], shape (n,).

    Source: Youden, Cancer 3 (1950) 32-35.
    """
    label, probability = np.asarray(label), np.asarray(probability, float)
    values = np.unique(probability)
    candidates = np.concatenate([[values[0]], (values[:-1] + values[1:]) / 2])
    called = [np.searchsorted(np.sort(probability[label == k]), candidates, side="left") for k in (0, 1)]
    balanced = (called[0] / (label == 0).sum() + 1 - called[1] / (label == 1).sum()) / 2
    best = candidates[np.isclose(balanced, balanced.max(), rtol=0, atol=1e-12)]
    return float(best[np.argmin(np.abs(best - 0.5))])
