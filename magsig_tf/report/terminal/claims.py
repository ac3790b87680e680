"""The claims as a table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claims
from magsig_tf.evaluation.claims.verdicts import Verdict
from magsig_tf.report.terminal.render import WIDTH

_STYLES = {Verdict.HOLDS: "bold", Verdict.DOES_NOT_HOLD: "bold", Verdict.INCONCLUSIVE: "", Verdict.NOT_RUN: "dim"}


def claims_table(claims: Claims, width: int = WIDTH) -> Table:
    """Draw the claims, numbered; below the statements the criteria of falsification.

    Args:
        claims: What to draw.
        width: Columns of text that the table takes.

    Returns:
        A table whose verdicts say where they rest on other data than the paper's.
    """
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, width=width)
    drawn.add_column("", justify="right", no_wrap=True)
    drawn.add_column("claim", ratio=37)
    drawn.add_column("paper", ratio=16)
    drawn.add_column("ours [interval]", ratio=21)
    drawn.add_column("verdict", ratio=18)
    for place, claim in enumerate(claims.claims, 1):
        following = claims.claims[place : place + 1]
        verdict = claim.finding.verdict
        other = f"\n({OTHER_DATA})" if claims.of_other_data else ""
        words = f"falsified if {claim.statement}" if claim.falsifies else claim.statement
        drawn.add_row(
            str(place),
            Text(words),
            Text(claim.stated.paper),
            Text(claim.finding.ours),
            Text(f"{verdict.value}{other}", style=_STYLES[verdict]),
            end_section=bool(following) and following[0].source != claim.source,
        )
    return drawn


def print_claims(claims: Claims, console: Console) -> None:
    """Print the table with a title above, and below it why each verdict is what it is.

    Args:
        claims: What to print.
        console: Where to.
    """
    console.print(Text(f"{claims.dataset}: the paper's claims, judged by these runs", style="bold"))
    console.print(claims_table(claims, min(WIDTH, console.width)))
    legend = (
        f"In brackets: 95 % interval, for equivalence 90 %, {claims.replicates} bootstraps over cases, both methods on "
        "the same draws. In parentheses: range over n runs, which is no interval."
    )
    console.print(Text(legend, style="dim"))
    for place, claim in enumerate(claims.claims, 1):
        console.print(Text(f"{place:2d}. {claim.why}"))
    for note in claims.notes:
        console.print(Text(note))
