"""The figures of the report: each computes a tidy frame once and draws it. Matplotlib is loaded when one is drawn."""

from magsig_tf.report.figures.base import Figure, Palette
from magsig_tf.report.figures.case_strips import CaseStrips
from magsig_tf.report.figures.curves import PooledCalibration, RiskCoverage, RocPerHoldout
from magsig_tf.report.figures.drop import HeldOutAgainstSource
from magsig_tf.report.figures.forest import PairedDifferences
from magsig_tf.report.figures.metrics import MetricsPerHoldout
from magsig_tf.report.figures.overlap import SignatureOverlap
from magsig_tf.report.figures.probe_bars import ProbeBars
from magsig_tf.report.figures.real_and_synthetic import RealAndSynthetic
from magsig_tf.report.figures.signature_size import SignatureSize
from magsig_tf.report.figures.split_diagram import SplitDiagram
from magsig_tf.report.figures.training_curves import TrainingCurves

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
