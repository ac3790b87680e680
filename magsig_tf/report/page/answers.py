"""What the numbers show, in plain sentences by rules; docs/report.md has the rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magsig_tf.evaluation.augmentation.explanation import Explanation
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.probes.rows import COLOURS, GIVEN
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.evaluation.summary.notes import some
from magsig_tf.reasons import ONE_SIDED
from magsig_tf.report.page.material import ResultTables
from magsig_tf.runs.matrix import Matrix

CHANCE = 0.5
"""AUC of a guess."""
CLEAR = 0.05
"""A Holm p below this is significant."""
OFTEN_WRONG = 0.5
"""A case counts as misclassified by a method when more than this share of its images is."""


def interval_words(row: pd.Series, signed: bool = False) -> str:
    """Return a value with its interval as a sentence writes them."""
    words = number(row["value"], signed)
    if np.isfinite([row["low"], row["high"]]).all():
        sides = ", one-sided" if row.get("interval") == ONE_SIDED else ""
        words += f" ({number(row['low'], signed)} to {number(row['high'], signed)}{sides})"
    return words


def _with_place(row: pd.Series, signed: bool = False) -> str:
    return f"{interval_words(row, signed)}, {row['label']} at {row['holdout']}"


def _places(rows: pd.DataFrame) -> str:
    return some([f"{label} at {holdout}" for label, holdout in zip(rows["label"], rows["holdout"], strict=True)])


def answer_unseen(table: pd.DataFrame) -> list[str]:
    """Say whether methods rank better than chance at every held-out magnification.

    Args:
        table: The summary frame.
    """
    rows = _image(table, "auc", "held_out")
    if rows.empty:
        return ["Not run: no AUC at a held-out magnification."]
    above, below = rows[rows["low"] > CHANCE], rows[rows["high"] < CHANCE]
    untold = rows.drop(above.index).drop(below.index)
    if len(above) == len(rows):
        first = "Every method ranks malignant above benign images better than chance at every holdout."
    elif above.empty:
        first = "Better than chance at a held-out magnification: inconclusive for every method."
    else:
        pairs = f"{len(above)} of {len(rows)} pairs of method and holdout"
        first = f"Better than chance at a held-out magnification: {pairs}"
        first += f"; inconclusive: {_places(untold)}." if len(untold) else "."
    first += f" Worse than chance: {_places(below)}." if len(below) else ""
    second = f"The lowest AUC is {_with_place(rows.iloc[rows['value'].argmin()])}"
    highest = f"; the highest is {_with_place(rows.iloc[rows['value'].argmax()])}." if len(rows) > 1 else "."
    return [first, second + highest]


def answer_drop(table: pd.DataFrame) -> list[str]:
    """Say where the drop is a clear loss of AUC, and where it is largest.

    Args:
        table: The summary frame.
    """
    rows = _image(table, "auc", "drop")
    if rows.empty:
        return ["Not run: a drop needs the same patient fold and seed with another holdout."]
    losses, gains = rows[rows["high"] < 0], rows[rows["low"] > 0]
    largest = rows.iloc[rows["value"].argmin()]
    words = f"A clear loss of AUC in {len(losses)} of {len(rows)} pairs of method and holdout"
    words += f", a clear gain in {len(gains)}" if len(gains) else ""
    words += "; in the others the interval includes 0." if len(losses) + len(gains) < len(rows) else "."
    kind = "largest loss" if largest["value"] < 0 else "smallest gain"
    return [words, f"The {kind} is {_with_place(largest, True)}."]


def answer_better(table: pd.DataFrame, reference: str) -> list[str]:
    """Say for each method at how many holdouts it is better than the reference, worse, or inconclusive.

    Args:
        table: Joined frames of comparisons with Holm's p over all of them; empty without any.
        reference: The method that others are compared with.
    """
    if table.empty:
        return [f"Not run: no method can be paired with {reference}."]
    rows = table[(table["level"] == "image") & (table["metric"] == "auc") & table["value"].notna()]
    said = []
    for (label, other), pair in rows.groupby(["label", "reference_label"], sort=False):
        single = pair[pair["holdout"] != POOLED]
        clear = single["holm_p"] < CLEAR
        better, worse = single[clear & (single["value"] > 0)], single[clear & (single["value"] < 0)]
        told = {"better": better, "worse": worse}
        words = [f"{verb} at {some(list(found['holdout']))}" for verb, found in told.items() if len(found)]
        untold = len(single) - len(better) - len(worse)
        words += [f"inconclusive at {untold} of {len(single)} holdouts"] if untold else []
        pooled = pair[pair["holdout"] == POOLED]
        mean = f"; mean of the holdouts {number(pooled['holdout_mean'].iloc[0], True)}" if len(pooled) else ""
        said.append(f"AUC of {label} against {other}: {', '.join(words)}{mean}.")
    return [*said, "Inconclusive does not mean equal: the intervals show how large a difference may still be."]


def answer_calibrated(table: pd.DataFrame) -> list[str]:
    """Give the calibration error of the probabilities, and say whose Brier score is lowest.

    Args:
        table: The summary frame.
    """
    scope = POOLED if (table["holdout"] == POOLED).any() else table["holdout"].iloc[0]
    where = "over all held-out magnifications" if scope == POOLED else f"at {scope} held out"
    rows = table[(table["level"] == "image") & (table["quantity"] == "held_out") & (table["holdout"] == scope)]
    ordered = rows[rows["value"].notna()].sort_values("value", kind="stable")
    errors, briers = (ordered[ordered["metric"] == name] for name in ("ece", "brier"))
    if errors.empty or briers.empty:
        return ["Not run: no probability at a held-out magnification."]
    listed, others = (
        ", ".join(f"{label} {number(value)}" for label, value in zip(found["label"], found["value"], strict=True))
        for found in (errors, briers.iloc[1:])
    )
    lowest = f"{briers['label'].iloc[0]}, {interval_words(briers.iloc[0])}" + (f"; {others}" if others else "")
    return [
        f"Mean calibration error (ECE) {where}: {listed}.",
        f"The lowest Brier score is that of {lowest}. The paired differences show whether it is significantly lower.",
    ]


def answer_wrong(strips: pd.DataFrame) -> list[str]:
    """Say which cases every method misclassifies in most of their images.

    Args:
        strips: `CaseStrips.frame()`.
    """
    if strips.empty:
        return ["Not run: no predictions at a held-out magnification."]
    labels, cases = strips["label"].nunique(), strips["case"].nunique()
    missed = strips[strips["wrong"] > OFTEN_WRONG].groupby(["case", "class"])["label"].nunique()
    always = missed.index[missed == labels].tolist()
    who = "every method" if labels > 1 else "the method"
    if not always:
        return [f"No case of {cases} is misclassified by {who} in most of its images."]
    benign = sum(truth == "benign" for _, truth in always)
    words = f"{len(always)} of {cases} cases {'is' if len(always) == 1 else 'are'} misclassified by {who} in most of"
    names = some([str(case) for case, _ in always])
    return [f"{words} their images: {benign} benign, {len(always) - benign} malignant ({names})."]


def _image(table: pd.DataFrame, metric: str, quantity: str) -> pd.DataFrame:
    kept = (table["level"] == "image") & (table["metric"] == metric) & (table["quantity"] == quantity)
    return table[kept & (table["holdout"] != POOLED) & table["value"].notna()]


LITTLE_BEYOND_CHANCE = 0.1
"""An adjusted overlap below this is called near chance; a convention, as that of near zero in claims."""


def answer_invariance(tables: ResultTables) -> list[str]:
    """Say for each method whether a probe predicts the source magnification above chance.

    Args:
        tables: What probes left.
    """
    if "probes" in tables.absent:
        return [f"{_capital(tables.absent['probes'])}."]
    frame = tables.get("probes")
    wanted = {"target": "magnification", "metric": "balanced_accuracy", "control": "none", "rows": "source"}
    kept = (frame[list(wanted)] == pd.Series(wanted)).all(axis=1) & frame["probe"].isin(["linear", "neighbours"])
    frame = frame[kept & frame["value"].notna()]
    methods = frame[frame["kind"] == "method"]
    if methods.empty:
        return ["Not defined: no probe of source magnifications has a number."]
    said = []
    for label, rows in methods.groupby("subject", sort=False):
        row = rows.iloc[rows["value"].argmax()]
        verdict = "these probes cannot distinguish magnifications, which does not show that no probe can"
        if np.isnan(row["low"]):
            verdict = "there is no interval"
        elif row["low"] > row["chance"]:
            verdict = "the embedding still reveals the magnification"
        said.append(
            f"{label}: the better of two probes predicts the magnification with a balanced accuracy of "
            f"{interval_words(row)}, chance {number(row['chance'])}: {verdict}."
        )
    controls = frame[frame["kind"] == "control"]
    untrained, given = controls[~controls["subject"].isin([COLOURS, GIVEN])], controls[controls["subject"] == GIVEN]
    for rows, what in ((untrained, "The encoder before training gives"), (given, "The embeddings as given give")):
        if len(rows):
            said.append(f"{what} {number(rows['value'].max())}.")
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
    """Return the conclusion on each method that used GANs, over all holdouts or at its only one.

    Args:
        explanation: The explanation; None where no run used GANs.
    """
    if explanation is None:
        return ["Not run: no run used GANs (`magsig train --method gan --holdout all`)."]
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
    folds, seeds = len({run.patient_fold for run in runs}), len({run.seed for run in runs if not run.seedless})
    return [
        f"{_count(len(runs), 'finished run')}: {_count(len(matrix.groups), 'method')}, "
        f"{_count(len(matrix.holdouts), 'held-out magnification')}, {_count(folds, 'patient fold')}, "
        f"{_count(seeds, 'seed') + ', ' if seeds else ''}{_count(cases, 'test case')}.",
        "A case is on one side of a split at all magnifications, and the held-out magnification is used for the test "
        "only. All methods share their splits, order of data, encoder and "
        "rule of selection, so that differences are paired.",
    ]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
