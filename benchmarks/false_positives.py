"""How often two models that are equally good are called different, at .05, with few clustered cases: a simulation."""

from __future__ import annotations

import click
import numpy as np
import pandas as pd

from benchmarks.clustered_answers import Study
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import Bootstrapped, holm, p_value
from magsig_tf.statistics.replicates import Replicates, case_units

CASES = {"5+15": (5, 15), "8+8": (8, 8), "20+20": (20, 20)}
"""Benign and malignant."""
AUC = 0.85
HOLDOUTS = 4
"""Tests in a family of Holm's; here their data are independent, for which his correction is exact enough."""
LEVEL = 0.05


@click.command(help=__doc__)
@click.option("--datasets", default=2000, show_default=True, help="Simulated data sets of each number of cases.")
@click.option("--replicates", default=499, show_default=True, help="Bootstrap replicates of each data set.")
@click.option("--cases", "sizes", multiple=True, type=click.Choice(list(CASES)), help="Only this many; repeatable.")
def main(datasets: int, replicates: int, sizes: tuple[str, ...]) -> None:
    frames = []
    for size in sizes or CASES:
        click.echo(f"{size} cases", err=True)
        frames.append(false_positives(CASES[size], datasets, replicates).assign(cases=size))
    found = pd.concat(frames, ignore_index=True)
    click.echo(found.pivot(index=["level", "metric", "kind"], columns="cases", values=["one", "family"]).to_string())


def false_positives(cases: tuple[int, int], datasets: int, replicates: int) -> pd.DataFrame:
    """Draw data sets in which two models are equally good, and count the differences that are called significant.

    Args:
        cases: Benign and malignant cases; half of the variance of a score is common to the images of a case.
        datasets: Number of data sets.
        replicates: Bootstrap replicates of each.

    Returns:
        One row a level, metric and kind of p-value ("counted", or of an interval), with the share of data sets below
        .05 (`one`), and of families of `HOLDOUTS` data sets with one below it after Holm's correction (`family`).
    """
    study, rows = Study(cases, AUC, gain=0.0), []
    for number in range(datasets):
        generator = generator_for("false positives", cases, number)
        images = study.draw(generator)
        drawn = case_multiplicities(np.repeat([0, 1], cases), replicates, generator.integers(2**31))
        for level, models in (("image", images), ("case", [case_units(units) for units in images])):
            scored = [Replicates(units, drawn) for units in models]
            for name in ("auc", "brier"):
                metric = METRICS[name]
                first, second = (metric.values(each) for each in scored)
                difference = first - second
                of = Bootstrapped(float(difference[0]), difference[1:], cases, metric.bounds_of_difference)
                kinds = {"counted": counted(difference[1:]), "of the interval": p_value(of)}
                rows += [{"level": level, "metric": name, "kind": k, "p": p} for k, p in kinds.items()]
    frame = pd.DataFrame(rows)
    grouped = frame.groupby(["level", "metric", "kind"], sort=False)["p"]
    return grouped.agg(one=lambda p: (p < LEVEL).mean(), family=_of_families).reset_index()


def counted(differences: np.ndarray) -> float:
    """Return the p-value of percentiles: twice the share of replicates on the rarer side (Davison & Hinkley 1997)."""
    known = differences[np.isfinite(differences)]
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (len(known) + 1))


def _of_families(p: pd.Series) -> float:
    values = p.to_numpy()[: len(p) // HOLDOUTS * HOLDOUTS].reshape(-1, HOLDOUTS)
    return float(np.mean([np.nanmin(holm(family)) < LEVEL for family in values])) if len(values) else float("nan")


if __name__ == "__main__":
    main()
