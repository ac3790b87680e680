"""Answers of two made-up models to clustered images, whose true metrics are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from benchmarks.made_up_matrix import images_of_cases
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.metrics import BINS, auc, bin_sums, brier_score, calibration_error, equal_mass_bins, f1
from magsig_tf.statistics.replicates import Units, case_units, image_units

MAGNIFICATION = "200X"
CORRELATION = 0.8
"""Of both models' scores of one image, as of two networks that see the same tissue."""
BREAKHIS = "breakhis"
SIZES = {"equal": (12,), "very unequal": (2, 2, 2, 2, 4, 4, 8, 60)}
"""Images of a case, each equally likely, where they are not those of BreaKHis."""
SHARED = 0.8
"""Share of the variance of a case's effect that it has at every holdout."""
CASES_OF_TRUTH = 120_000
OVERCONFIDENCE = 1.3
"""Log-odds are multiplied by it, so that the calibration error is not 0."""


@dataclass(frozen=True)
class Study:
    """A population of cases, and two models.

    Scores are normal within a class. A share of their variance is common to all images of a case. Images of a case are
    as many as those of a case of BreaKHis at 200X, drawn with replacement within the class, or as `SIZES` says.

    Args:
        cases: Benign and malignant cases of a data set.
        auc: True AUC of the first model.
        gain: By how much the second has a lower AUC.
        case_share: Share of the variance of a score that images of a case have in common, in [0, 1].
        sizes: `BREAKHIS`, or a key of `SIZES`.
    """

    cases: tuple[int, int]
    auc: float
    gain: float = 0.03
    case_share: float = 0.5
    sizes: str = BREAKHIS

    def draw(self, generator: np.random.Generator) -> tuple[Units, Units]:
        """Return the answers of both models to the images of new cases."""
        return self._answers(generator, _correlated(generator, sum(self.cases)))

    def draw_holdouts(self, generator: np.random.Generator, holdouts: int) -> list[Units]:
        """Return the answers of the first model to images of the same new cases at several holdouts."""
        shared, size = generator.normal(size=sum(self.cases)), (holdouts, 2, sum(self.cases))
        effects = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * generator.normal(size=size)
        return [self._answers(generator, effect)[0] for effect in effects]

    def _answers(self, generator: np.random.Generator, effects: np.ndarray) -> tuple[Units, Units]:
        label_of_case = np.repeat([0, 1], self.cases)
        case = np.repeat(np.arange(len(label_of_case)), self._images(generator))
        label = label_of_case[case]
        of_images = _correlated(generator, len(case))
        own = np.sqrt(self.case_share) * effects[:, case] + np.sqrt(1 - self.case_share) * of_images
        return tuple(
            image_units(case, label, self._probability(own[model] + distance * label, distance))
            for model, distance in enumerate(self._distances())
        )

    def truth(self) -> dict[str, float]:
        """Return the metrics of the first model over the population, and by how much they exceed the second's."""
        one, two = (self._metrics(distance) for distance in self._distances())
        return one | {f"{name} difference": one[name] - two[name] for name in one} | {"auc of holdouts": one["auc"]}

    def truth_at(self, level: str) -> dict[str, float]:
        """Return `truth` at the image level, or the same of very many drawn cases at the case level."""
        if level == "image":
            return self.truth()
        share = math.gcd(*self.cases)
        one, two = _metrics_of_cases(replace(self, cases=tuple(count // share for count in self.cases)))
        return one | {f"{name} difference": one[name] - two[name] for name in one} | {"auc of holdouts": one["auc"]}

    def _distances(self) -> tuple[float, float]:
        return tuple(np.sqrt(2) * norm.ppf(self.auc - lower) for lower in (0, self.gain))

    def _images(self, generator: np.random.Generator) -> np.ndarray:
        if self.sizes != BREAKHIS:
            return generator.choice(SIZES[self.sizes], sum(self.cases))
        drawn = [generator.choice(known, number) for known, number in zip(_known_images(), self.cases, strict=True)]
        return np.concatenate(drawn)

    @cached_property
    def _malignant_share(self) -> float:
        known = _known_images() if self.sizes == BREAKHIS else [np.ones(1)] * 2
        means = np.array([images.mean() for images in known]) * self.cases
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
            "ece": float(np.abs(np.bincount(_bins_of(density.sum(0)), density.sum(0) * off)).sum()),
        }


def _bins_of(density: np.ndarray) -> np.ndarray:
    """Return the equal-mass bin of each point, in the limit of many cases."""
    return np.minimum((BINS * density.cumsum()).astype(int), BINS - 1)


@cache
def _metrics_of_cases(study: Study) -> list[dict[str, float]]:
    """Return what both models reach at the case level with very many cases."""
    times = CASES_OF_TRUTH // sum(study.cases)
    many = replace(study, cases=tuple(times * count for count in study.cases))
    return [_metrics_of(case_units(units)) for units in many.draw(generator_for("truth of cases", study))]


def _metrics_of(units: Units) -> dict[str, float]:
    sums = bin_sums(units.label, units.probability, equal_mass_bins(units.probability))
    return {
        "auc": auc(units.label, units.probability),
        "f1": f1(units.label, units.predicted),
        "brier": brier_score(units.label, units.probability),
        "ece": float(calibration_error(sums)),
    }


@cache
def _known_images() -> list[np.ndarray]:
    """Return the images of each benign and of each malignant case of BreaKHis."""
    counts = images_of_cases()
    return [counts.loc[counts["label"] == value, MAGNIFICATION].to_numpy() for value in (0, 1)]


def _correlated(generator: np.random.Generator, size: int) -> np.ndarray:
    first, other = generator.normal(size=(2, size))
    return np.stack([first, CORRELATION * first + np.sqrt(1 - CORRELATION**2) * other])
