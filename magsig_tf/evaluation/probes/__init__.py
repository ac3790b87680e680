"""Probes of frozen embeddings: what they still reveal about magnification, case and known factors."""

from magsig_tf.evaluation.probes.case_and_factors import FactorAnswers, IdentityAnswers, factor_probe, identity_probe
from magsig_tf.evaluation.probes.magnification import (
    KINDS,
    MagnificationAnswers,
    magnification_probe,
    shuffled_magnifications,
)

__all__ = ["KINDS", "FactorAnswers", "IdentityAnswers", "MagnificationAnswers"]
__all__ += ["factor_probe", "identity_probe", "magnification_probe", "shuffled_magnifications"]
