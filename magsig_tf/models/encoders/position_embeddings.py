"""Position embeddings of a vision transformer for another number of patches, interpolated as PyTorch does."""

from __future__ import annotations

import numpy as np


def resized_positions(positions: np.ndarray, rows: int, columns: int, smooth: bool) -> np.ndarray:
    """Return position embeddings for a map of patches of another size, by bicubic interpolation.

    Args:
        positions: The class token's, then those of a square map row by row, (1, 1 + side * side, width).
        rows: Patches in a column of the map that is wanted.
        columns: Patches in a row of it.
        smooth: Widen the kernel where the map gets smaller, as DINOv2 with registers does and ViT and DINOv2 do not.

    Returns:
        float32 (1, 1 + rows * columns, width).

    Source: `torch.nn.functional.interpolate(mode="bicubic", align_corners=False, antialias=smooth)`.
    """
    side = round((positions.shape[1] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return positions
    weights = _smooth_weights if smooth else _weights
    grid = positions[0, 1:].reshape(side, side, -1).astype(np.float64)
    resized = np.einsum("ri,cj,ijw->rcw", weights(side, rows), weights(side, columns), grid, optimize=True)
    patches = resized.reshape(1, rows * columns, -1).astype(np.float32)
    return np.concatenate([positions[:, :1], patches], axis=1)


def _weights(before: int, after: int) -> np.ndarray:
    """Return the weights of four neighbours of each output, (after, before); beyond the edge the edge is repeated."""
    place = (np.arange(after) + 0.5) * before / after - 0.5
    first = np.floor(place).astype(int)
    found = np.zeros((after, before))
    for offset in range(-1, 3):
        index = np.clip(first + offset, 0, before - 1)
        np.add.at(found, (np.arange(after), index), _cubic(place - first - offset, -0.75))
    return found


def _smooth_weights(before: int, after: int) -> np.ndarray:
    """Return the weights under a kernel as wide as the coarser of the two maps needs; it ends at the edge."""
    scale = before / after
    stretch = max(scale, 1.0)
    centre = (np.arange(after)[:, None] + 0.5) * scale
    index = np.arange(before)[None, :]
    low, high = np.floor(centre - 2 * stretch + 0.5), np.floor(centre + 2 * stretch + 0.5)
    inside = (index >= low) & (index < high)
    found = np.where(inside, _cubic((index - centre + 0.5) / stretch, -0.5), 0.0)
    return found / found.sum(axis=1, keepdims=True)


def _cubic(distance: np.ndarray, steepness: float) -> np.ndarray:
    """Return Keys's cubic convolution kernel (1981, equation 4); PyTorch takes -0.75, and -0.5 where it smooths."""
    x, a = np.abs(distance), steepness
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
