"""The probes in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.console import Console

from magsig_tf.report.tables.probes import probe_tables
from magsig_tf.report.terminal.render import print_table


def print_probes(frame: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print both tables of probes, with what their columns mean above and notes below.

    Args:
        frame: From `summarise_probes`.
        title: What was probed.
        notes: Sentences to print below.
        console: Where to.
    """
    for table in probe_tables(frame, title, notes):
        print_table(table, console)
