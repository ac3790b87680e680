"""Pairs of pictures that may be copies: they share landmarks that agree on how one picture lies on the other.

Codes are looked up in tables by parts of their bits, so the work grows with the number of pictures and not with that of
their pairs. Where thousands of landmarks look alike, each is compared with the next few only: 10,000 copies of one
picture become a chain and not fifty million pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from magsig_tf.data.copies.landmarks import Landmarks, poses

TABLES = 3
KEY_BITS = 20
MOST_ALIKE = 24
"""Landmarks looked at in one bucket of a table."""

MOST_DIFFERING_BITS = 7
MOST_PARTNERS = 12
"""Pairs of one picture, those with most agreeing landmarks."""

FEWEST_AGREEING = 3
BIN = 6.0
"""Landmarks agree whose shift is the same within so many pixels."""


@dataclass(frozen=True)
class Candidates:
    """Pairs that may be copies, each with one way in which the first may lie on the second.

    Args:
        first: Position among the pictures asked for, int64 (n,).
        second: Position among the pictures of the index, (n,).
        pose: Relative orientation 0 to 7: `poses()[pose]` takes directions of the first to those of the second, (n,).
        level: Index into `LEVELS`: how the first is stretched, (n,).
        shift: y and x that the middle of the first is away from that of the second, in its pixels of `SIDE`, (n, 2).
        agreeing: Number of landmarks that agree, (n,).
    """

    first: np.ndarray
    second: np.ndarray
    pose: np.ndarray
    level: np.ndarray
    shift: np.ndarray
    agreeing: np.ndarray

    def of(self, chosen: np.ndarray | slice) -> Candidates:
        """Return some of the pairs."""
        names = ("first", "second", "pose", "level", "shift", "agreeing")
        return Candidates(*(getattr(self, name)[chosen] for name in names))


class LandmarkIndex:
    """Landmarks of all pictures, to be found again by their codes.

    Args:
        all_landmarks: Of all pictures at level 0, in the order of the pictures.
    """

    def __init__(self, all_landmarks: Landmarks):
        self.landmarks = all_landmarks
        self._tables = []
        for table in range(TABLES):
            key = _key(all_landmarks, table)
            order = np.argsort(key, kind="stable").astype(np.int32)
            begin = np.zeros(2 ** (KEY_BITS + 1) + 1, np.int32)
            np.cumsum(np.bincount(key, minlength=2 ** (KEY_BITS + 1)), out=begin[1:])
            self._tables.append((begin, order))

    def hits(self, asked: Landmarks, number: np.ndarray, stretched: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs (position among `asked`, position in the index) of landmarks with nearly the same code.

        Args:
            asked: Landmarks of some pictures.
            number: Number of each of their pictures in the index; a picture never meets itself.
            stretched: False meets only pictures of a higher number.
        """
        pairs = []
        for table, (begin, order) in enumerate(self._tables):
            key = _key(asked, table)
            start = begin[key]
            count = begin[key + 1] - start
            looked_at = np.minimum(count, MOST_ALIKE)
            who = np.repeat(np.arange(len(key)), looked_at)
            step = np.arange(len(who)) - np.repeat(np.cumsum(looked_at) - looked_at, looked_at)
            # in a large bucket each picture begins elsewhere
            large = np.flatnonzero((count > MOST_ALIKE)[who])
            step[large] = (step[large] + number[who[large]] * 40503) % count[who[large]]
            found = order[start[who] + step]
            differing = asked.code[who] ^ self.landmarks.code[found]
            near = np.bitwise_count(differing) <= MOST_DIFFERING_BITS
            who, found, differing = who[near], found[near], differing[near]
            # pictures as they are meet in one direction only
            there = self.landmarks.picture[found]
            new = there != number[who] if stretched else there > number[who]
            for earlier in range(table):  # else an earlier table has it already
                new &= (differing & _mask(earlier)) != 0
            pairs.append((who[new], found[new]))
        whos, founds = zip(*pairs, strict=True)
        return np.concatenate(whos), np.concatenate(founds)


def _key(some: Landmarks, table: int) -> np.ndarray:
    key = (some.code & _mask(table)) >> np.uint64(table * KEY_BITS)
    return key.astype(np.int64) * 2 + some.bright


def _mask(table: int) -> np.uint64:
    return np.uint64((2**KEY_BITS - 1) << (table * KEY_BITS))


def candidates(index: LandmarkIndex, asked: list[Landmarks], number: np.ndarray) -> Candidates:
    """Return the pairs whose landmarks agree.

    Args:
        index: Of all pictures.
        asked: Landmarks of some of them at each level.
        number: Number of each of those pictures in the index.
    """
    found = [_votes(index, some, level, number) for level, some in enumerate(asked)]
    first, second, pose, level, shift, agreeing = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # the best way of each pair
    order = np.lexsort((level, -agreeing, second, first))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    best = order[new]
    best = best[np.lexsort((-agreeing[best], first[best]))]
    rank = np.arange(len(best)) - np.searchsorted(first[best], first[best])
    return Candidates(first, second, pose, level, shift, agreeing).of(best[rank < MOST_PARTNERS])


def _votes(index: LandmarkIndex, asked: Landmarks, level: int, number: np.ndarray) -> tuple[np.ndarray, ...]:
    who, found = index.hits(asked, number[asked.picture], level > 0)
    there = index.landmarks
    pose = _relative()[asked.pose[who], there.pose[found]]
    turned = np.einsum("nij,nj->ni", poses()[pose], asked.place[who])
    shift = there.place[found] - turned
    first, second = asked.picture[who], there.picture[found].astype(np.int64)
    results = []
    for half in (0.0, 0.5):  # two grids, so that a shift on the border of one bin is inside of another
        cell = np.floor(shift / BIN + half).astype(np.int64) + 64
        key = ((((first << 28) | second) << 3 | pose) << 7 | cell[:, 0]) << 7 | cell[:, 1]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        count = np.diff(starts, append=len(key))
        enough = count >= FEWEST_AGREEING
        starts, count = starts[enough], count[enough]
        if not len(starts):
            continue
        one = order[starts]
        total = np.cumsum(np.concatenate([np.zeros((1, 2)), shift[order]]), axis=0)
        mean = (total[starts + count] - total[starts]) / count[:, None]
        results.append((first[one], second[one], pose[one], np.full(len(one), level), mean, count))
    if not results:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing, nothing, np.empty((0, 2)), nothing
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


@cache
def _relative() -> np.ndarray:
    """Return the pose that takes the first's directions to the second's, for each pair of their poses, [8, 8]."""
    matrices = poses()
    table = np.zeros((8, 8), np.int64)
    for first in range(8):
        for second in range(8):
            wanted = matrices[second].T @ matrices[first]
            table[first, second] = next(pose for pose in range(8) if (matrices[pose] == wanted).all())
    return table
