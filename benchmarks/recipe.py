"""What each ingredient of the strong recipe is worth, by source validation alone; no held-out or test row is looked at.

For each holdout and patient fold it trains from a linear head and from a random one, the encoder at a lower rate and at
the same as the head: four trainings. Averaging changes none of them, so every epoch of each is validated with the
weights of the moment and with their mean from several shares of training on. What early stopping would have chosen is
read from the same losses. Each training is stored in a CSV once it is done, and a repeat goes on behind it.

    python -m benchmarks.recipe --workspace WORKSPACE --dataset NAME --holdout 200X --patient-fold 0..4 --out recipe.csv

Without --workspace it uses random pixels.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from benchmarks.options import quick_option

if TYPE_CHECKING:
    import pandas as pd

    from magsig_tf.runs.run import Run

BEGINS = (0.25, 0.5, 0.75)
"""Shares of training from which on weights are averaged."""
NEVER = 1.0
KEY = ["holdout", "patient_fold", "head_start", "encoder_rate"]
COLUMNS = [*KEY, "average_from", "epoch", "progress", "loss"]


@click.command(help=__doc__)
@click.option("--workspace", type=click.Path(path_type=Path), help="Where the data lie.")
@click.option("--dataset", default="random", help="Name of the prepared data set.")
@click.option("--config", help="A shipped config or a YAML file.")
@click.option("--set", "assignments", multiple=True, help="Further settings, key=value.")
@click.option("--holdout", multiple=True, default=("all",), show_default=True, help="Holdouts; repeat for several.")
@click.option("--patient-fold", multiple=True, default=("0",), show_default=True, help="Patient folds, or all.")
@click.option("--rate", "rates", multiple=True, type=float, default=(0.3, 1.0), show_default=True, help="encoder_rate.")
@click.option("--start", "starts", multiple=True, default=("linear", "random"), show_default=True, help="head_start.")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV.")
@quick_option
def main(workspace, dataset, config, assignments, holdout, patient_fold, rates, starts, out, quick) -> None:
    import pandas as pd

    from benchmarks.made_up_run import set_up_tensorflow, write_random_dataset
    from magsig_tf.config_files import parse_assignments
    from magsig_tf.workspace import Workspace

    set_up_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        place = Workspace(workspace or Path(folder))
        asked = {"holdout": list(holdout), "patient_fold": list(patient_fold)} | parse_assignments(assignments)
        if workspace is None:
            write_random_dataset(place.data(dataset), size=32)
            asked |= {"encoder": "small_cnn", "images_per_magnification": 8}
        if quick:
            asked |= {"epochs": 2, "holdout": ["400X"]}
        out = out or Path(folder) / "recipe.csv"
        for trained in _trainings(place, dataset, config, asked, list(itertools.product(starts, rates)), out):
            click.echo(trained, err=True)
        table = summary(pd.read_csv(out))
    click.echo(table.round(3).to_string(index=False))
    print(json.dumps({"benchmark": "recipe", "rows": len(table), "quick": quick}))


def _trainings(place, dataset, config, asked, settings, out: Path) -> Iterator[str]:
    """Train what the CSV lacks; yield a line for each training."""
    import pandas as pd

    from magsig_tf.config_files import load_config
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.execution.observer import Observer
    from magsig_tf.training.planning import Job, plan_matrix

    prepared = PreparedDataset.open(place.data(dataset))
    common = {"dataset": dataset, "method": ["baseline"], "recipe": "plain", **asked}
    planned = []
    for start, rate in settings:
        given = load_config(config, common, {"head_start": start, "encoder_rate": rate})
        planned += [(run, start, rate) for run in plan_matrix(given, prepared, place)]
    planned.sort(key=lambda each: each[0].patient_fold)  # whole folds first: they are compared
    known = set(pd.read_csv(out)[KEY].itertuples(index=False, name=None)) if out.exists() else set()
    for run, start, rate in planned:
        key = (run.holdout, run.patient_fold, start, rate)
        if key in known:
            continue
        rows = [(*key, *row) for row in validated(Job(run, prepared, Observer()))]
        pd.DataFrame(rows, columns=COLUMNS).to_csv(out, mode="a", header=not out.exists(), index=False)
        yield f"{run.title}: head_start {start}, encoder_rate {rate:g}"


def validated(job: Any) -> list[tuple[float, int, float, float]]:
    """Train one run; return average_from, epoch (-1: before training), progress and validation loss of what is used."""
    import tensorflow as tf

    from magsig_tf.data.batches import read_batches
    from magsig_tf.execution.evaluated_weights import TailMean
    from magsig_tf.training.evaluated_network import EvaluatedNetwork
    from magsig_tf.training.head_start import start_from_linear
    from magsig_tf.training.parts import RunParts, starts_linear
    from magsig_tf.training.step import TrainingStep

    run: Run = job.run
    settings, split, prepared = run.config.settings, job.split, job.prepared
    parts = RunParts(run.config, prepared, split)
    used = EvaluatedNetwork(parts, prepared, settings)
    if starts_linear(settings):
        head = start_from_linear(used, settings.encoder, split, run.folder.parents[2])
        parts.start_head(head.weights[:, None].astype(np.float32), np.array([head.offset], np.float32))
    means = {begin: TailMean(parts.classifier.trainable_variables, int(begin * parts.total_steps)) for begin in BEGINS}

    @tf.function(autograph=False)
    def update(number: tf.Tensor) -> None:
        for mean in means.values():
            mean.update(number)

    def losses(epoch: int, progress: float) -> list[tuple[float, int, float, float]]:
        found = []
        for begin in (NEVER, *(begin for begin in BEGINS if begin < progress)):
            values = None if begin == NEVER else [average.numpy() for average in means[begin].averages]
            used.take_weights(values)
            found.append((begin, epoch, progress, used.cross_entropy(split.rows["validation"])[0]))
        return found

    rows, step, number = losses(-1, 0.0), TrainingStep(parts), 0
    for epoch in range(parts.epochs):
        for batch in read_batches(prepared.images, prepared.labels, parts.plan, epoch):
            step(batch, number)
            update(tf.constant(number, tf.int64))
            number += 1
        rows += losses(epoch, (epoch + 1) / parts.epochs)
    return rows


def summary(rows: pd.DataFrame, select_from: float = 0.3) -> pd.DataFrame:
    """Return the loss of the chosen epoch by setting: of each fold, and their mean where none is missing; lowest first.

    Args:
        rows: With `COLUMNS`.
        select_from: Progress before which no epoch is chosen.
    """
    import pandas as pd

    found = []
    for (holdout, fold, start, rate), own in rows.groupby(KEY):
        moment = own[own["average_from"] == NEVER].set_index("epoch")
        if start == "linear":
            found.append((holdout, fold, "linear head, never trained", 0, moment.loc[-1, "loss"]))
        for begin in (NEVER, *BEGINS):
            # until averaging begins, the weights of the moment are used
            averaged = own[own["average_from"] == begin].set_index("epoch")["loss"]
            used = averaged.combine_first(moment["loss"])[moment["progress"] >= select_from]
            for patience in (0, 1):
                name = f"head {start}, encoder rate {rate:g}, average from {begin:g}"
                found.append((holdout, fold, name, patience, used[_chosen(used.tolist(), patience) + used.index[0]]))
    table = pd.DataFrame(found, columns=["holdout", "fold", "setting", "early_stop", "loss"])
    table["cell"] = table["holdout"].astype(str) + " fold " + table["fold"].astype(str)
    wide = table.pivot_table(index=["setting", "early_stop"], columns="cell", values="loss")
    return wide.assign(mean=wide.mean(axis=1, skipna=False)).sort_values("mean").reset_index()


def _chosen(losses: list[float], patience: int) -> int:
    """Return which epoch has the lowest loss of those before training stops early; 0: it never does."""
    best = 0
    for place, loss in enumerate(losses):
        if loss < losses[best]:
            best = place
        elif patience and place - best >= patience:
            break
    return best


if __name__ == "__main__":
    main()
