"""The held-out answers of a group's runs, joined as far as no image is answered twice."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from magsig_tf.evaluation.cells import CaseBootstrap
from magsig_tf.evaluation.matrix import Group, Matrix


def held_out_answers(group: Group, holdouts: Sequence[str]) -> list[pd.DataFrame]:
    """Return the test predictions of each seed, its holdouts and patient folds joined.

    Where patient folds test the same images (a fixed test cohort) a fold is a repeat as a seed is, and gives a frame of
    its own: several models' answers to one image are never ranked together.

    Args:
        group: The runs.
        holdouts: Those to join.

    Returns:
        Frames with the columns of predictions, each of one seed, or of one seed and patient fold.
    """
    found = []
    for seed in group.seeds:
        folds = [answers_of_fold(group, holdouts, fold, seed) for fold in group.folds]
        folds = [frame for frame in folds if len(frame)]
        joined = pd.concat(folds) if folds else pd.DataFrame()
        if len(joined):
            found += folds if joined["row"].duplicated().any() else [joined]
    return found


def answers_of_fold(group: Group, holdouts: Sequence[str], fold: int, seed: int) -> pd.DataFrame:
    """Return the joined test predictions of one patient fold and seed; empty without runs."""
    runs = [group.runs[h, fold, seed] for h in holdouts if (h, fold, seed) in group.runs]
    return pd.concat([run.part("test") for run in runs]) if runs else pd.DataFrame()


def shared_draws(matrix: Matrix, replicates: int) -> CaseBootstrap:
    """Return the draws of cases that all curves of a study share.

    Args:
        matrix: The runs.
        replicates: Number B of bootstrap replicates.
    """
    runs = [run for group in matrix.groups for run in group.runs.values()]
    return CaseBootstrap(runs, replicates, runs[0].dataset_hash)
