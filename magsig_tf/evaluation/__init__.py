"""From the predictions of finished runs to numbers with intervals. Reads files only; imports no TensorFlow."""

from magsig_tf.evaluation.catalogue import METRICS, Metric
from magsig_tf.evaluation.matrix import Group, Matrix, arrange
from magsig_tf.evaluation.notes import summary_notes
from magsig_tf.evaluation.runs import LoadedRuns, Run, load_runs
from magsig_tf.evaluation.summary import Summary, summarise

__all__ = [
    "METRICS",
    "Group",
    "LoadedRuns",
    "Matrix",
    "Metric",
    "Run",
    "Summary",
    "arrange",
    "load_runs",
    "summarise",
    "summary_notes",
]
