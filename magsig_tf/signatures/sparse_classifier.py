"""The sparse classifier of one source: the one place that calls the sparse path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.signatures.embeddings_file import Embeddings


@dataclass(frozen=True)
class SparseClassifier:
    """A signature and the classifier that it belongs to.

    Args:
        selected: Which dimensions have a coefficient other than 0, booleans of shape (p,).
        penalty: The chosen lambda, on the mean loss.
        rows: Number n of training rows.
        gap: Duality gap reached, as a share of the objective.
        remarks: What a reader must know of it, in words: an edge of the path, constant dimensions.
        predict: Takes an embedding (n, p), returns the probability of malignant (n,).
    """

    selected: np.ndarray
    penalty: float
    rows: int
    gap: float
    remarks: tuple[str, ...]
    predict: Callable[[np.ndarray], np.ndarray] = field(repr=False)

    @property
    def size(self) -> int:
        """Number k of dimensions in the signature."""
        return int(self.selected.sum())


def fit_sparse_classifier(train: Embeddings) -> SparseClassifier:
    """Fit the path on training rows and keep the sparsest solution within one standard error.

    Raises:
        DataError: a class is empty, there are fewer cases than folds, or nothing varies.
    """
    from magsig_tf.signatures.signature import fit_signature

    signature = fit_signature(train.embedding, train.label, train.case)
    selected = np.zeros(train.dimensions, bool)
    selected[signature.indices] = True
    return SparseClassifier(selected, signature.penalty, len(train), signature.gap, (), signature.predict)


@dataclass(frozen=True)
class SelectAt:
    """Selects dimensions at a fixed lambda; an object of a module's class, so that worker processes can receive it.

    Args:
        penalty: lambda, on the mean loss.
    """

    penalty: float

    def __call__(self, embedding: np.ndarray, label: np.ndarray, case: np.ndarray) -> np.ndarray:
        """Return which dimensions are selected from some rows, which are standardised anew, booleans of shape (p,)."""
        from magsig_tf.signatures.sparse_path import solve_at

        return solve_at(standardised(embedding), label, self.penalty).coefficients[0] != 0


def standardised(embedding: np.ndarray) -> np.ndarray:
    """Return each dimension with mean 0 and standard deviation 1 over the rows; 0 where it does not vary."""
    embedding = np.asarray(embedding, np.float64)
    varies = np.ptp(embedding, axis=0) > 0
    return np.where(varies, (embedding - embedding.mean(0)) / np.where(varies, embedding.std(0), 1.0), 0.0)
