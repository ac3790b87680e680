"""What a metric scores (images, or cases made of the images of one run), and its values over all bootstrap replicates.

A replicate only changes how often each case counts, so most metrics need no resampling of rows. What is additive over
images is summed per case once and multiplied by the case multiplicities. AUC is bilinear in them: with U[b, m] the
number of concordant image pairs (ties one half) between benign case b and malignant case m, and w the multiplicities,

    AUC = sum over b, m of w_b w_m U[b, m]  /  (benign images times malignant images, each weighted by w).

Equal-mass bins of the Brier terms are formed anew in each replicate (`equal_mass_sums`). Those of calibration errors
are the bins of the sample, so that what a replicate changes is noise alone, which can be taken off (`calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from magsig_tf.statistics import metrics
from magsig_tf.statistics.calibration import corrected_error, measured_error
from magsig_tf.statistics.intervals import understatement
from magsig_tf.statistics.metrics import BINS, BinSums, ratio

LEVELS = ("image", "case")
CASE_DIGITS = 12
"""Digits kept of the mean probability of a case: sums of the same numbers in another order differ by less."""


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
    metrics.check_labels(label)
    label, probability = np.asarray(label, np.int8), metrics.checked_probabilities(probability)
    predicted = (probability >= threshold).astype(np.int8)
    return Units(np.asarray(case, np.int64), label, probability, predicted, (predicted == label).astype(float))


def case_units(images: Units, threshold: float = 0.5) -> Units:
    """Return one unit a case: its mean probability over the images of one run.

    Images of different runs must not be mixed here: an average over models would be an ensemble, which no run is. A
    case that carries both labels (possible when a study splits by slide) gives one unit for each. Means are rounded to
    `CASE_DIGITS` digits, so that cases of equal mean tie, whatever the order in which their images were added up.

    Args:
        images: The image units of one run and part.
        threshold: A case whose mean probability is at or above it is called malignant.
    """
    keys, unit = np.unique(images.case * 2 + images.label, return_inverse=True)
    count = np.bincount(unit, minlength=len(keys))
    probability = np.round(np.bincount(unit, images.probability, len(keys)) / count, CASE_DIGITS)
    correct = np.bincount(unit, images.correct, len(keys)) / count
    label, called = (keys % 2).astype(np.int8), (probability >= threshold).astype(np.int8)
    return Units(keys // 2, label, probability, called, correct)


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


CHUNK_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class _Blocks:
    """Units in sorted order, padded to whole blocks; the padding belongs to a case of weight 0.

    Args:
        case: Shape (blocks, length).
        label: Shape (blocks, length).
        probability: Shape (blocks, length).
        next_start: For each position, the first position at or after it where a new probability begins; shape (n + 1,).
        length: Of a block.
    """

    case: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    next_start: np.ndarray
    length: int


def equal_mass_sums(case: np.ndarray, label: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> BinSums:
    """Return the sums over equal-mass bins under every row of weights.

    Args:
        case: Position of each unit's case, shape (n,).
        label: 0 or 1, shape (n,).
        probability: In [0, 1], shape (n,).
        weights: Whole numbers: how often each case counts, shape (R, cases).

    Returns:
        Arrays of shape (R, bins).
    """
    cases = weights.shape[1]
    blocks = _cut(case, label, probability, cases)
    padded = np.concatenate([weights, np.zeros((len(weights), 1))], axis=1)
    count = len(blocks.case)
    cell = (blocks.case * count + np.arange(count)[:, None]).ravel()
    tables = _tables(cell, (cases + 1, count), blocks.label.ravel(), blocks.probability.ravel())
    size = max(1, CHUNK_ELEMENTS // max(BINS * blocks.length, count))
    chunks = [_sums(blocks, tables, padded[row : row + size], len(case)) for row in range(0, len(weights), size)]
    return BinSums(*(np.concatenate(arrays) for arrays in zip(*chunks, strict=True)))


def _tables(cell: np.ndarray, shape: tuple[int, int], *sums_of: np.ndarray) -> list[np.ndarray]:
    """Return the number of units in each cell, and sums over them."""
    return [np.bincount(cell, values, math.prod(shape)).reshape(shape) for values in (None, *sums_of)]


def _cut(case: np.ndarray, label: np.ndarray, probability: np.ndarray, cases: int) -> _Blocks:
    order = np.argsort(probability, kind="stable")
    n = len(order)
    # balances the matrix product over blocks against the look into single blocks (measured)
    length = int(np.clip(np.sqrt(cases * n / 700), 8, 512))
    fill = -n % length
    values = probability[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    next_start = starts[np.searchsorted(starts, np.arange(n + 1))]

    def blocks(column: np.ndarray, padding: float) -> np.ndarray:
        return np.pad(column, (0, fill), constant_values=padding).reshape(-1, length)

    columns = blocks(case[order], cases), blocks(label[order].astype(float), 0.0), blocks(values, 0.0)
    return _Blocks(*columns, next_start, length)


def _sums(blocks: _Blocks, tables: list[np.ndarray], weights: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
    running = [_running_sums(weights @ table) for table in tables]
    edges = blocks.next_start[_first_positions(blocks, running[0], weights, n)]
    block, inside = np.divmod(edges, blocks.length)
    last = block == len(blocks.case)  # the edge behind the last unit of a full last block
    look = np.where(last, 0, block)
    part = _weights_of(blocks, look, weights) * ((np.arange(blocks.length) < inside[..., None]) & ~last[..., None])
    partial = (part.sum(-1), (part * blocks.label[look]).sum(-1), (part * blocks.probability[look]).sum(-1))
    return tuple(
        np.diff(np.take_along_axis(whole, block, 1) + rest, axis=1, prepend=0, append=whole[:, -1:])
        for whole, rest in zip(running, partial, strict=True)
    )


def _first_positions(blocks: _Blocks, below: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Return for each inner edge j the first position with bins * (weight of earlier units) >= j * total weight."""
    total = below[:, -1:]
    wanted = np.arange(1, BINS) * total
    # one search serves all replicates: shifting each row by more than its largest key keeps the rows apart; weights are
    # whole numbers, so that all comparisons are exact
    row = np.arange(len(below))[:, None]
    shift = row * (2.0 * BINS * max(total.max(), 1))
    found = np.searchsorted((BINS * below[:, :-1] + shift).ravel(), (wanted + shift).ravel()).reshape(wanted.shape)
    block = np.maximum(found - row * len(blocks.case) - 1, 0)
    inside = _weights_of(blocks, block, weights).cumsum(-1) + np.take_along_axis(below, block, 1)[..., None]
    return np.minimum(block * blocks.length + 1 + (BINS * inside < wanted[..., None]).sum(-1), n)


def _weights_of(blocks: _Blocks, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights[np.arange(len(weights))[:, None, None], blocks.case[block]]


def _running_sums(values: np.ndarray) -> np.ndarray:
    """Sums of all earlier entries of each row, shape (rows, n + 1)."""
    return np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)


class Replicates:
    """Scored units under every row of a multiplicity matrix; sums are made when first asked for.

    Args:
        units: The scored units, at least one.
        multiplicities: How often each case counts, shape (R, cases), from `cases.case_multiplicities`.
    """

    def __init__(self, units: Units, multiplicities: np.ndarray):
        self.units = units
        cases, self._unit_case = np.unique(units.case, return_inverse=True)
        self._weights = multiplicities[:, cases]

    def __len__(self) -> int:
        return len(self._weights)

    def auc(self) -> np.ndarray:
        """Return the AUC of each replicate, shape (R,); NaN where a class is absent."""
        concordant = concordant_pairs(self.units, self._unit_case, self._weights.shape[1])
        pairs = ((self._weights @ concordant) * self._weights).sum(1)
        return ratio(pairs, self._weighted_sum(self.units.label) * self._weighted_sum(1 - self.units.label))

    @cached_property
    def count(self) -> np.ndarray:
        """Number of units of each replicate, shape (R,)."""
        return self._weighted_sum(np.ones(len(self.units)))

    @cached_property
    def confusion(self) -> tuple[np.ndarray, ...]:
        """True positives, false positives, false negatives and true negatives of each replicate, each shape (R,)."""
        return tuple(map(self._weighted_sum, metrics.decisions(self.units.label, self.units.predicted)))

    def mean_squared_error(self) -> np.ndarray:
        """Return the mean of (p - y)^2 of each replicate, shape (R,)."""
        return ratio(self._weighted_sum(metrics.squared_errors(self.units.label, self.units.probability)), self.count)

    def mean_log_loss(self) -> np.ndarray:
        """Return the mean log-loss of each replicate in nats, shape (R,)."""
        return ratio(self._weighted_sum(metrics.log_losses(self.units.label, self.units.probability)), self.count)

    def mean_correct(self) -> np.ndarray:
        """Return the mean over units of the share of correct images, shape (R,)."""
        return ratio(self._weighted_sum(self.units.correct), self.count)

    @cached_property
    def equal_width(self) -> BinSums:
        """Sums over equally wide bins, arrays of shape (R, bins)."""
        cases = self._weights.shape[1]
        cell = self._unit_case * BINS + metrics.equal_width_bins(self.units.probability)
        tables = _tables(cell, (cases, BINS), self.units.label, self.units.probability)
        return BinSums(*(self._weights @ table for table in tables))

    @cached_property
    def equal_mass(self) -> BinSums:
        """Sums over equal-mass bins, formed anew in each replicate, arrays of shape (R, bins)."""
        return equal_mass_sums(self._unit_case, self.units.label, self.units.probability, self._weights)

    def equal_mass_error(self, sample_only: bool = False) -> np.ndarray:
        """Return the calibration error in equal-mass bins of each replicate, bias of few cases removed, shape (R,).

        Args:
            sample_only: Whether only that of the sample is returned, shape (1,).
        """
        return corrected_error(self._equal_mass_gaps, self._understated, sample_only)

    def equal_width_error(self, sample_only: bool = False) -> np.ndarray:
        """Return the same in equally wide bins."""
        return corrected_error(self._equal_width_gaps, self._understated, sample_only)

    def raw_equal_mass_error(self) -> np.ndarray:
        """Return the calibration error in equal-mass bins as it is measured, shape (R,)."""
        return measured_error(self._equal_mass_gaps)

    def raw_equal_width_error(self) -> np.ndarray:
        """Return the same in equally wide bins, shape (R,)."""
        return measured_error(self._equal_width_gaps)

    @cached_property
    def _equal_mass_gaps(self) -> np.ndarray:
        return self._gaps(metrics.equal_mass_bins(self.units.probability))

    @cached_property
    def _equal_width_gaps(self) -> np.ndarray:
        return self._gaps(metrics.equal_width_bins(self.units.probability))

    def _gaps(self, bin_of: np.ndarray) -> np.ndarray:
        """Return (sum of labels - sum of probabilities) of each bin over the number of all units, shape (R, bins).

        Bins are those of the sample in all replicates: those that hold the same predictions.
        """
        cases = self._weights.shape[1]
        table = np.bincount(self._unit_case * BINS + bin_of, self.units.label - self.units.probability, cases * BINS)
        return ratio(self._weights @ table.reshape(cases, BINS), self.count[:, None])

    @cached_property
    def _understated(self) -> float:
        """By which resampling understates a standard error here.

        A class has as many cases as would give a mean the same variance if all had equally many units (Kish, Survey
        Sampling (1965), section 11.7), so that one large case among small ones counts as few.
        """
        units = [np.bincount(self._unit_case[self.units.label == value]) for value in (0, 1)]
        return understatement([each.sum() ** 2 / (each**2).sum() for each in units if len(each)])

    def _weighted_sum(self, values: np.ndarray) -> np.ndarray:
        return self._weights @ np.bincount(self._unit_case, values, self._weights.shape[1])


def concordant_pairs(units: Units, unit_case: np.ndarray, cases: int) -> np.ndarray:
    """Count the pairs of a benign and a malignant unit that are in the right order, for each pair of cases.

    Args:
        units: The scored units.
        unit_case: Position of each unit's case, in [0, cases), shape (n,).
        cases: Number of cases.

    Returns:
        Shape (cases, cases): row of the benign unit's case, column of the malignant one's; a tie counts one half.
    """
    table = np.zeros((cases, cases))
    malignant = units.label == 1
    scores, columns = units.probability[malignant], unit_case[malignant]
    for row in np.unique(unit_case[~malignant]):
        benign = np.sort(units.probability[~malignant & (unit_case == row)])
        table[row] = np.bincount(columns, metrics.wins(benign, scores), cases)
    return table
