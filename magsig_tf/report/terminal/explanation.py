"""The explanation in the terminal."""

from __future__ import annotations

from rich.console import Console

from magsig_tf.evaluation.augmentation.explanation import Explanation, explanation_notes
from magsig_tf.report.tables.explanation import explanation_of_level
from magsig_tf.report.terminal.render import print_table


def print_explanation(explanation: Explanation, level: str, console: Console) -> None:
    """Print the table of one level, with what its columns mean above, and below it the conclusions.

    Args:
        explanation: What to print.
        level: "image" or "case".
        console: Where to.
    """
    print_table(explanation_of_level(explanation, level, explanation_notes(explanation, level)), console)
