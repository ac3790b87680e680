"""A run's sparse signature as a served model carries it: plain arrays, and the same arithmetic in the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy.special import expit


@dataclass(frozen=True)
class SparseSignature:
    """The sparse classifier of embeddings, with its standardisation.

    Args:
        indices: The k selected dimensions, (k,).
        coefficients: Theirs, of the standardised embedding, (k,).
        intercept: Of the classifier.
        mean: Of each selected dimension over the training rows, (k,).
        scale: Its standard deviation, (k,).
        dimensions: Length p of the embedding.
        penalty: lambda of the fit.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    intercept: float
    mean: np.ndarray
    scale: np.ndarray
    dimensions: int
    penalty: float

    def probability(self, embedding: tf.Tensor) -> tf.Tensor:
        """Return the probability of malignant.

        Args:
            embedding: float32 [batch, p].

        Returns:
            float32 [batch, 1], calculated in float64 as the signature was fitted.
        """
        chosen = tf.cast(tf.gather(embedding, self.indices.astype(np.int32), axis=1), tf.float64)
        standardised = (chosen - self.mean.astype(np.float64)) / self.scale.astype(np.float64)
        score = tf.linalg.matvec(standardised, tf.constant(self.coefficients, tf.float64)) + self.intercept
        return tf.cast(tf.sigmoid(score), tf.float32)[:, tf.newaxis]

    def probability_of(self, embedding: np.ndarray) -> np.ndarray:
        """Return the same for an array, float64 (n,): what the graph is held against."""
        standardised = (np.asarray(embedding)[:, self.indices].astype(np.float64) - self.mean) / self.scale
        return expit(standardised @ self.coefficients + self.intercept)

    def facts(self) -> dict[str, object]:
        """Return what `export.json` says of it."""
        return {
            "size": len(self.indices),
            "dimensions": self.dimensions,
            "penalty": self.penalty,
            "intercept": self.intercept,
            "indices": self.indices.tolist(),
            "coefficients": self.coefficients.tolist(),
        }
