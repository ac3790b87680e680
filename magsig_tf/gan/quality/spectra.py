"""Does the power spectrum alone distinguish synthetic images from real ones that went through the GAN's resolution?

Above the GAN's Nyquist frequency it must not: there is nothing but what up-sampling makes, the same for both. Below it
a generator may give itself away (Durall et al. 2020, Watch your up-convolution), which is a fact about that generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from magsig_tf.linear_models.probe_classifiers import FOLDS, cross_fitted
from magsig_tf.seeding import generator_for, seed_for
from magsig_tf.statistics.cases import interval, resampled_means

ABOVE, BELOW = "spectrum_above_nyquist", "spectrum_below_nyquist"
CHANCE = 0.5
RINGS = 8
REPLICATES = 1000
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
    reasons = {metric: _not_defined(metric, sides, size) for metric in bands}
    drawn = {metric: ring_powers(sides.synthetic, *bands[metric]) for metric in bands if not reasons[metric]}
    real, synthetic, cases = len(sides.resampled), len(sides.synthetic), len(np.unique(sides.case))
    counts = {"images_real": real, "images_synthetic": synthetic, "cases": cases}
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
    count = np.maximum(np.bincount(ring[inside], minlength=RINGS), 1)
    powers = np.empty((len(images), 3, RINGS))
    for place, image in enumerate(images):
        values = np.moveaxis(image, -1, 0).astype(np.float32)
        values = (values - values.mean((1, 2), keepdims=True)) * window
        power = np.abs(scipy.fft.rfft2(values)[:, inside]) ** 2
        for channel in range(3):
            powers[place, channel] = np.bincount(ring[inside], power[channel], RINGS) / count
    return np.log(powers.reshape(len(images), -1) + _LEAST_POWER)


def _not_defined(metric: str, sides: Sides, size: int) -> str:
    if metric == ABOVE and sides.resampled.shape[1] <= size:
        return SAME_SIZE
    if len(np.unique(sides.case)) < FOLDS or len(sides.synthetic) < FOLDS:
        return f"fewer than {FOLDS} cases or synthetic images"
    return ""


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
    seed = seed_for("spectrum probe", *names)
    sides = ("real", "synthetic")
    fitted = cross_fitted(features, target, groups, sides, "side", seed, balanced=True, most_steps=1000)
    right = fitted.predicted == target
    of_real, of_synthetic = right[: len(real)], right[len(real) :]
    found: dict[str, object] = {"value": float((of_real.mean() + of_synthetic.mean()) / 2)}
    random = generator_for("spectrum probe bootstrap", *names)
    draws = random.multinomial(cases, np.full(cases, 1 / cases), replicates)
    recall = resampled_means(of_real, position, draws)
    hits = random.binomial(len(synthetic), of_synthetic.mean(), replicates) / len(synthetic)
    return found | dict(zip(("low", "high"), interval((recall + hits) / 2), strict=True))
