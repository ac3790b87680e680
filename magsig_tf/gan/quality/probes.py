"""Do samples look like their magnification and their label to classifiers of real images, and real by their spectrum?

The probe on power spectra distinguishes synthetic images from real ones that went through the GAN's resolution. Above
the GAN's Nyquist frequency it must not: there is nothing but what up-sampling makes, the same for both. Below it a
generator may give itself away (Durall et al. 2020, Watch your up-convolution), which is a fact about that generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from magsig_tf.gan.fold import LABELS
from magsig_tf.linear_models.probe_classifiers import FOLDS, CrossFitted, cross_fitted
from magsig_tf.seeding import generator_for, seed_for
from magsig_tf.statistics.cases import interval, resampled_means

REPLICATES = 1000
"""Of every bootstrap over cases."""


@dataclass(frozen=True)
class Probe:
    """Linear classifiers of magnification or of label, fitted on training images; n images, C cases.

    Args:
        classes: Names of what they tell apart, in the order of the positions below.
        target: Position of each image's class, shape (n,).
        case: Position of each image's case, 0 to C - 1, shape (n,).
        fitted: The classifiers, and what those that did not see an image's case say of it.
    """

    classes: tuple[str, ...]
    target: np.ndarray
    case: np.ndarray
    fitted: CrossFitted

    def mix(self, chosen: np.ndarray) -> np.ndarray:
        """Return the predicted share of each class among some images, given as bool [n]."""
        return np.bincount(self.fitted.predicted[chosen], minlength=len(self.classes)) / chosen.sum()

    def sample_mix(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted share of each class among samples, averaged over the classifiers.

        Args:
            features: Of the samples, shape (m, d).
        """
        votes = self.fitted.votes(features)
        return np.bincount(votes.ravel(), minlength=len(self.classes)) / votes.size

    def recognised(self, chosen: np.ndarray) -> float:
        """Return the share of some training images that a classifier of other cases gives their class.

        Args:
            chosen: The images that count, bool [n].
        """
        return float((self.fitted.predicted == self.target)[chosen].mean())

    def sees(self) -> bool:
        """Return whether the classifiers recognise more than half of the real images of each class."""
        return all(self.recognised(self.target == position) > 0.5 for position in np.unique(self.target))

    def balanced_accuracy(self, draws: np.ndarray) -> tuple[float, float, float]:
        """Return the mean share of each class's images that is recognised, and its 95 % interval.

        Args:
            draws: Multiplicities of the cases, row 0 the sample itself, shape (B + 1, C).
        """
        shape = (draws.shape[1], len(self.classes))
        cells, right = self.case * len(self.classes) + self.target, self.fitted.predicted == self.target
        drawn, found = (draws @ np.bincount(cells, each, np.prod(shape)).reshape(shape) for each in (None, right))
        # a replicate without a class averages over the others
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


def magnification_probe(features: np.ndarray, magnification: np.ndarray, case: np.ndarray, *names: object) -> Probe:
    """Fit classifiers of magnification by cross-validation grouped by case.

    Args:
        features: Of training images of one class, shape (n, d).
        magnification: Name of each image's magnification, shape (n,).
        case: Position of each image's case, shape (n,).
        names: Names that the deal of cases derives from.

    Raises:
        NotDefinedError: one magnification only, fewer cases than folds, a magnification with fewer images than folds,
            or in the cases of one fold only.
    """
    present, target = np.unique(magnification, return_inverse=True)
    classes, seed = tuple(present.tolist()), seed_for("gan magnification probe", *names)
    return Probe(classes, target, case, cross_fitted(features, target, case, classes, "magnification", seed))


def label_probe(features: np.ndarray, label: np.ndarray, case: np.ndarray, *names: object) -> Probe:
    """Fit classifiers of benign and malignant by cross-validation grouped by case, both of the same weight.

    Args:
        features: Of training images of both classes, shape (n, d).
        label: 0 benign, 1 malignant, shape (n,).
        case: Name of each image's case, shape (n,).
        names: Names that the deal of cases derives from.

    Raises:
        NotDefinedError: as in `magnification_probe`.
    """
    positions, seed = np.unique(case, return_inverse=True)[1], seed_for("gan label probe", *names)
    fitted = cross_fitted(features, label, positions, LABELS, "label", seed, balanced=True)
    return Probe(LABELS, label, positions, fitted)


def mix_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the total variation distance of two mixes: the share that would have to change, in [0, 1]."""
    return float(np.abs(first - second).sum() / 2)


ABOVE, BELOW = "spectrum_above_nyquist", "spectrum_below_nyquist"
RINGS = 8
SAME_SIZE = "not applicable: the GAN makes images of the classifier's size"
_LEAST_POWER = 1e-4
"""Squared levels added before the logarithm; rounding alone has a twelfth of a squared level."""


@dataclass(frozen=True)
class Sides:
    """What the probe distinguishes.

    Args:
        resampled: Real images that went through the GAN's resolution, uint8 [n, S, S, 3].
        original: The same real images as they were, uint8 [n, S, S, 3].
        synthetic: What a GAN drew, up-sampled, uint8 [m, S, S, 3].
        case: Name of each real image's case, [n].
    """

    resampled: np.ndarray
    original: np.ndarray
    synthetic: np.ndarray
    case: np.ndarray


def spectrum_probe(sides: Sides, size: int, *names: object, replicates: int = REPLICATES) -> list[dict[str, object]]:
    """Return how well log power in rings distinguishes real from synthetic images: balanced accuracy, chance .5.

    Logistic regression, cross-validated in folds of cases (each synthetic image counts as a case of its own). The kind
    `synthetic` compares with resampled real images; `control` with the original ones, which must be found easily.

    Args:
        sides: The images, at the classifier's size S.
        size: s, height and width of the GAN's images; its Nyquist frequency is s / 2 periods an image.
        names: Names that the folds and the bootstrap derive from.
        replicates: Of the bootstrap over cases (synthetic images one by one) behind `low` and `high`.

    Returns:
        Rows with kind, metric, value, low, high, images_real, images_synthetic, cases and reason. Where a number is not
        defined it is NaN, and `reason` says why.
    """
    rows, bands = [], {ABOVE: (size / 2, np.inf), BELOW: (1.0, size / 2)}
    real, synthetic, cases = len(sides.resampled), len(sides.synthetic), len(np.unique(sides.case))
    counts = {"images_real": real, "images_synthetic": synthetic, "cases": cases}
    few = f"fewer than {FOLDS} cases or synthetic images" if min(cases, synthetic) < FOLDS else ""
    reasons = {ABOVE: SAME_SIZE if sides.resampled.shape[1] <= size else few, BELOW: few}
    drawn = {metric: ring_powers(sides.synthetic, *bands[metric]) for metric in bands if not reasons[metric]}
    for kind, images in (("synthetic", sides.resampled), ("control", sides.original)):
        for metric, band in bands.items():
            found = {"value": np.nan, "low": np.nan, "high": np.nan, "reason": reasons[metric]}
            if metric in drawn:
                powers = ring_powers(images, *band)
                found |= told_apart(powers, drawn[metric], sides.case, *names, replicates=replicates)
            rows.append(counts | {"kind": kind, "metric": metric} | found)
    return rows


def ring_powers(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the log of the mean power in rings of equal width in the frequency plane.

    Args:
        images: uint8 [n, S, S, 3]; the mean is removed and a Blackman window laid over each.
        low: Radius at which the first ring begins, in periods an image.
        high: Radius at which the last one ends, at most S / 2, which is what infinity stands for too.

    Returns:
        float64 [n, 3 * RINGS], a channel after the other. A ring without a frequency has power 0.
    """
    size = images.shape[1]
    window = np.blackman(size + 2)[1:-1]  # Hann's side lobes are as strong as the noise that is to be seen here
    window = np.outer(window, window) / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(size, 1 / size)[None, :])
    edges = np.linspace(low, min(high, size / 2), RINGS + 1)
    ring = np.searchsorted(edges, radius, side="left") - 1  # 0 .. RINGS - 1 inside: an edge belongs to the inner ring
    inside = (ring >= 0) & (ring < RINGS)
    ring = ring[inside]
    count = np.maximum(np.bincount(ring, minlength=RINGS), 1)
    powers = np.empty((len(images), 3, RINGS))
    for place, image in enumerate(images):
        values = np.moveaxis(image, -1, 0).astype(np.float32)
        values = (values - values.mean((1, 2), keepdims=True)) * window
        power = np.abs(scipy.fft.rfft2(values)[:, inside]) ** 2
        powers[place] = [np.bincount(ring, channel, RINGS) / count for channel in power]
    return np.log(powers.reshape(len(images), -1) + _LEAST_POWER)


def told_apart(
    real: np.ndarray, synthetic: np.ndarray, case: np.ndarray, *names: object, replicates: int = REPLICATES
) -> dict[str, object]:
    """Return the balanced accuracy of the probe on some features, `value`, with its 95 % interval, `low` and `high`.

    Args:
        real: Features of real images, shape (n, d).
        synthetic: Features of synthetic images, shape (m, d).
        case: Name of each real image's case, [n].
        names: Names that the folds and the bootstrap derive from.
        replicates: Of the bootstrap.
    """
    features = np.concatenate([real, synthetic])
    target = np.repeat([0, 1], [len(real), len(synthetic)])
    position = np.unique(case, return_inverse=True)[1]
    cases = int(position.max()) + 1
    groups = np.concatenate([position, cases + np.arange(len(synthetic))])
    sides, seed = ("real", "synthetic"), seed_for("spectrum probe", *names)
    fitted = cross_fitted(features, target, groups, sides, "side", seed, balanced=True, most_steps=1000)
    of_real, of_synthetic = np.split(fitted.predicted == target, [len(real)])
    random = generator_for("spectrum probe bootstrap", *names)
    draws = random.multinomial(cases, np.full(cases, 1 / cases), replicates)
    recall = resampled_means(of_real, position, draws)
    hits = random.binomial(len(synthetic), of_synthetic.mean(), replicates) / len(synthetic)
    low, high = interval((recall + hits) / 2)
    return {"value": float((of_real.mean() + of_synthetic.mean()) / 2), "low": low, "high": high}
