"""Linear centred kernel alignment: whether two embeddings arrange the same images alike, whatever their axes."""

from __future__ import annotations

import numpy as np

from magsig_tf.errors import DataError


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two embeddings of the same images.

    It does not change when an embedding is rotated, its dimensions are permuted, or all are scaled by one factor. With
    fewer images than dimensions it is high for unrelated embeddings too.

    Args:
        first: Embedding, shape (n, p).
        second: Embedding of the same images in the same order, shape (n, q).

    Returns:
        A value in [0, 1]; NaN where an embedding does not vary.

    Raises:
        DataError: the two do not have the same number of rows.

    Source: Kornblith, Norouzi, Lee and Hinton, ICML 2019, section 3, in the form ||Y'X||^2 / (||X'X|| ||Y'Y||).
    """
    first, second = _centred(first), _centred(second)
    if len(first) != len(second):
        raise DataError(
            "Expected two embeddings of the same images",
            f"found {len(first)} and {len(second)} rows",
            "Choose the rows that both have",
        )
    if not first.any() or not second.any():
        return float("nan")
    scale = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    return float(np.linalg.norm(second.T @ first) ** 2 / scale)


def _centred(embedding: np.ndarray) -> np.ndarray:
    embedding = np.asarray(embedding, np.float64)
    # a constant dimension is exactly zero, whatever its mean was rounded to
    return np.where(np.ptp(embedding, axis=0) > 0, embedding - embedding.mean(0), 0.0)
