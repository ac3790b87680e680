"""The figures of the report: each computes a tidy frame once and draws it. Matplotlib is loaded when one is drawn."""

from magsig_tf.report.figures.base import Figure, Palette
from magsig_tf.report.figures.curves import PooledCalibration, RiskCoverage, RocPerHoldout, TrainingCurves
from magsig_tf.report.figures.intervals import (
    HeldOutAgainstSource,
    MetricsPerHoldout,
    PairedDifferences,
    ProbeBars,
    SignatureSize,
)
from magsig_tf.report.figures.maps import CaseStrips, SignatureOverlap, SplitDiagram
from magsig_tf.report.figures.pictures import RealAndSynthetic

__all__ = [
    "CaseStrips",
    "Figure",
    "HeldOutAgainstSource",
    "MetricsPerHoldout",
    "PairedDifferences",
    "Palette",
    "PooledCalibration",
    "ProbeBars",
    "RealAndSynthetic",
    "RiskCoverage",
    "RocPerHoldout",
    "SignatureOverlap",
    "SignatureSize",
    "SplitDiagram",
    "TrainingCurves",
]
