"""From the predictions of finished runs to numbers with intervals. Reads files only; imports no TensorFlow."""

from magsig_tf.evaluation.cells.catalogue import METRICS, Metric
from magsig_tf.evaluation.summary.frame import Summary, summarise
from magsig_tf.evaluation.summary.notes import summary_notes
from magsig_tf.runs.matrix import Group, Matrix, arrange
from magsig_tf.runs.run import LoadedRuns, Run, load_runs

__all__ = ["METRICS", "Group", "LoadedRuns", "Matrix", "Metric", "Run", "Summary"]
__all__ += ["arrange", "load_runs", "summarise", "summary_notes"]
