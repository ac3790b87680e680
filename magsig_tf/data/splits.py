"""Patient-disjoint leave-one-magnification-out splits.

Cases are dealt into folds once for a study; every holdout, method and seed uses the same deal, so comparisons are
paired. Definitions: docs/protocol.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from magsig_tf.config import Config
from magsig_tf.data.leakage import check_no_leak, merge_identical_cases
from magsig_tf.data.manifest import magnification_order
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import DataError, UsageError, nearest
from magsig_tf.statistics.cases import check_one_label, deal_cases


def split_of(config: Config, prepared: PreparedDataset) -> Split:
    """Return the split that the config of one run asks for."""
    s = config.settings
    return make_split(
        prepared.manifest,
        content_hash=prepared.content_hash,
        holdout=s.holdout[0],
        patient_fold=config.tested_fold,
        folds=s.folds,
        split_seed=s.split_seed,
        group_by=s.group_by,
        magnifications=s.magnifications,
    )


PARTS = ("train", "validation", "test", "in_domain_test", "validation_holdout")
TEST_COHORT = "test"


@dataclass(frozen=True)
class Split:
    """The rows of one (holdout, patient fold) pair.

    Args:
        holdout: The magnification left out of training and validation.
        patient_fold: Index k of the fold whose cases are tested.
        source_magnifications: The other magnifications, in order; their index is the domain label.
        rows: Part name (see `PARTS`) to int64 manifest rows, ascending.
        hash: 16 hex digits over data set, protocol and rows.
        warnings: Sentences a user should see.
    """

    holdout: str
    patient_fold: int
    source_magnifications: tuple[str, ...]
    rows: dict[str, np.ndarray]
    hash: str
    warnings: tuple[str, ...] = field(default=())

    def cases_per_class(self, manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
        """Return the number of distinct cases of each label in each part."""
        counts = {}
        for part, rows in self.rows.items():
            cases = manifest.iloc[rows].groupby("label")["case"].nunique()
            counts[part] = {label: int(cases.get(label, 0)) for label in ("benign", "malignant")}
        return counts


def make_split(
    manifest: pd.DataFrame,
    *,
    content_hash: str,
    holdout: str,
    patient_fold: int,
    folds: int = 5,
    split_seed: int = 0,
    group_by: str = "case",
    magnifications: Sequence[str] | None = None,
) -> Split:
    """Return the split of one holdout and one patient fold.

    For patient fold k the test cases are fold k, the validation cases fold k + 1 (modulo `folds`), the training cases
    the rest. Where the manifest has a column `cohort` with the value "test", those cases are the test cases of every
    fold, and the folds deal out the others.

    Args:
        manifest: The manifest of a prepared data set; its index 0..N-1 is the row number.
        content_hash: The data set's hash, part of the split's.
        holdout: The magnification to leave out.
        patient_fold: k in [0, folds).
        folds: K, the number of patient folds.
        split_seed: Seed of the deal.
        group_by: "case" or "slide"; slides of one patient may end up on two sides.
        magnifications: Limit the study to these; None means all.

    Raises:
        UsageError: the holdout or a magnification is not in the data, or the fold does not exist.
        DataError: the training or validation part lacks a class, a case has two labels, or a case is on two sides.
    """
    study = _study_rows(manifest, holdout, magnifications)
    if not 0 <= patient_fold < folds:
        raise UsageError(
            f"Expected a patient fold from 0 to {folds - 1}", f"found {patient_fold}", "Choose one of them"
        )
    warnings = []
    if group_by == "slide":
        warnings.append("Split by slide: slides of one patient can be on both sides, results are optimistic")
    groups, merged = merge_identical_cases(study[group_by], study["pixel_sha256"])
    if merged:
        warnings.append(
            f"{merged} {group_by}s share pixel-identical images with another and are split together with it"
        )
    fold_of_group = _deal(study.assign(group=groups), folds, split_seed)
    side = _sides(groups.map(fold_of_group), patient_fold, folds)
    at_holdout = (study["magnification"] == holdout).to_numpy()
    rows = _parts(study.index.to_numpy(np.int64), side, at_holdout)
    warnings += check_no_leak(study.assign(group=groups), rows)
    warnings += _check_classes(manifest, rows, holdout)
    source = tuple(m for m in magnification_order(study["magnification"]) if m != holdout)
    protocol = (content_hash, holdout, patient_fold, folds, split_seed, group_by, *source)
    return Split(holdout, patient_fold, source, rows, _hash(protocol, rows), tuple(warnings))


def _study_rows(manifest: pd.DataFrame, holdout: str, magnifications: Sequence[str] | None) -> pd.DataFrame:
    present = magnification_order(manifest["magnification"])
    for name in [*(magnifications or []), holdout]:
        if name not in present:
            raise UsageError("Expected a magnification of the data set", f"found {name!r}", nearest(name, present))
    chosen = list(magnifications or present)
    if holdout not in chosen:
        raise UsageError(
            f"Expected a holdout among the study's magnifications {', '.join(chosen)}", f"found {holdout!r}", "Add it"
        )
    if len(set(chosen)) < 2:
        raise UsageError(
            "Expected at least two magnifications",
            f"found only {holdout!r}",
            "Each holdout needs at least one source magnification",
        )
    return manifest[manifest["magnification"].isin(chosen)]


def _deal(study: pd.DataFrame, folds: int, split_seed: int) -> dict[str, int]:
    """Deal groups into folds, stratified by label and, within it, by the magnifications a group has.

    Returns:
        Fold of each group; -1 marks the fixed test cohort.
    """
    check_one_label(study["label"], study["group"])
    fold_of_group: dict[str, int] = {}
    dealt = study
    if "cohort" in study.columns:
        fixed = study["cohort"] == TEST_COHORT
        fold_of_group.update(dict.fromkeys(study.loc[fixed, "group"].unique(), -1))
        dealt = study[~fixed]
        both = set(dealt["group"]) & set(fold_of_group)
        if both:
            raise DataError(
                "Expected each case in one cohort", f"found {min(both)} in two", "Correct the column cohort"
            )
    imaged_at = {group: tuple(magnification_order(seen)) for group, seen in dealt.groupby("group")["magnification"]}
    strata = sorted(set(imaged_at.values()))
    # without strata a fold may get only cases that were never imaged at some holdout's source magnifications
    stratum = dealt["group"].map(imaged_at).map(strata.index).to_numpy(np.int64)
    fold = deal_cases(dealt["label"], dealt["group"], folds, "patient folds", split_seed, stratum=stratum)
    return fold_of_group | dict(zip(dealt["group"], fold.tolist(), strict=True))


def _sides(folds_of_rows: pd.Series, patient_fold: int, folds: int) -> np.ndarray:
    fold = folds_of_rows.to_numpy()
    fixed_cohort = (fold == -1).any()
    validation = fold == (patient_fold + 1) % folds
    test = fold == -1 if fixed_cohort else fold == patient_fold
    return np.where(test, "test", np.where(validation, "validation", "train"))


def _parts(index: np.ndarray, side: np.ndarray, at_holdout: np.ndarray) -> dict[str, np.ndarray]:
    chosen = {
        "train": (side == "train") & ~at_holdout,
        "validation": (side == "validation") & ~at_holdout,
        "test": (side == "test") & at_holdout,
        "in_domain_test": (side == "test") & ~at_holdout,
        "validation_holdout": (side == "validation") & at_holdout,
    }
    return {part: np.sort(index[mask]) for part, mask in chosen.items()}


def _check_classes(manifest: pd.DataFrame, rows: dict[str, np.ndarray], holdout: str) -> list[str]:
    warnings = []
    for part in ("train", "validation", "test"):
        found = set(manifest["label"].to_numpy()[rows[part]])
        missing = {"benign", "malignant"} - found
        if missing and part != "test":
            raise DataError(
                f"Expected benign and malignant cases in the {part} part at holdout {holdout}",
                f"found {'only ' + found.pop() if found else 'none'}",
                "Use fewer folds, another split_seed, or data with more cases",
            )
        if missing:
            warnings.append(
                f"Test cases at {holdout} lack {' and '.join(sorted(missing))} ones: AUC is not defined here"
            )
    return warnings


def _hash(protocol: tuple, rows: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256("\x1f".join(map(str, protocol)).encode())
    for part in PARTS:
        digest.update(part.encode() + rows[part].astype("<i8").tobytes())
    return digest.hexdigest()[:16]
