"""The sparse classifier of one source: the one place that calls the sparse path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.data.embeddings_file import Embeddings

SATURATED = "saturated: nearly every dimension is selected, its overlap with others is trivial"


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


def fit_sparse_classifier(train: Embeddings, *names: object) -> SparseClassifier:
    """Fit the path on training rows and keep the sparsest solution within one standard error.

    Args:
        train: The training rows.
        names: What this is for: they seed the deal of cases into folds.

    Raises:
        DataError: a class is empty, there are fewer cases than folds, or nothing varies.
    """
    from magsig_tf.signatures.signature import fit_signature

    signature = fit_signature(train.embedding, train.label, train.case, names=names)
    selected = np.zeros(train.dimensions, bool)
    selected[signature.indices] = True
    constant = signature.constant_dimensions
    remarks = [
        words
        for holds, words in (
            (signature.saturated, SATURATED),
            (signature.at_sparse_edge, "the choice is the first lambda of the path"),
            (signature.at_dense_edge, "the choice is the last lambda of the path, a smaller one might do better"),
            (constant, f"{constant} constant dimension{'s' if constant > 1 else ''} left out"),
        )
        if holds
    ]
    return SparseClassifier(
        selected, signature.penalty, len(train), signature.gap, tuple(remarks), predict=signature.predict
    )


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
        from magsig_tf.signatures.standardise import fit_scaling

        features = fit_scaling(embedding).apply(embedding)
        return solve_at(features, label, self.penalty).coefficients[0] != 0
