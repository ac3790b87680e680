"""How often intervals hold the truth with 5 to 20 cases a class, by clustering and sizes of cases: a simulation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product

import click
import numpy as np
import pandas as pd

from benchmarks.clustered_answers import SIZES, Study
from benchmarks.options import quick_option
from benchmarks.other_intervals import bca_interval, jackknife_interval
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import INTERVAL_KIND, Bootstrapped, interval
from magsig_tf.statistics.metrics import ratio
from magsig_tf.statistics.replicates import LEVELS, Replicates, Units, case_units

CASES = {
    **{f"{count}+{count}": (count, count) for count in (5, 6, 8, 10, 20, 40)},
    **{"5+15": (5, 15), "16+54": (16, 54)},
}
AUCS = (0.75, 0.85, 0.95)
CASE_SHARES = (0.5, 0.9)
HOLDOUTS = 4
OF_HOLDOUTS = "auc of holdouts"
LEVEL = 0.95
SCORED = ("auc", "brier", "f1", "ece", OF_HOLDOUTS)


@click.command(help=__doc__)
@quick_option
@click.option("--datasets", default=400, show_default=True, help="Simulated data sets of each kind of study.")
@click.option("--replicates", default=499, show_default=True, help="Bootstrap replicates of each data set.")
@click.option("--cases", "counts", multiple=True, type=click.Choice(list(CASES)), help="Only these; repeatable.")
@click.option("--auc", "aucs", multiple=True, type=click.FloatRange(0.6, 0.99), help="Only this true AUC; repeatable.")
@click.option("--sizes", "patterns", multiple=True, type=click.Choice(list(SIZES)), help="Only these images per case.")
@click.option("--number", "numbers", multiple=True, type=click.Choice(SCORED), help="Only this; repeatable.")
@click.option("--others", is_flag=True, help="Other kinds of interval too.")
@click.option("--out", type=click.Path(dir_okay=False), help="CSV for all numbers.")
def main(
    quick: bool,
    datasets: int,
    replicates: int,
    counts: tuple[str, ...],
    aucs: tuple[float, ...],
    patterns: tuple[str, ...],
    numbers: tuple[str, ...],
    others: bool,
    out: str | None,
) -> None:
    studies = list(product(counts or [*list(CASES)[:5], "5+15"], aucs or AUCS, CASE_SHARES, patterns or SIZES))
    studies, datasets, replicates = (studies[:1], 3, 20) if quick else (studies, datasets, replicates)
    frames = []
    for count, auc, share, sizes in studies:
        click.echo(f"{count} cases, AUC {auc}, correlation {share}, sizes {sizes}", err=True)
        found = coverage(
            Study(CASES[count], auc, case_share=share, sizes=sizes), datasets, replicates, numbers or SCORED, others
        )
        frames.append(found.assign(cases=count, auc=auc, correlation=share, sizes=sizes))
        if out:
            pd.concat(frames, ignore_index=True).to_csv(out, index=False)
    found = pd.concat(frames, ignore_index=True)
    click.echo(lowest(found, datasets))
    click.echo(kinds(found))


def coverage(
    study: Study, datasets: int, replicates: int, numbers: Collection[str] = SCORED, others: bool = False
) -> pd.DataFrame:
    """Simulate data sets and count how often each kind of interval holds the truth.

    Args:
        study: What is drawn from.
        datasets: Number D of data sets.
        replicates: Bootstrap replicates of each; all data sets have the same draws of cases.
        numbers: Which numbers; each but the mean over holdouts as a difference of both models too.
        others: Whether other kinds of interval are made too.

    Returns:
        One row a level, number and kind: `covered` (share of the data sets that have an interval), `error` (its Monte
        Carlo standard error), `above` (share whose interval lies above the truth), `width` (mean), `absent` (share of
        data sets without an interval), and `bias` (mean of value minus truth).
    """
    strata = np.repeat([0, 1], study.cases)
    generators = [generator_for("few cases", study, number) for number in range(datasets)]
    drawn = case_multiplicities(strata, replicates, "few cases", study.cases)
    # behind the replicates: every case left out once
    weights = np.concatenate([drawn, 1.0 - np.eye(len(strata))])
    answers = [study.draw(generator) for generator in generators]
    holdouts = [study.draw_holdouts(each, HOLDOUTS) for each in generators] if OF_HOLDOUTS in numbers else []
    rows = []
    for level in LEVELS:
        truth = study.truth_at(level)
        found = {name: _values(name, answers, level, strata, weights) for name in SCORED[:-1] if name in numbers}
        if holdouts:
            found[OF_HOLDOUTS] = [_values("auc", holdouts, level, strata, weights).mean(0)]
        for title, values, number in _numbers(found, study, replicates):
            for kind, ends in _kinds(number, strata, values[replicates + 1 :], others):
                rows.append((level, title, kind, *(np.array([number.value, *ends]) - truth[title])))
    frame = pd.DataFrame(rows, columns=["level", "number", "kind", "bias", "from_low", "from_high"])
    inside = (frame["from_low"] <= 1e-12) & (frame["from_high"] >= -1e-12)
    defined = frame["from_low"].notna()
    frame = frame.assign(covered=inside.where(defined), above=(frame["from_low"] > 1e-12).where(defined))
    frame = frame.assign(width=frame["from_high"] - frame["from_low"], absent=~defined)
    averaged = ["covered", "above", "width", "absent", "bias"]
    frame[averaged] = frame[averaged].astype(float)
    means = frame.groupby(["level", "number", "kind"], sort=False)[averaged].mean()
    drawn_from = datasets * (1 - means["absent"])
    return means.assign(error=np.sqrt(means["covered"] * (1 - means["covered"]) / drawn_from)).reset_index()


def _numbers(
    found: dict[str, np.ndarray], study: Study, replicates: int
) -> Iterator[tuple[str, np.ndarray, Bootstrapped]]:
    """Yield title, value under every row of weights, and the number as intervals see it, for each data set."""
    for name, models in found.items():
        metric = METRICS["auc" if name == OF_HOLDOUTS else name]
        forms = [(name, models[0], metric.bounds, metric.trials(*study.cases))]
        if len(models) > 1:
            forms.append((f"{name} difference", models[0] - models[1], metric.bounds_of_difference, (0, 0)))
        for title, every, bounds, trials in forms:
            for values in every:
                known = values[1 : replicates + 1]
                number = Bootstrapped(float(values[0]), known, study.cases, bounds, not metric.binned, trials)
                yield title, values, number


def _values(
    name: str, answers: Sequence[Sequence[Units]], level: str, strata: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return a metric of all models in all data sets under every row of weights, shape (models, D, R)."""
    scored = [[units if level == "image" else case_units(units) for units in models] for models in answers]
    if name == "ece":
        values = [[METRICS["ece"].values(Replicates(units, weights)) for units in models] for models in scored]
    else:
        of = _auc if name == "auc" else _of_sums
        values = [[of(name, units, strata, weights) for units in models] for models in scored]
    return np.moveaxis(np.array(values), 0, 1)


def _auc(name: str, units: Units, strata: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what `Replicates.auc` returns, for probabilities without ties, with less to set up."""
    order = np.argsort(units.probability)
    case = units.case[order]
    one = np.zeros((len(case), len(strata)))
    one[np.arange(len(case)), case] = 1
    benign, malignant = one[:, strata == 0], one[:, strata == 1]
    ordered = malignant.T @ benign.cumsum(0)
    counts = one.sum(0)
    first, second = weights[:, strata == 0], weights[:, strata == 1]
    pairs = ((second @ ordered) * first).sum(1)
    return pairs / ((first @ counts[strata == 0]) * (second @ counts[strata == 1]))


def _of_sums(name: str, units: Units, strata: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what `Replicates` has of the Brier score and F1."""

    def summed(values: np.ndarray) -> np.ndarray:
        return weights @ np.bincount(units.case, values, len(strata))

    if name == "brier":
        return summed((units.probability - units.label) ** 2) / summed(np.ones(len(units)))
    hits = summed(units.label * units.predicted)
    return ratio(2 * hits, summed(units.label) + summed(units.predicted))


def _kinds(
    number: Bootstrapped, strata: np.ndarray, without: np.ndarray, others: bool
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the interval of tables, and others that were tried."""
    found = interval(number, LEVEL)
    yield INTERVAL_KIND, found.ends
    if not others:
        return
    yield "percentile", tuple(np.percentile(number.known, [2.5, 97.5]))
    if found.kind == INTERVAL_KIND and np.isfinite(found.low) and np.isfinite(without).all():
        yield "jackknife", jackknife_interval(number, without, strata, LEVEL)
        yield "bca", bca_interval(number.value, number.known, without, strata, LEVEL)


def lowest(frame: pd.DataFrame, datasets: int) -> str:
    """Return mean and lowest coverage of the tables' intervals over AUCs and sizes, a column for each kind of study."""
    ours = frame[frame["kind"] == INTERVAL_KIND]
    keys = ["level", "number", "correlation", "cases"]
    found = ours.groupby(keys, sort=False).agg(
        mean=("covered", "mean"), low=("covered", "min"), absent=("absent", "max")
    )
    cells = [
        f"{row.mean:.3f} {row.low:.3f}" + (f" ({row.absent:.2f})" if row.absent else "") for row in found.itertuples()
    ]
    wide = found.assign(cell=cells)["cell"].unstack("cases").reindex(columns=list(dict.fromkeys(ours["cases"])))
    return (
        f"Coverage of 95 % intervals: mean and lowest over AUCs and sizes (largest share without interval).\n"
        f"Standard error of one of them at .95: {np.sqrt(0.95 * 0.05 / datasets):.3f}, at .90: "
        f"{np.sqrt(0.9 * 0.1 / datasets):.3f}.\n{wide.to_string()}"
    )


def kinds(frame: pd.DataFrame) -> str:
    """Return mean and lowest coverage, and mean width, of every kind of interval over all studies."""
    found = frame.groupby(["level", "number", "kind"], sort=False).agg(
        mean=("covered", "mean"), low=("covered", "min"), width=("width", "mean"), bias=("bias", "mean")
    )
    said = "All kinds over all studies: mean and lowest coverage, mean width, mean of value minus truth"
    return f"{said}\n{found.round(3).to_string()}"


if __name__ == "__main__":
    main()
