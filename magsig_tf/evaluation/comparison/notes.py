"""What a reader of a comparison must know: in short sentences, under the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magsig_tf.evaluation.comparison.frame import Comparison
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.evaluation.summary.notes import few_cases, marked, partial_folds, reasons_of_metric, some
from magsig_tf.reasons import NO_PAIR


def comparison_notes(comparison: Comparison, metrics: Sequence[str]) -> list[str]:
    """Return the notes that belong to one printed comparison.

    Args:
        comparison: The comparison.
        metrics: Names of the metrics shown.

    Returns:
        One or two sentences per note; what could mislead most comes first.
    """
    shown = comparison.table[comparison.table["metric"].isin(metrics)]
    groups = {group.label: group for pair in comparison.pairs for group in (pair.first, pair.reference)}
    return [
        *marked(groups.values()),
        *_other_settings(comparison),
        *_left_out(comparison),
        *_reasons(shown),
        *few_cases(shown),
        *partial_folds(shown),
        *_pooled_ranks(shown),
    ]


def _other_settings(comparison: Comparison) -> list[str]:
    """Say what else than the method differs between the two sides of a pair."""
    notes = []
    for pair, keys in zip(comparison.pairs, comparison.differing, strict=True):
        words = [f"{key} {str(first)[:30]} against {str(second)[:30]}" for key, (first, second) in keys.items()]
        if words:
            notes.append(f"{pair.first.label} and {pair.reference.label} differ in their settings: {some(words)}.")
    return notes


def _left_out(comparison: Comparison) -> list[str]:
    notes = []
    for pair in comparison.pairs:
        by_reason: dict[str, list[str]] = {}
        for name, reason in pair.left_out.values():
            by_reason.setdefault(reason, []).append(name)
        notes += [f"Left out, {reason}: {some(names)}." for reason, names in by_reason.items()]
    return notes


def _reasons(shown: pd.DataFrame) -> list[str]:
    cells: dict[str, dict[str, None]] = {}
    for row in shown[shown["reason_code"] != NO_PAIR].to_dict("records"):
        for words in reasons_of_metric(row):
            cells.setdefault(words, {})[f"{row['label']} {row['holdout']}"] = None
    return [f"{some(list(names))}: {words}." for words, names in cells.items()]


def _pooled_ranks(shown: pd.DataFrame) -> list[str]:
    """Give the mean over holdouts beside a pooled AUC, which mixes the scores of several models."""
    rows = shown[(shown["holdout"] == POOLED) & (shown["metric"] == "auc") & np.isfinite(shown["holdout_mean"])]
    rows = rows[rows["level"] == "image"]
    means = ", ".join(f"{row.label} - {row.reference_label} {row.holdout_mean:+.3f}" for row in rows.itertuples())
    if not means:
        return []
    return [f"Pooled AUC mixes scores of different models; prefer the mean over holdouts: {means}."]
