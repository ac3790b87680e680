"""What a reader of the explanation table must know: in short sentences, under the table."""

from __future__ import annotations

import pandas as pd

from magsig_tf.evaluation.augmentation.frame import ALL_FOLDS, Explanation
from magsig_tf.evaluation.augmentation.gan_quality import FEATURES, METRICS_TOLD
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.evaluation.summary.notes import marked, some
from magsig_tf.reasons import RUN_IS_MISSING, of_texts
from magsig_tf.runs.matrix import told_apart

_CLEAR = 0.05


def explanation_notes(explanation: Explanation, level: str) -> list[str]:
    """Return the notes below one printed explanation table.

    Args:
        explanation: The explanation.
        level: "image" or "case".

    Returns:
        The sentence of each group and holdout first, then notes.
    """
    table = explanation.table
    whole = table[(table["patient_fold"] == ALL_FOLDS) & table["level"].isin(["", level])]
    return [
        *explanation.sentences(level),
        *marked(explanation.groups),
        *_correlation(whole),
        *_corrected(whole),
        *[f"{label}: {words}." for label, words in told_apart(explanation.groups).items() if words],
        *_features(explanation),
        *_differences(whole),
        *_quality(table),
    ]


def _correlation(whole: pd.DataFrame) -> list[str]:
    return [
        f"{row.label}: over {row.n} folds, KID and the AUC difference to baseline have a rank correlation of "
        f"{row.value:+.2f} (Spearman; the folds share cases, so there is no p-value)."
        for row in whole[whole["quantity"] == "kid_auc_correlation"].itertuples()
    ]


def _corrected(whole: pd.DataFrame) -> list[str]:
    """Say how many of the told differences stand when all of them are counted as tests."""
    told = whole[(whole["low"] > 0) | (whole["high"] < 0)]
    told = told[(told["holdout"] != POOLED) & (told["tests"] > 0)]
    if told.empty:
        return []
    stand = int((told["holm_p"] < _CLEAR).sum())
    return [
        f"Intervals are not corrected for the number of tests. Of {len(told)} intervals of single holdouts that "
        f"exclude 0, {stand} also have a Holm p below {_CLEAR:.2f} ({int(told['tests'].max())} tests of a metric)."
    ]


def _features(explanation: Explanation) -> list[str]:
    names = set(explanation.features.values())
    return [f"KID and the other measures of the GANs use {FEATURES[name]}." for name in names]


def _differences(whole: pd.DataFrame) -> list[str]:
    """List why differences are absent or rest on less than they should."""
    cells: dict[str, dict[str, None]] = {}
    rows = whole[(whole["reference_method"] != "") & (whole["words"] != "")]
    for row in rows[~rows["reason_code"].isin(RUN_IS_MISSING)].to_dict("records"):
        for words in of_texts(row["reason_code"], row["words"]):
            cells.setdefault(words, {})[f"{row['compared']} - {row['reference']} {row['holdout']}"] = None
    return [f"{some(list(names))}: {words}." for words, names in cells.items()]


def _quality(table: pd.DataFrame) -> list[str]:
    """List the folds whose GANs have no quality table, or one with gaps, and why."""
    cells: dict[str, list[str]] = {}
    rows = table[table["quantity"].isin(METRICS_TOLD) & (table["words"] != "") & (table["patient_fold"] != ALL_FOLDS)]
    for (label, holdout, fold), of_fold in rows.groupby(["label", "holdout", "patient_fold"], sort=False):
        words = of_fold.set_index("quantity")["words"]
        everything = len(words) == len(METRICS_TOLD) and words.nunique() == 1
        said = words.iloc[:1].tolist() if everything else [f"{_title(str(name))}: {why}" for name, why in words.items()]
        for each in said:
            cells.setdefault(each, []).append(f"{label} {holdout} fold {fold}")
    return [f"{some(names)}: {words}." for words, names in cells.items()]


def _title(quantity: str) -> str:
    return {"kid": "KID"}.get(quantity, quantity.replace("_", " "))
