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
    draws: int = 60,
    noise: float = 0.005,
) -> None:
    """Write the tables of every finished run of a study.

    Args:
        study: Whose runs.
        sizes: Size of every signature of a method.
        jaccard: Overlap of every pair of holdouts of a method.
        answer: Gives the probabilities of a method's sparse classifiers for test rows.
        draws: Draws of training cases that all runs share; 0 writes no tables of them.
        noise: Standard deviation of what a draw does to all sizes and overlaps of a method, as a share.
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
    if not draws:
        return
    rng = np.random.default_rng(8)
    by_draw = {method: 1 + noise * rng.normal(size=draws) for method in sorted(sizes)}
    for name, value, records in (("signature_draws", "k", rows), ("signature_pair_draws", "jaccard", pairs)):
        frame = pd.DataFrame(records).drop(columns=["p", "expected"], errors="ignore").astype({value: float})
        frame = frame.merge(pd.DataFrame({"draw": np.arange(draws)}), how="cross")
        factor = [by_draw[method][draw] for method, draw in zip(frame["method"], frame["draw"], strict=True)]
        frame[value] *= factor
        frame.assign(cases_benign=16, cases_malignant=20).to_parquet(folder / f"{name}.parquet")
