"""What probes, signatures and the explanation say, in plain sentences by rules; docs/report.md has the rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magsig_tf.evaluation.explanation import Explanation
from magsig_tf.evaluation.matrix import Matrix
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.summary_rows import POOLED
from magsig_tf.report.page.answers_of_models import interval_words
from magsig_tf.report.page.result_tables import ResultTables

LITTLE_BEYOND_CHANCE = 0.1
"""An adjusted overlap below this is called near chance; a convention, as that of near zero in claims."""


def answer_invariance(tables: ResultTables) -> list[str]:
    """Say for each method whether a probe still reads the source magnification above chance.

    Args:
        tables: What probes left.
    """
    if "probes" in tables.absent:
        return [f"{_capital(tables.absent['probes'])}."]
    frame = tables.get("probes")
    kept = (frame["target"] == "magnification") & (frame["metric"] == "balanced_accuracy")
    frame = frame[kept & (frame["control"] == "none") & frame["probe"].isin(["linear", "neighbours"])]
    frame = frame[(frame["rows"] == "source") & frame["value"].notna()]
    methods = frame[frame["kind"] == "method"]
    if methods.empty:
        return ["Not defined: no probe of source magnifications has a number."]
    said = []
    for label, rows in methods.groupby("subject", sort=False):
        row = rows.loc[rows["value"].idxmax()]
        if np.isnan(row["low"]):
            verdict = "there is no interval"
        elif row["low"] > row["chance"]:
            verdict = "magnification can still be read"
        else:
            verdict = "these probes cannot tell magnifications apart, which does not show that no probe can"
        said.append(
            f"{label}: the better of two probes is right about the magnification in {interval_words(row)} "
            f"(balanced accuracy; chance {number(row['chance'])}): {verdict}."
        )
    untrained = frame[(frame["kind"] == "control") & frame["subject"].str.startswith("random")]
    if len(untrained):
        said.append(f"The encoder before training gives {number(untrained['value'].max())}.")
    return said


def answer_signatures(tables: ResultTables, labels: Sequence[str]) -> list[str]:
    """Say how many dimensions signatures keep, and whether they share more than random sets do.

    Args:
        tables: What signatures left.
        labels: Labels of the methods.
    """
    if "signatures" in tables.absent:
        return [f"{_capital(tables.absent['signatures'])}."]
    sizes, methods, said = tables.get("signatures"), tables.get("signature_methods"), []
    for label in labels:
        rows = sizes[(sizes["label"] == label) & sizes["k"].notna()]
        if rows.empty:
            continue
        k = rows["k"].astype(float)
        words = f"{label}: {k.mean():.0f} of {int(rows['p'].max())} dimensions on average"
        words += f", {k.min():.0f} to {k.max():.0f} over {len(rows)} runs" if len(rows) > 1 else ", in one run"
        overlap = methods[(methods["label"] == label) & ~methods["control"].astype(bool)]["adjusted"].dropna()
        if len(overlap):
            value = overlap.iloc[0]
            kind = "near that of random sets" if value < LITTLE_BEYOND_CHANCE else "beyond that of random sets"
            words += f"; overlap between holdouts {kind} (adjusted {number(value, True)}; 0 is chance, 1 equal)"
        said.append(f"{words}.")
    if "signature_methods" in tables.absent:
        said.append(f"Overlap: {tables.absent['signature_methods']}.")
    return said or ["No run has a signature."]


def answer_synthetic(explanation: Explanation | None) -> list[str]:
    """Return what can be told of each method that drew from GANs, over all holdouts or at its only one.

    Args:
        explanation: The explanation; None where no run drew from GANs.
    """
    if explanation is None:
        return ["Not run: no run drew from GANs (`magsig train --method gan --holdout all`)."]
    rows = explanation.table[(explanation.table["quantity"] == "sentence") & (explanation.table["level"] == "image")]
    whole = rows[rows["holdout"] == POOLED] if (rows["holdout"] == POOLED).any() else rows
    return list(whole["words"])


def answer_how(matrix: Matrix, cases: int) -> list[str]:
    """Say how many runs there are and what each was trained and tested on.

    Args:
        matrix: The runs.
        cases: Test cases in all.
    """
    runs = [run for group in matrix.groups for run in group.runs.values()]
    folds, seeds = len({run.patient_fold for run in runs}), len({run.seed for run in runs})
    return [
        f"{_count(len(runs), 'finished run')}: {_count(len(matrix.groups), 'method')}, "
        f"{_count(len(matrix.holdouts), 'held-out magnification')}, {_count(folds, 'patient fold')}, "
        f"{_count(seeds, 'seed')}, {_count(cases, 'test case')}.",
        "A case is on one side of a split at all magnifications, and the held-out magnification is for the test alone. "
        "All methods share their splits, order of data, encoder and rule of selection, so that differences are paired.",
    ]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
