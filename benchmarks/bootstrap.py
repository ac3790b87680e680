"""2,000 case bootstraps of AUC, F1, Brier score and ECE for a full matrix of runs, beside a loop over scikit-learn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from benchmarks.made_up_matrix import DATASET, write_matrix
from benchmarks.options import quick_option
from benchmarks.timing import report
from magsig_tf.evaluation import Matrix, arrange, load_runs
from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.values import CaseBootstrap, GroupCells
from magsig_tf.statistics.metrics import bin_sums, calibration_error, equal_mass_bins
from magsig_tf.statistics.replicates import LEVELS, Units, join
from magsig_tf.workspace import Workspace

TIMES_AS_FAST = 20.0
LONGEST_SECONDS = 60.0
ALLOWED_MEBIBYTES = 2048
METRICS = ("auc", "f1", "brier", "ece", "ece_raw")
COMPARED = ("auc", "f1", "brier", "ece_raw")
"""What the loop calculates; it has no calibration error without bias."""
CLOSE = 1e-12
Cell = tuple[GroupCells, int, tuple[str, ...], str, str | None]
"""Cells of a group and level, seed, joined holdouts, part, and magnification."""

SUMMARY = """
from magsig_tf.evaluation import load_runs, summarise
from magsig_tf.evaluation.comparison import compare
began, used = time.perf_counter(), time.process_time()
loaded = load_runs(Workspace(Path(root)), dataset)
summarise(loaded, metrics=metrics, replicates=replicates)
found["summary"] = time.perf_counter() - began
processor["summary"] = time.process_time() - used
for method, reference in pairs:
    began = time.perf_counter()
    compare(loaded, method, reference, metrics=metrics, replicates=replicates)
    found[f"{method} minus {reference}"] = time.perf_counter() - began
"""
COMMAND = """
from magsig_tf import workflows
began, used = time.perf_counter(), time.process_time()
workflows.evaluate(Workspace(Path(root)), dataset, replicates=replicates)
found["evaluate"] = time.perf_counter() - began
processor["evaluate"] = time.process_time() - used
"""


@click.command(help=__doc__)
@quick_option
@click.option("--replicates", default=2000, show_default=True, help="Bootstrap replicates.")
@click.option("--sample", default=3, show_default=True, help="Replicates that the loop calculates.")
def main(quick: bool, replicates: int, sample: int) -> None:
    replicates = 20 if quick else replicates
    sizes = {"seeds": 1, "methods": 2, "smaller": 8} if quick else {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = write_matrix(Path(folder), **sizes)
        loaded = load_runs(workspace, DATASET)
        matrix, draws = arrange(loaded.runs), CaseBootstrap(loaded.runs, replicates, DATASET)
        methods = [group.method for group in matrix.groups]
        pairs = [(method, methods[0]) for method in methods[1:]]
        ours = in_a_fresh_process(SUMMARY, workspace, replicates, pairs)
        # replicates do not depend on each other: those of the loop suffice for the comparison of values
        draws.multiplicities = draws.multiplicities[: sample + 1]
        seconds, busy, cells, away = loop_over_scikit_learn(matrix, draws, sample)
        whole = in_a_fresh_process(COMMAND, workspace, replicates)
    name = f"case bootstrap of {len(loaded.runs)} runs, {', '.join(METRICS)}, B {replicates}"
    if away > CLOSE:
        raise click.ClickException(f"Values differ from those of the loop by {away:.2g}")
    took = ours["seconds"]["summary"]
    facts = {
        "seconds": {key: round(value, 1) for key, value in (ours["seconds"] | whole["seconds"]).items()},
        "processor_seconds": {key: round(value, 1) for key, value in (ours["processor"] | whole["processor"]).items()},
        "processor_ratio": round(busy * replicates / sample / ours["processor"]["summary"], 1),
        "loop_seconds": round(seconds * replicates / sample),
        "loop_measured_on": f"{sample} of {replicates} replicates of each of {cells} cells, extrapolated",
        "largest_difference": float(f"{away:.2g}"),
    }
    loop = [seconds * replicates / sample / took]
    report(name, loop, of="summarise", to="a loop over scikit-learn", target=TIMES_AS_FAST, **facts)
    report(f"{name}, time", [LONGEST_SECONDS / took], of="summarise", to=f"{LONGEST_SECONDS:g} s", target=1.0)
    for who, peak in (("summarise and compare", ours["mebibytes"]), ("workflows.evaluate", whole["mebibytes"])):
        to, facts = f"{ALLOWED_MEBIBYTES} MiB", {"mebibytes": round(peak)}
        report(
            f"memory of {who}", [ALLOWED_MEBIBYTES / peak], of="the largest resident size", to=to, target=1.0, **facts
        )


def in_a_fresh_process(code: str, workspace: Workspace, replicates: int, pairs: list[tuple[str, str]] = ()) -> dict:
    """Run code in a process of its own and return the seconds that it found, and the largest resident size in MiB."""
    given = {
        "root": str(workspace.root),
        "dataset": DATASET,
        "metrics": METRICS,
        "replicates": replicates,
        "pairs": pairs,
    }
    program = "\n".join(
        [
            "import json, sys, time",
            "from pathlib import Path",
            "from magsig_tf.workspace import Workspace",
            "globals().update(json.loads(sys.argv[1]))",
            "found, processor = {}, {}",
            code,
            # the high-water mark of this program alone: ru_maxrss begins with that of the process that started it
            "status = Path('/proc/self/status').read_text()",
            "peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith('VmHWM'))",
            "print(json.dumps({'seconds': found, 'processor': processor, 'mebibytes': peak / 1024}))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(given)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def loop_over_scikit_learn(matrix: Matrix, draws: CaseBootstrap, sample: int) -> tuple[float, float, int, float]:
    """Calculate the first replicates of every cell of the summary, row by row.

    Returns:
        Seconds, those of processor time, number of cells, and the largest difference to what the summary rests on.
    """
    seconds, busy, count, away = 0.0, 0.0, 0, 0.0
    for cell in cells_of_summary(matrix, draws):
        cells, seed, holdouts, part, magnification = cell
        quick = cells.values(seed, holdouts, cells.group.folds, part, magnification)
        folds = units_of_folds(cell)
        joined = join(folds)
        bins = equal_mass_bins(joined.probability)  # of the sample, in every replicate
        for replicate in range(1, sample + 1):
            began, used = time.perf_counter(), time.process_time()
            times = draws.multiplicities[replicate].astype(int)
            of_rows = bins[repeated(joined, times)]
            plain = plain_values([drawn(units, times) for units in folds], drawn(joined, times), of_rows)
            seconds += time.perf_counter() - began
            busy += time.process_time() - used
            away = max(away, *(abs(plain[name] - quick[name].values[replicate]) for name in COMPARED))
        count += 1
    return seconds, busy, count, away


def cells_of_summary(matrix: Matrix, draws: CaseBootstrap) -> Iterator[Cell]:
    """Yield every cell that the summary needs, as image and as case level."""
    chosen, holdouts = choose_metrics(METRICS), matrix.holdouts
    for group, level in product(matrix.groups, LEVELS):
        cells = GroupCells(group, level, chosen, draws)
        for seed in group.seeds:
            for part in ("test", "in_domain_test"):
                yield from ((cells, seed, (holdout,), part, None) for holdout in holdouts)
                yield cells, seed, tuple(holdouts), part, None
            others = ((held_out, other) for held_out in holdouts for other in holdouts if other != held_out)
            yield from ((cells, seed, (other,), "in_domain_test", held_out) for held_out, other in others)


def units_of_folds(cell: Cell) -> list[Units]:
    """Return what a cell scores in each patient fold."""
    cells, seed, holdouts, part, magnification = cell
    runs = cells.group.runs
    return [
        join([cells.units_of(runs[holdout, fold, seed], part, magnification) for holdout in holdouts])
        for fold in cells.group.folds
    ]


def repeated(units: Units, times: np.ndarray) -> np.ndarray:
    """Return the positions of the units, each as often as its case was drawn."""
    return np.repeat(np.arange(len(units)), times[units.case])


def drawn(units: Units, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of the units, each as often as its case was drawn."""
    rows = repeated(units, times)
    return units.label[rows], units.probability[rows]


def plain_values(
    folds: list[tuple[np.ndarray, np.ndarray]], joined: tuple[np.ndarray, np.ndarray], bins: np.ndarray
) -> dict[str, float]:
    """Return the metrics by scikit-learn; it has none for ECE, which is magsig's own, in these bins."""
    label, probability = joined
    by_fold = [roc_auc_score(*answers) for answers in folds if len(np.unique(answers[0])) == 2]
    return {
        "auc": float(np.mean(by_fold)),
        "f1": f1_score(label, probability >= 0.5),
        "brier": brier_score_loss(label, probability),
        "ece_raw": float(calibration_error(bin_sums(label, probability, bins))),
    }


if __name__ == "__main__":
    main()
