"""Sums over equal-mass bins of every bootstrap replicate, without running over all units in each.

Units are sorted by probability and cut into short blocks. Sums over whole blocks are additive over cases (one matrix
product for all replicates); only the blocks that hold a bin edge are looked into. The result is that of
`calibration.equal_mass_bins` on the resampled data: a unit of probability p is in bin floor(bins * weight of the units
below p / weight of all), so equal probabilities share a bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.evaluation.calibration import BINS, BinSums

CHUNK_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class _Blocks:
    """Units in sorted order, padded to whole blocks; the padding belongs to a case of weight 0.

    Args:
        case: Shape (blocks, length).
        label: Shape (blocks, length).
        probability: Shape (blocks, length).
        next_start: For each position, the first position at or after it where a new probability begins; shape (n + 1,).
    """

    case: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    next_start: np.ndarray

    @property
    def length(self) -> int:
        return self.case.shape[1]


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
    block_of_unit = np.arange(len(blocks.case))[:, None]
    cell = (blocks.case * len(blocks.case) + block_of_unit).ravel()
    shape = (cases + 1, len(blocks.case))
    tables = [
        np.bincount(cell, values, np.prod(shape)).reshape(shape)
        for values in (None, blocks.label.ravel(), blocks.probability.ravel())
    ]
    size = max(1, CHUNK_ELEMENTS // max(BINS * blocks.length, len(blocks.case)))
    chunks = [_sums(blocks, tables, padded[row : row + size], len(case)) for row in range(0, len(weights), size)]
    return BinSums(*(np.concatenate(arrays) for arrays in zip(*chunks, strict=True)))


def _cut(case: np.ndarray, label: np.ndarray, probability: np.ndarray, cases: int) -> _Blocks:
    order = np.argsort(probability, kind="stable")
    n = len(order)
    # balances the matrix product over blocks against the look into single blocks (measured)
    length = int(np.clip(np.sqrt(cases * n / 700), 8, 512))
    fill = -n % length
    values = probability[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    next_start = starts[np.searchsorted(starts, np.arange(n + 1))]
    columns = ((case[order], cases), (label[order].astype(float), 0.0), (values, 0.0))
    return _Blocks(*(np.pad(c, (0, fill), constant_values=pad).reshape(-1, length) for c, pad in columns), next_start)


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
