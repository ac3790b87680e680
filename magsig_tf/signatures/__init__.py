"""From embeddings to sparse signatures. Arrays and files only; imports no TensorFlow."""

from magsig_tf.signatures.cross_validation import CrossValidation, cross_validate
from magsig_tf.signatures.signature import FittedSignatures, Signature, fit_signature, fit_signatures
from magsig_tf.signatures.sparse_path import SparsePath, fit_sparse_path, largest_penalty, penalty_path, solve_at

__all__ = [
    "CrossValidation",
    "FittedSignatures",
    "Signature",
    "SparsePath",
    "cross_validate",
    "fit_signature",
    "fit_signatures",
    "fit_sparse_path",
    "largest_penalty",
    "penalty_path",
    "solve_at",
]
