"""The quality of a fold's GANs in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.console import Console

from magsig_tf.report.tables.gans import quality_table
from magsig_tf.report.terminal.render import print_table


def print_quality(quality: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print the table, with what its columns mean above and notes below.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
        title: Which GANs these are.
        notes: Sentences to print below, after those that the frame itself gives rise to.
        console: Where to.
    """
    print_table(quality_table(quality, title, notes), console)
