"""Result frames drawn as tables. Draws only: every number comes from `magsig_tf.evaluation`."""

from magsig_tf.report.terminal.results import print_summary

__all__ = ["print_summary"]
