"""How often a claim is decided although nothing is behind it: runs that share cases, and claims with many parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import click
import numpy as np
import pandas as pd

from magsig_tf.evaluation.claims.agreement import OverRuns, judge_agreement
from magsig_tf.evaluation.claims.verdicts import Estimate, Verdict, all_of, judge_direction
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import UNBOUNDED

CASES = (20, 20)
RUNS = (5, 20)
CORRELATIONS = (0.0, 0.3, 0.6)
"""Share of the variance of a run's number that comes from the cases, which all runs share."""
PARTS = (2, 4, 8)


@click.command(help=__doc__)
@click.option("--studies", default=4000, show_default=True, help="Simulated studies of each kind.")
@click.option("--draws", default=99, show_default=True, help="Draws of cases in each.")
def main(studies: int, draws: int) -> None:
    rows = [
        {"what": f"{runs} runs, correlation {share}", **_shares(agreement(runs, share, studies, draws))}
        for runs, share in product(RUNS, CORRELATIONS)
    ]
    rows += [{"what": f"{parts} parts", **_shares(refutations(parts, studies, draws))} for parts in PARTS]
    click.echo(pd.DataFrame(rows).to_string(index=False))


def agreement(runs: int, share: float, studies: int, draws: int) -> Iterator[tuple[bool, bool]]:
    """Draw runs whose numbers are 0 on average and yield whether a verdict falls by agreement alone, and by cases too.

    Args:
        runs: How many.
        share: Of the variance, that all have in common through their cases.
        studies: How many studies.
        draws: Draws of cases.
    """
    strata = np.repeat([0, 1], CASES)
    for number in range(studies):
        generator = generator_for("false verdicts", runs, share, number)
        drawn = case_multiplicities(strata, draws, generator.integers(2**31))
        case = generator.normal(size=len(strata))
        parts = [drawn[:, strata == label] @ case[strata == label] / CASES[label] for label in (0, 1)]
        of_cases = sum(parts) / np.sqrt(sum(1 / count for count in CASES))
        values = np.sqrt(share) * of_cases[:, None] + np.sqrt(1 - share) * generator.normal(size=runs)
        agrees = values[0] > 0
        over = OverRuns(values[0], values[1:], CASES)
        found = judge_agreement(list(agrees), "", float(values[0].mean()), "", over)
        yield bool(agrees.all() or not agrees.any()), found.verdict != Verdict.INCONCLUSIVE


def refutations(parts: int, studies: int, draws: int) -> Iterator[tuple[bool, bool]]:
    """Draw claims all of whose parts are at 0 and yield whether one is refuted, and the whole.

    Half of the variance of the parts is common to them.

    Args:
        parts: Of each claim.
        studies: How many claims.
        draws: Draws of cases.
    """
    for number in range(studies):
        generator = generator_for("false refutations", parts, number)
        values = np.sqrt(0.5) * (generator.normal() + generator.normal(size=parts))
        # a standard error of 1, as large as it is known to be
        spread = generator.normal(size=(draws, parts))
        estimates = [
            Estimate("", np.array([v, *(v + s)]), (200, 200), UNBOUNDED) for v, s in zip(values, spread.T, strict=True)
        ]
        findings = [judge_direction(estimate, 1) for estimate in estimates]
        alone = any(finding.verdict == Verdict.DOES_NOT_HOLD for finding in findings)
        yield alone, all_of(findings).verdict == Verdict.DOES_NOT_HOLD


def _shares(found: Iterator[tuple[bool, bool]]) -> dict[str, float]:
    before, now = np.array(list(found), float).mean(0)
    return {"uncorrected": round(float(before), 4), "now": round(float(now), 4)}


if __name__ == "__main__":
    main()
