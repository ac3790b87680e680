"""What each command prints of its results: a table as described in `report/tables`, and sentences below it.

Tables that load a statistics library are imported where they are printed, so that other commands stay quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import METRICS, Summary, summary_notes
from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claims
from magsig_tf.evaluation.claims.verdicts import Verdict
from magsig_tf.evaluation.comparison import Comparison, comparison_notes
from magsig_tf.report.tables.models import SHOWN, comparison_tables, summary_table
from magsig_tf.report.tables.probes import probe_tables
from magsig_tf.report.terminal.console import WIDTH, output_console
from magsig_tf.report.terminal.render import print_tables

if TYPE_CHECKING:
    from magsig_tf.evaluation.augmentation.explanation import Explanation
    from magsig_tf.signatures.study import SignatureStudy


def print_summary(
    summary: Summary, level: str = "image", metrics: Sequence[str] = SHOWN, console: Console | None = None
) -> None:
    """Print one level of a summary, a section for each holdout, with what its columns mean above and notes below.

    Args:
        summary: What to print.
        level: "image" or "case".
        metrics: Names of the metrics to show; the first is also shown in-domain and as a drop.
        console: Where to; standard output by default, 100 columns wide when that is no terminal.
    """
    table = summary_table(summary, level, metrics)
    print_tables([table], console or output_console(), summary_notes(summary, level, metrics))


def check_shown(metrics: Sequence[str], level: str) -> None:
    """Refuse a metric that is not defined at a level.

    Raises:
        UsageError: a metric belongs to the other level.
    """
    for name in metrics:
        if level not in METRICS[name].levels:
            remedy = f"Add --level {METRICS[name].levels[0]}"
            raise UsageError(f"Expected a metric of the {level} level", f"found {name!r}", remedy)


def print_comparison(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    """Print a table for each pair of configs, with what its columns mean above and notes below all of them.

    Args:
        comparison: What to print.
        metrics: Names of the metrics to show.
        console: Where to.
    """
    print_tables(comparison_tables(comparison, metrics), console, comparison_notes(comparison, metrics))


def print_explanation(explanation: Explanation, level: str, console: Console) -> None:
    """Print the table of one level, with what its columns mean above, and below it the conclusions.

    Args:
        explanation: What to print.
        level: "image" or "case".
        console: Where to.
    """
    from magsig_tf.evaluation.augmentation.explanation import explanation_notes
    from magsig_tf.report.tables.synthetic import explanation_of_level

    print_tables([explanation_of_level(explanation, level, explanation_notes(explanation, level))], console)


def print_quality(quality: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print the quality of a fold's GANs, with what its columns mean above and notes below.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
        title: Which GANs these are.
        notes: Sentences to print below, after those that the frame itself gives rise to.
        console: Where to.
    """
    from magsig_tf.report.tables.synthetic import quality_table

    print_tables([quality_table(quality, title, notes)], console)


def print_probes(frame: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print both tables of probes, with what their columns mean above and notes below.

    Args:
        frame: From `summarise_probes`.
        title: What was probed.
        notes: Sentences to print below.
        console: Where to.
    """
    print_tables(probe_tables(frame, title, notes), console)


def print_signatures(study: SignatureStudy, console: Console, missing: Sequence[str] = ()) -> None:
    """Print every table of a study, each with what its columns mean above and notes below.

    Args:
        study: What to print.
        console: Where to.
        missing: Sentences about runs that are not there.
    """
    from magsig_tf.report.tables.signatures import signature_tables

    print_tables(signature_tables(study), console, missing)


def print_claims(claims: Claims, console: Console) -> None:
    """Print the claims with a title above, and below them why each verdict is what it is.

    Args:
        claims: What to print.
        console: Where to.
    """
    console.print(Text(f"{claims.dataset}: the paper's claims, judged by these runs", style="bold"))
    console.print(_drawn_claims(claims, min(WIDTH, console.width)))
    legend = (
        f"In brackets: 95 % interval, for equivalence 90 %, {claims.replicates} bootstraps over cases, both methods on "
        "the same draws. In parentheses: range over n runs, which is no interval."
    )
    console.print(Text(legend, style="dim"))
    for line in [*(f"{place:2d}. {claim.why}" for place, claim in enumerate(claims.claims, 1)), *claims.notes]:
        console.print(Text(line))


_STYLES = {Verdict.HOLDS: "bold", Verdict.DOES_NOT_HOLD: "bold", Verdict.INCONCLUSIVE: "", Verdict.NOT_RUN: "dim"}


def _drawn_claims(claims: Claims, width: int) -> Table:
    """Return the claims, numbered, below the statements the criteria of falsification; other data are said."""
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, width=width)
    drawn.add_column("", justify="right", no_wrap=True)
    for title, share in {"claim": 37, "paper": 16, "ours [interval]": 21, "verdict": 18}.items():
        drawn.add_column(title, ratio=share)
    other = f"\n({OTHER_DATA})" if claims.of_other_data else ""
    for place, claim in enumerate(claims.claims, 1):
        following, verdict = claims.claims[place : place + 1], claim.finding.verdict
        words = f"falsified if {claim.statement}" if claim.falsifies else claim.statement
        cells = [Text(each) for each in (words, claim.stated.paper, claim.finding.ours)]
        ends = bool(following) and following[0].source != claim.source
        drawn.add_row(str(place), *cells, Text(f"{verdict.value}{other}", style=_STYLES[verdict]), end_section=ends)
    return drawn
