"""Result files of `magsig signatures --compare-folds` with planted sizes, overlaps and answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from magsig_tf.evaluation import load_runs
from tests.evaluation.fake_runs import FakeStudy

AXES = ("method", "holdout", "patient_fold", "seed")


def write_signatures(
    study: FakeStudy,
    sizes: dict[str, int],
    jaccard: dict[str, float],
    answer: Callable[[str, pd.DataFrame], np.ndarray],
) -> None:
    """Write the tables of every finished run of a study.

    Args:
        study: Whose runs.
        sizes: Size of every signature of a method.
        jaccard: Overlap of every pair of holdouts of a method.
        answer: Gives the probabilities of a method's sparse classifiers for test rows.
    """
    rows, pairs, answers = [], [], []
    runs = [run for run in load_runs(study.workspace, study.dataset).runs if run.method in sizes]
    for run in runs:
        axes = {name: getattr(run, name) for name in AXES} | {"config": run.config_hash}
        rows.append(axes | {"k": sizes[run.method], "p": 2048})
        tested = run.part("test")
        frame = tested[["row", "case"]].assign(malignant=tested["label"], probability=answer(run.method, tested))
        answers.append(frame.assign(**axes))
    for one, other in combinations(runs, 2):
        axes = ("method", "config_hash", "patient_fold", "seed")
        if all(getattr(one, name) == getattr(other, name) for name in axes):
            columns = {"method": one.method, "config": one.config_hash, "patient_fold": one.patient_fold}
            columns |= {"seed": one.seed, "first": one.holdout, "second": other.holdout}
            pairs.append(columns | {"jaccard": jaccard[one.method], "expected": 0.1})
    folder = study.workspace.results() / study.dataset
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).astype({"k": "Int64"}).to_parquet(folder / "signatures.parquet")
    pd.DataFrame(pairs).to_parquet(folder / "signature_pairs.parquet")
    pd.concat(answers).to_parquet(folder / "signature_predictions.parquet")
