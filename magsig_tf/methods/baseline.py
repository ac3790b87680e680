"""Empirical risk minimisation: binary cross-entropy on the source magnifications, nothing else."""

from magsig_tf.methods.contract import Method


class Baseline(Method):
    """Binary cross-entropy on the pooled source magnifications."""
