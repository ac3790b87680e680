"""The search for copies in a set of images: `find_copies`.

Small grey pictures are made of all images; landmarks of these point to pairs that may be copies (`candidates`), and the
pixels decide (`alignment`). Memory: some 6 kilobytes an image. Why these numbers: docs/decisions/029-copies.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from magsig_tf.data.copies.alignment import Alignments, align
from magsig_tf.data.copies.candidates import Candidates, LandmarkIndex, candidates
from magsig_tf.data.copies.landmarks import LEVELS, Landmarks, landmarks, poses
from magsig_tf.data.copies.pictures import SIDE, Pictures, small_pictures
from magsig_tf.data.copies.repetition import repeats
from magsig_tf.parallel_work import map_in_threads

LEAST_SIDE = 24
"""Images of fewer pixels a side show too little to tell a copy from another image."""

BLOCK = 128
LEAST_CORRELATION = 0.75
LEAST_ALIKE = 0.85
"""Share of patches: the lowest of copies was .97, the highest of unrelated pictures of a few discs .73."""

FEWEST_PATCHES, FEWEST_PATCHES_OF_WHOLE = 16, 6
"""Patches that show something: unrelated pictures of a few discs had up to 13 alike, if not over their whole field."""
LARGER_SHARE, SMALLER_SHARE = 0.5, 0.3
"""Of the areas of two copies, this much at least is the same field (a crop of 70 % is .49 of its original)."""

SAME_FIELD = 0.9
SAME_SCALE = 0.06

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Copies:
    """Copies among images.

    Args:
        pairs: One row a pair, by position: `first` < `second`, `relation` in words, `correlation` of the pixels (0 to
            1), `share` (the smaller of the two images' shares that is the same field). Of many copies of one image not
            every pair is listed, but enough to link them all.
        plain: Images too even to be compared otherwise than pixel by pixel, bool [n].
        repeating: Images of a repeating pattern, the same, bool [n].
        searched: Whether copies were looked for; False where the images are too small for it.
    """

    pairs: pd.DataFrame
    plain: np.ndarray
    repeating: np.ndarray
    searched: bool


def find_copies(
    images: np.ndarray,
    pixel_sha256: Sequence[str],
    *,
    threads: int = 1,
    near: bool = True,
    progress: Progress = lambda share: None,
) -> Copies:
    """Find copies: identical images, and those mirrored, turned, cropped, shifted, recoloured or saved again.

    Args:
        images: uint8 [n, height, width, 3], read block by block.
        pixel_sha256: Hash of each one's pixels.
        threads: Threads to use; the result does not depend on it.
        near: False looks for identical images only.
        progress: Told the share that is done, 0 to 1.
    """
    count = len(images)
    plain, repeating = np.zeros(count, bool), np.zeros(count, bool)
    if not count:
        return Copies(_NONE, plain, repeating, False)
    searched = near and min(images.shape[1:3]) >= LEAST_SIDE
    pairs = [_identical(pixel_sha256)]
    with threadpool_limits(1, "blas"):
        small = _small(images, searched, threads, progress)
        plain |= small.plain
        if searched:
            first_of = ~pd.Series(list(pixel_sha256)).duplicated().to_numpy()
            rows = np.flatnonzero(first_of & ~plain)
            found = _near_copies(small.of(rows), threads, progress)
            both = np.unique(found[["first", "second"]].to_numpy())
            repeating[rows[both[repeats(small.of(rows[both]))]]] = True
            found[["first", "second"]] = rows[found[["first", "second"]].to_numpy()]
            pairs.append(found[~(repeating[found["first"]] & repeating[found["second"]])])
    progress(1.0)
    table = _joined(pairs)
    table = table[~plain[table["first"]] & ~plain[table["second"]]]
    return Copies(table.sort_values(["first", "second"], ignore_index=True), plain, repeating, searched)


def _small(images: np.ndarray, with_grey: bool, threads: int, progress: Progress) -> Pictures:
    """Return the small pictures of all images; without their pixels only what decides which are plain."""
    grey = np.empty((len(images) if with_grey else 0, SIDE, SIDE), np.uint8)
    within = np.empty((len(images), 4), np.int16)

    def fill(block: slice) -> None:
        part = small_pictures(images[block])
        within[block] = part.within
        if with_grey:
            grey[block] = part.grey

    _in_blocks(fill, len(images), threads, progress, 0.0, 0.3)
    return Pictures(grey, within)


def _in_blocks(function: Callable, count: int, threads: int, progress: Progress, start: float, end: float) -> list:
    blocks = [slice(begin, min(begin + BLOCK, count)) for begin in range(0, count, BLOCK)]
    results = []
    for result in map_in_threads(function, blocks, threads):
        results.append(result)
        progress(start + (end - start) * len(results) / len(blocks))
    return results


def identical_copies(pixel_sha256: Sequence[str], plain: np.ndarray) -> Copies:
    """Return the identical ones alone, for what has no pixels to compare.

    Args:
        pixel_sha256: Hash of each one's values.
        plain: Those that are no copies of anything, since they show nothing, bool [n].
    """
    pairs = _identical(pixel_sha256)
    told = ~plain[pairs["first"]] & ~plain[pairs["second"]]
    return Copies(pairs[told].reset_index(drop=True), plain, np.zeros(len(plain), bool), False)


def _identical(pixel_sha256: Sequence[str]) -> pd.DataFrame:
    hashes = pd.Series(list(pixel_sha256), dtype=object)
    second = np.flatnonzero(hashes.duplicated())
    position = hashes.drop_duplicates()
    first = hashes.iloc[second].map(pd.Series(position.index, index=position)).to_numpy(np.int64)
    return _table(first, second, ["identical"] * len(second), np.ones(len(second)), np.ones(len(second)))


def _table(
    first: np.ndarray, second: np.ndarray, relation: Sequence[str], correlation: np.ndarray, share: np.ndarray
) -> pd.DataFrame:
    columns = {"first": first, "second": second, "relation": relation, "correlation": correlation, "share": share}
    return pd.DataFrame(columns).astype({"first": np.int64, "second": np.int64, "relation": object})


_NONE = _table(np.empty(0), np.empty(0), [], np.empty(0), np.empty(0))


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    # pandas before 3 warns where one of them is empty
    return pd.concat([table for table in tables if len(table)] or [_NONE])


def _near_copies(pictures: Pictures, threads: int, progress: Progress) -> pd.DataFrame:
    count = len(pictures.grey)
    if count < 2:
        return _NONE

    def at_their_scale(block: slice) -> Landmarks:
        return landmarks(pictures.grey[block].astype(np.float32), 0)

    parts = _in_blocks(at_their_scale, count, threads, progress, 0.3, 0.4)
    index = LandmarkIndex(Landmarks.joined(parts, [min(BLOCK, count - start) for start in range(0, count, BLOCK)]))

    def of_block(block: slice) -> pd.DataFrame:
        numbers = np.arange(block.start, block.stop)
        grey = pictures.grey[block].astype(np.float32)
        asked = [landmarks(grey, level) for level in range(len(LEVELS))]
        pairs = candidates(index, asked, numbers)
        return _joined([_verified(pictures, numbers, pairs.of(part)) for part in _parts(len(pairs.first))])

    found = _joined(_in_blocks(of_block, count, threads, progress, 0.4, 1.0))
    # a pair may be found from either side
    best = found.sort_values("correlation", ascending=False, kind="stable")
    return best.drop_duplicates(["first", "second"]).sort_values(["first", "second"], ignore_index=True)


def _parts(count: int) -> Iterator[slice]:
    return (slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK))


def _verified(pictures: Pictures, numbers: np.ndarray, pairs: Candidates) -> pd.DataFrame:
    first, second = numbers[pairs.first], pairs.second
    laid = align(pictures.of(first), pictures.of(second), pairs)
    shares = np.stack([laid.first_share, laid.second_share])
    copies = (laid.correlation >= LEAST_CORRELATION) & (shares.min(0) >= SMALLER_SHARE)
    enough = np.where(shares.min(0) >= SAME_FIELD, FEWEST_PATCHES_OF_WHOLE, FEWEST_PATCHES)
    copies &= (shares.max(0) >= LARGER_SHARE) & (laid.alike >= LEAST_ALIKE) & (laid.patches >= enough)
    chosen = np.flatnonzero(copies)
    relation = [_in_words(int(pairs.pose[one]), laid, one) for one in chosen.tolist()]
    low, high = np.minimum(first, second)[chosen], np.maximum(first, second)[chosen]
    return _table(low, high, relation, laid.correlation[chosen].round(3), shares.min(0)[chosen].clip(max=1).round(3))


def _in_words(pose: int, laid: Alignments, one: int) -> str:
    """Return how one copy differs from the other, such as "mirrored, crop"."""
    matrix = poses()[pose]
    turned = "turned 180°" if matrix[0, 0] == -1 and matrix[1, 1] == -1 else "turned 90°" if matrix[0, 0] == 0 else ""
    mirrored = round(np.linalg.det(matrix)) < 0
    orientation = {True: "mirrored" + (" and turned 90°" if turned else ""), False: turned}[mirrored]
    share = min(laid.first_share[one], laid.second_share[one])
    larger = max(laid.first_share[one], laid.second_share[one])
    rescaled = (np.abs(laid.scale[one] - 1) > SAME_SCALE).any()
    field = "crop" if rescaled and larger > share + SAME_SCALE else "" if share >= SAME_FIELD else "shifted"
    return ", ".join(filter(None, (orientation, field))) or "same field, other pixels"
