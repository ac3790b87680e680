"""The differences of the explanation table to both baselines and between them, and what they show in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.catalogue import choose_metrics
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, largest_pair, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.comparison import comparison_rows
from magsig_tf.evaluation.printed import number, significant
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings
from magsig_tf.reasons import NEEDS_BOTH_BASELINES, NO_METHOD, OTHER_SETTINGS, Reason
from magsig_tf.runs.matrix import Group, Matrix, differing
from magsig_tf.statistics.replicates import LEVELS

ALL_FOLDS = "all"
BASELINE = "baseline"
RESAMPLED = "baseline-resampled"
EXPLAINED_METRICS = ("auc", "brier")


def targets_of(group: Group, matrix: Matrix) -> list[str]:
    """Return the holdouts expected of a group, with "pooled" where there are several."""
    expected = matrix.holdouts_of(group)
    return [*expected, POOLED] if len(expected) > 1 else expected


def explained_pairs(group: Group, matrix: Matrix) -> dict[tuple[str, str], Pair | Reason]:
    """Return the three pairs of an augmented group by their methods, or why one is not there.

    The two baselines are paired where both have a partner among the group's runs, so that the differences add up.
    """
    found: dict[tuple[str, str], Pair | Reason] = {}
    for method in (BASELINE, RESAMPLED):
        others = [other for other in matrix.groups if other.method == method]
        keys = sorted({name for other in others for name in differing(group, other)})
        other_settings = f"{method} was run with other {', '.join(keys) or 'magnifications or selection'}"
        why = Reason(OTHER_SETTINGS, other_settings) if others else Reason(NO_METHOD, f"no {method}")
        found[group.method, method] = largest_pair([group], others) or why
    baseline, resampled = found[group.method, BASELINE], found[group.method, RESAMPLED]
    if isinstance(baseline, Pair) and isinstance(resampled, Pair):
        both = pair_groups(resampled.reference, baseline.reference, resampled.keys & baseline.keys)
        return found | {(RESAMPLED, BASELINE): both}
    return found | {(RESAMPLED, BASELINE): Reason(NEEDS_BOTH_BASELINES, "needs both baselines")}


def row_of(group: Group, holdout: str, patient_fold: int | None = None, level: str = "") -> dict[str, object]:
    """Return a row of the table without a number, to be filled in.

    Args:
        group: The augmented group that it is about.
        holdout: A holdout, or "pooled".
        patient_fold: Index of the patient fold; None for all of them.
        level: "image" or "case"; empty where there is no such thing.
    """
    fold = ALL_FOLDS if patient_fold is None else str(patient_fold)
    names = {"config": group.config_hash, "label": group.label, "holdout": holdout, "patient_fold": fold}
    texts = dict.fromkeys(("compared", "reference", "reference_method", "features", "words", "reason_code"), "")
    return names | {"level": level} | texts | {"value": float("nan"), "tests": 0, "n": 0}


def said_of(reason: Reason) -> dict[str, str]:
    """Return the two columns of a row that say why it is as it is."""
    return {"words": str(reason), "reason_code": reason.code}


def difference_rows(
    group: Group, matrix: Matrix, bootstrap: CaseBootstrap, settings: IntervalSettings
) -> Iterator[dict]:
    """Yield the differences of one augmented group at every target, over all patient folds and for each one.

    Args:
        group: The group.
        matrix: All runs.
        bootstrap: The common cases and draws.
        settings: How intervals are made.
    """
    pairs, targets = explained_pairs(group, matrix), targets_of(group, matrix)
    expected, metrics = matrix.holdouts_of(group), choose_metrics(EXPLAINED_METRICS)
    for (_, reference), pair in pairs.items():
        if isinstance(pair, Reason):
            continue
        about = {"compared": pair.first.label, "reference": pair.reference.label, "reference_method": reference}
        by_level = {level: PairedCells(pair, level, metrics, bootstrap) for level in LEVELS}
        for level, target in product(LEVELS, targets):
            for fold in [None, *sorted({fold for holdout, fold, _ in pair.keys if holdout == target})]:
                base = row_of(group, target, fold, level) | about
                for row in comparison_rows(by_level[level], target, expected, settings, fold):
                    numbers = {name: row[name] for name in ("value", "low", "high", "p")}
                    reason = Reason(row["reason_code"], row["reason"])
                    yield base | numbers | {"quantity": row["metric"], "n": row["pairs"]} | said_of(reason)
    for (first, second), why in pairs.items():
        if isinstance(why, Pair):
            continue
        compared = group.label if first == group.method else first
        about = {"compared": compared, "reference": second, "reference_method": second} | said_of(why)
        for target, level, metric in product(targets, LEVELS, EXPLAINED_METRICS):
            yield row_of(group, target, level=level) | about | {"quantity": metric}


POOR_COVERAGE = 0.5
"""Coverage below this share of its floor is poor."""
COPIED = 0.05
"""Copied shares above this, and above twice their floor, are named as copying."""
SHIFTED = 0.1
"""A mix of magnifications this much farther from that of the training rows than its floor is named as shifted."""
NOISY = 0.1
"""A share of samples that look like their label this much below that of real images is named as label noise."""


def explanation_sentence(told: pd.DataFrame, label: str, holdout: str) -> str:
    """Return the conclusion on one augmented group at one holdout.

    Args:
        told: The rows of the group and holdout over all patient folds, at one level, and those of its GANs.
        label: Label of the group.
        holdout: The holdout, or "pooled".
    """
    differences = told[told["reference_method"] != ""]
    own = differences[differences["compared"] == label]
    where = "over all holdouts" if holdout == POOLED else f"at {holdout}"
    if not own["n"].any():
        return f"{label} {where}: nothing to compare: {'; '.join(dict.fromkeys(own['words']))}."
    effects = _of_auc(own, differences[differences["compared"] != label])
    effects.append(_against("Brier", _effect(own, "brier", BASELINE), BASELINE))
    quality = told[told["reference_method"] == ""].drop_duplicates("quantity").set_index("quantity")
    count = int(quality["n"]["kid"])
    gans = f"Its {count} GANs" if count > 1 else "Its GAN" if count else "Its GANs"
    return f"{label} {where}: {'; '.join(effects)}. {gans}: {'; '.join(_generator(quality))}."


def _effect(rows: pd.DataFrame, metric: str, reference: str) -> pd.Series | None:
    """Return the difference in one metric to one reference; None where it is not run."""
    found = rows[(rows["quantity"] == metric) & (rows["reference_method"] == reference) & rows["value"].notna()]
    return found.iloc[0] if len(found) else None


def _told(row: pd.Series | None) -> int:
    """Return the sign of a difference whose interval lies on one side of 0; 0 for all others."""
    if row is None or not np.isfinite(row["low"]):
        return 0
    return int(row["low"] > 0) - int(row["high"] < 0)


def _against(title: str, row: pd.Series | None, reference: str) -> str:
    if row is None:
        return f"{title} against {reference} not run"
    if not np.isfinite(row["low"]):
        return f"the {title} difference to {reference} is inconclusive, without interval ({number(row['value'], True)})"
    if not _told(row):
        interval = f"{number(row['low'], True)} to {number(row['high'], True)}"
        return f"the {title} difference to {reference} is inconclusive ({interval})"
    nearer, farther = (number(abs(end)) for end in sorted((row["low"], row["high"]), key=abs))
    word = "higher" if row["value"] > 0 else "lower"
    return f"{title} {number(abs(row['value']))} {word} than {reference} ({nearer} to {farther})"


def _of_auc(own: pd.DataFrame, others: pd.DataFrame) -> list[str]:
    """Say the difference to both baselines, and whether resampling alone makes it."""
    to_baseline, to_resampled = (_effect(own, "auc", reference) for reference in (BASELINE, RESAMPLED))
    resampling = _effect(others, "auc", BASELINE)
    said = [_against("AUC", to_baseline, BASELINE), _against("AUC", to_resampled, RESAMPLED)]
    runs, compared = (0 if row is None else row["n"] for row in (to_baseline, to_resampled))
    if 0 < compared < runs:
        said[1] += f" (on {compared} of {runs} runs)"
    whole, synthetic, alone = map(_told, (to_baseline, to_resampled, resampling))
    if alone:
        said.append(f"with resampling alone, {_against('AUC', resampling, BASELINE)}")
    if whole and compared == runs:
        if synthetic == whole:
            said.append("so the synthetic images do more than resampling")
        elif alone == whole:
            said.append("so resampling alone can account for it")
        else:
            said.append("so resampling and synthetic images cannot be separated")
    return said


def _generator(quality: pd.DataFrame) -> list[str]:
    """Say how good the GANs are, whether they copy or mix up magnifications, and what the filter kept."""
    value = {str(name): float(each) for name, each in quality["value"].items()}
    kept = [f"the filter kept {number(value['kept_share'])}"] if np.isfinite(value["kept_share"]) else []
    if np.isnan(value["kid"]):
        return [f"quality unknown ({quality['words']['kid'] or 'not measured'})", *kept]
    said = [f"{_beside_floor(value['kid'], value['kid_floor'])}, {_coverage(value)}"]
    if np.isfinite(value["copied"]):
        copies = value["copied"] > max(COPIED, 2 * np.nan_to_num(value["copied_floor"]))
        said.append(f"copied {number(value['copied'])}" + (": they copy training images" if copies else ""))
    if np.isfinite(value["magnification_shift"]):
        shifted = value["magnification_shift"] - np.nan_to_num(value["magnification_shift_floor"]) > SHIFTED
        verdict = ": they mix up magnifications" if shifted else ""
        said.append(f"magnification mix shifted by {number(value['magnification_shift'])}{verdict}")
    if np.isfinite(value["label_agreement"]):
        agreement, floor = value["label_agreement"], value["label_agreement_floor"]
        real = "no floor" if np.isnan(floor) else f"real {number(floor)}"
        noisy = ": label noise" if floor - agreement > NOISY else ""
        said.append(f"{number(agreement)} agree with their label ({real}){noisy}")
    return [*said, *kept]


def _beside_floor(kid: float, floor: float) -> str:
    if np.isnan(floor):
        return f"KID {significant(kid)} (no floor)"
    if kid <= 0 or floor <= 0:
        return f"KID {significant(kid)} (floor {significant(floor)})"
    ratio = kid / floor
    return f"KID {significant(kid)}, {ratio:.{0 if ratio >= 10 else 1}f} times its floor"


def _coverage(value: dict[str, float]) -> str:
    """Call the GANs poor or near their floor where both KID and coverage say so, and nothing else."""
    coverage, floor, above = value["coverage"], value["coverage_floor"], value["kid_above_floor"]
    if np.isnan(coverage):
        return "coverage not defined"
    said = f"coverage {number(coverage)}" + ("" if np.isnan(floor) else f" (floor {number(floor)})")
    narrow = coverage < POOR_COVERAGE * (1.0 if np.isnan(floor) else floor)
    if above > 0.5 and narrow:
        return f"{said}: poor generators"
    return f"{said}: near what real images of other patients reach" if above == 0 and not narrow else said
