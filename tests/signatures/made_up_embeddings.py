"""Embeddings with a known set of informative dimensions, by case, for the tests of signatures."""

from __future__ import annotations

import numpy as np

from magsig_tf.seeding import generator_for


def made_up_embedding(
    *,
    cases: int = 40,
    images: int = 5,
    dimensions: int = 30,
    informative: int = 4,
    strength: float = 1.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embedding (n, p) float32, label (n,) and case (n,).

    The first `informative` dimensions shift with the label. Neighbouring dimensions are correlated, and images of a
    case share a part of their embedding.
    """
    draw = generator_for("made-up embedding", seed)
    label = np.repeat(np.arange(cases) % 2, images)
    case = np.repeat([f"case-{number:03d}" for number in range(cases)], images)
    shared = np.repeat(draw.normal(size=(cases, dimensions)), images, axis=0)
    own = draw.normal(size=(cases * images, dimensions))
    embedding = 0.4 * shared + own
    embedding[:, 1:] += 0.5 * embedding[:, :-1]
    embedding[:, :informative] += strength * label[:, None]
    return (3.0 + 2.0 * embedding).astype(np.float32), label, case


def standardised(embedding: np.ndarray) -> np.ndarray:
    """Return the embedding with mean 0 and standard deviation 1 in each dimension."""
    embedding = embedding.astype(np.float64)
    return (embedding - embedding.mean(axis=0)) / embedding.std(axis=0)
