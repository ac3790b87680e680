"""From embeddings to sparse signatures. Arrays and files only; imports no TensorFlow."""

from magsig_tf.signatures.sparse_path import SparsePath, largest_penalty, penalty_path, solve_at, sparse_path

__all__ = ["SparsePath", "largest_penalty", "penalty_path", "solve_at", "sparse_path"]
