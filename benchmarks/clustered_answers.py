"""Answers of two made-up models to clustered images, whose true metrics are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from benchmarks.made_up_matrix import images_of_cases
from magsig_tf.statistics.replicates import Units, image_units

MAGNIFICATION = "200X"
CORRELATION = 0.8
"""Of both models' scores of one image, as of two networks that see the same tissue."""
OVERCONFIDENCE = 1.3
"""Log-odds are multiplied by it, so that the calibration error is not 0."""


@dataclass(frozen=True)
class Study:
    """A population of cases, and two models.

    Scores are normal within a class. A share of their variance is common to all images of a case. Images of a case are
    as many as those of a case of BreaKHis at 200X, drawn with replacement within the class.

    Args:
        cases: Benign and malignant cases of a data set.
        auc: True AUC of the first model.
        gain: By how much the second has a lower AUC.
        case_share: Share of the variance of a score that images of a case have in common, in [0, 1].
    """

    cases: tuple[int, int]
    auc: float
    gain: float = 0.03
    case_share: float = 0.5

    def draw(self, generator: np.random.Generator) -> tuple[Units, Units]:
        """Return the answers of both models to the images of new cases."""
        label_of_case = np.repeat([0, 1], self.cases)
        case = np.repeat(np.arange(len(label_of_case)), self._images(generator))
        label = label_of_case[case]
        effects = [_correlated(generator, len(label_of_case)), _correlated(generator, len(case))]
        own = np.sqrt(self.case_share) * effects[0][:, case] + np.sqrt(1 - self.case_share) * effects[1]
        return tuple(
            image_units(case, label, self._probability(own[model] + distance * label, distance))
            for model, distance in enumerate(self._distances())
        )

    def truth(self) -> dict[str, float]:
        """Return the metrics of the first model over the population, and by how much they exceed the second's."""
        one, two = (self._metrics(distance) for distance in self._distances())
        return one | {f"{name} difference": one[name] - two[name] for name in one}

    def _distances(self) -> tuple[float, float]:
        return tuple(np.sqrt(2) * norm.ppf(self.auc - lower) for lower in (0, self.gain))

    def _images(self, generator: np.random.Generator) -> np.ndarray:
        drawn = [generator.choice(known, number) for known, number in zip(_known_images(), self.cases, strict=True)]
        return np.concatenate(drawn)

    @cached_property
    def _malignant_share(self) -> float:
        means = np.array([known.mean() for known in _known_images()]) * self.cases
        return float(means[1] / means.sum())

    def _probability(self, score: np.ndarray, distance: float) -> np.ndarray:
        return expit(OVERCONFIDENCE * self._log_odds(score, distance))

    def _log_odds(self, score: np.ndarray, distance: float) -> np.ndarray:
        return distance * (score - distance / 2) + logit(self._malignant_share)

    def _metrics(self, distance: float) -> dict[str, float]:
        score = np.linspace(-9, 9 + distance, 20_001)
        share = self._malignant_share
        density = np.stack([(1 - share) * norm.pdf(score), share * norm.pdf(score - distance)])
        density /= density.sum()
        probability = self._probability(score, distance)
        called = probability >= 0.5
        true, false = density[1, called].sum(), density[0, called].sum()
        off = probability - expit(self._log_odds(score, distance))
        return {
            "auc": float(norm.cdf(distance / np.sqrt(2))),
            "f1": float(2 * true / (2 * true + false + density[1, ~called].sum())),
            "brier": float(density[0] @ probability**2 + density[1] @ (1 - probability) ** 2),
            "ece": float(density.sum(0) @ np.abs(off)),
        }


@cache
def _known_images() -> list[np.ndarray]:
    """Return the images of each benign and of each malignant case of BreaKHis."""
    counts = images_of_cases()
    return [counts.loc[counts["label"] == value, MAGNIFICATION].to_numpy() for value in (0, 1)]


def _correlated(generator: np.random.Generator, size: int) -> np.ndarray:
    first, other = generator.normal(size=(2, size))
    return np.stack([first, CORRELATION * first + np.sqrt(1 - CORRELATION**2) * other])
