"""What the explanation table shows of a holdout, in one sentence; the rules are written in docs/numbers.md."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.evaluation.augmentation.differences import BASELINE, RESAMPLED
from magsig_tf.evaluation.printed import number, significant
from magsig_tf.evaluation.summary.frame import POOLED

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
    effects = _of_auc(
        _effect(own, "auc", BASELINE),
        _effect(own, "auc", RESAMPLED),
        _effect(differences[differences["compared"] != label], "auc", BASELINE),
    )
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


def _of_auc(to_baseline: pd.Series | None, to_resampled: pd.Series | None, resampling: pd.Series | None) -> list[str]:
    """Say the difference to both baselines, and whether resampling alone makes it."""
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
