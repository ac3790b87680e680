"""How often intervals of each kind cover the truth, on clustered images of 16 and of 70 cases: a simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import click
import numpy as np
import pandas as pd

from benchmarks.clustered_answers import Study
from benchmarks.other_intervals import Ends, bca_interval, image_bootstrap_interval, obuchowski_and_studentized
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import INTERVALS, Bootstrapped, interval, student_interval
from magsig_tf.statistics.metrics import ratio
from magsig_tf.statistics.replicates import Replicates, Units

CASES = {"16": (6, 10), "70": (16, 54)}
"""Benign and malignant: those with real images at two magnifications in a part of BreaKHis, and those of the whole."""
AUCS = (0.75, 0.85, 0.95)
LEVEL = 0.95
FOLDS = 5
OTHER_SCALE = "student, other scale"
"""Not on the logit scale, but for binned calibration errors, which the tables take on their own scale."""


@click.command(help=__doc__)
@click.option(
    "--datasets", default=1000, show_default=True, help="Simulated data sets of each number of cases and AUC."
)
@click.option("--replicates", default=999, show_default=True, help="Bootstrap replicates of each data set.")
@click.option("--cases", "sizes", multiple=True, type=click.Choice(list(CASES)), help="Only this many; repeatable.")
@click.option("--auc", "aucs", multiple=True, type=click.FloatRange(0.6, 0.99), help="Only this true AUC; repeatable.")
def main(datasets: int, replicates: int, sizes: tuple[str, ...], aucs: tuple[float, ...]) -> None:
    frames = []
    for size in sizes or CASES:
        for auc in aucs or AUCS:
            click.echo(f"{size} cases, AUC {auc}", err=True)
            frames.append(coverage(Study(CASES[size], auc), datasets, replicates).assign(cases=size, auc=auc))
    click.echo(table(pd.concat(frames, ignore_index=True)))


def coverage(study: Study, datasets: int, replicates: int = 999) -> pd.DataFrame:
    """Simulate data sets and count how often each kind of interval holds the truth.

    Args:
        study: What is drawn from.
        datasets: Number of data sets.
        replicates: Bootstrap replicates of each.

    Returns:
        One row a number ("auc", "auc of folds", "auc difference", ...) and kind, with `covered` (share of data sets),
        `error` (its Monte Carlo standard error) and `width` (mean).
    """
    truth = study.truth()
    truth |= {f"auc of folds{end}": truth[f"auc{end}"] for end in ("", " difference")}
    rows = []
    for number in range(datasets):
        generator = generator_for("interval coverage", study, number)
        rows += [
            {"number": name, "kind": kind, "covered": ends[0] <= truth[name] <= ends[1], "width": ends[1] - ends[0]}
            for name, kind, ends in intervals_of(study, generator, replicates)
        ]
    found = pd.DataFrame(rows).groupby(["number", "kind"], sort=False).agg({"covered": "mean", "width": "mean"})
    return found.assign(error=np.sqrt(found["covered"] * (1 - found["covered"]) / datasets)).reset_index()


def intervals_of(study: Study, generator: np.random.Generator, replicates: int) -> Iterator[tuple[str, str, Ends]]:
    """Draw one data set and yield number, kind and ends of every interval."""
    models = study.draw(generator)
    strata = np.repeat([0, 1], study.cases)
    # behind the replicates: every case left out once
    drawn = case_multiplicities(strata, replicates, generator.integers(2**31))
    weights = np.concatenate([drawn, 1.0 - np.eye(len(strata))])
    each = [Replicates(units, weights) for units in models]
    values = {name: [METRICS[name].values(scored) for scored in each] for name in ("auc", "f1", "brier", "ece")}
    if min(study.cases) >= 3 * FOLDS:
        values["auc of folds"] = [auc_of_folds(units, strata, weights) for units in models]
    for name, (first, second) in values.items():
        metric = METRICS["auc" if name == "auc of folds" else name]
        for title, of, bounds in (
            (name, first, metric.bounds),
            (f"{name} difference", first - second, metric.bounds_of_difference),
        ):
            number = Bootstrapped(float(of[0]), of[1 : replicates + 1], study.cases, bounds, not metric.binned)
            for kind in INTERVALS:
                yield title, kind, interval(number, LEVEL, kind).ends
            other = replace(number, stretched=not number.stretched)
            yield title, OTHER_SCALE, student_interval(other, LEVEL)
            yield title, "bca", bca_interval(number.value, number.known, of[replicates + 1 :], strata, LEVEL)
    for kind, ends in obuchowski_and_studentized(models[0], drawn, strata, LEVEL).items():
        yield "auc", kind, ends
    yield "auc", "images drawn", image_bootstrap_interval(models[0], generator, LEVEL)


def auc_of_folds(units: Units, strata: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean AUC of five patient folds, as the summary has it, shape (R,)."""
    place = np.concatenate([np.arange((strata == value).sum()) for value in (0, 1)])
    fold = (place % FOLDS)[units.case]
    parts = [Units(*(getattr(units, name)[fold == k] for name in units.__dataclass_fields__)) for k in range(FOLDS)]
    aucs = np.stack([Replicates(part, weights).auc() for part in parts])
    known = ~np.isnan(aucs)
    return ratio(np.where(known, aucs, 0.0).sum(0), known.sum(0))


def table(frame: pd.DataFrame) -> str:
    """Return coverage with its standard error and mean width, a line a number and kind, a column a size and AUC."""
    cells = frame.assign(
        cell=[f"{row.covered:.3f} ({row.error:.3f}) {row.width:.3f}" for row in frame.itertuples()],
        column=[f"{row.cases} cases, AUC {row.auc}" for row in frame.itertuples()],
    )
    wide = cells.pivot(index=["number", "kind"], columns="column", values="cell").fillna("")
    order = cells[["number", "kind"]].drop_duplicates().itertuples(index=False, name=None)
    return "covered (standard error) mean width\n" + wide.reindex(list(order)).to_string()


if __name__ == "__main__":
    main()
