"""Patient-disjoint leave-one-magnification-out splits.

Cases are dealt into folds once for a study; every holdout, method and seed uses the same deal, so comparisons are
paired. Definitions: docs/protocol.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from magsig_tf.config import Config
from magsig_tf.data.copies.near_hashes import NEAR_DUPLICATE_BITS, near_duplicates
from magsig_tf.data.identity import (
    TEST_COHORT,
    check_told_apart,
    find_magnification,
    find_magnifications,
    is_test_word,
    magnification_order,
)
from magsig_tf.data.prepared import Dataset
from magsig_tf.errors import DataError, UsageError
from magsig_tf.statistics.cases import check_one_label, deal_cases


def split_of(config: Config, prepared: Dataset) -> Split:
    """Return the split that the config of one run asks for."""
    protocol = config.settings.model_dump(include={"folds", "split_seed", "group_by", "magnifications"})
    protocol |= {"holdout": config.settings.holdout[0], "patient_fold": config.tested_fold}
    return make_split(prepared.manifest, content_hash=prepared.content_hash, **protocol)


PARTS = ("train", "validation", "test", "in_domain_test", "validation_holdout")


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
    warnings: tuple[str, ...] = ()

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
        DataError: the training or validation part lacks a class or a source magnification, a case has two labels, or a
            case is on two sides.
    """
    holdout, study = _study_rows(manifest, holdout, magnifications)
    if not 0 <= patient_fold < folds:
        expected = f"Expected a patient fold from 0 to {folds - 1}"
        raise UsageError(expected, f"found {patient_fold}", "Choose one of them")
    warnings = []
    if group_by == "slide":
        warnings.append("Split by slide: slides of one patient can be on both sides, results are optimistic")
    groups, merged = _groups(study, group_by)
    if merged:
        what = "copies of images" if "split_case" in study else "pixel-identical images"
        warnings += [f"{merged} {group_by}s share {what} with another and are split together with it"]
    fold_of_group = _deal(study.assign(group=groups), folds, split_seed)
    rows = _parts(study, groups.map(fold_of_group).to_numpy(), holdout, patient_fold, folds)
    warnings += check_no_leak(study.assign(group=groups), rows)
    warnings += _check_classes(manifest, rows, holdout)
    source = tuple(m for m in magnification_order(study["magnification"]) if m != holdout)
    _check_sources(manifest, rows, magnification_order(study["magnification"]), holdout, patient_fold)
    protocol = (content_hash, holdout, patient_fold, folds, split_seed, group_by, *source)
    return Split(holdout, patient_fold, source, rows, _hash(protocol, rows), tuple(warnings))


def _study_rows(manifest: pd.DataFrame, holdout: str, magnifications: Sequence[str] | None) -> tuple[str, pd.DataFrame]:
    """Return the holdout as the data name it, and the rows of the study."""
    present = magnification_order(manifest["magnification"])
    check_told_apart(present)
    chosen = find_magnifications(magnifications or present, present)
    holdout = find_magnification(holdout, present)
    if holdout not in chosen:
        expected = f"Expected a holdout among the study's magnifications {', '.join(chosen)}"
        raise UsageError(expected, f"found {holdout!r}", "Add it")
    if len(set(chosen)) < 2:
        remedy = "Each holdout needs at least one source magnification"
        raise UsageError("Expected at least two magnifications", f"found only {holdout!r}", remedy)
    return holdout, manifest[manifest["magnification"].isin(chosen)]


def _groups(study: pd.DataFrame, group_by: str) -> tuple[pd.Series, int]:
    """Return what each row is split with, and how many cases (or slides) were merged into another.

    Copies were looked for when the data set was prepared; in one of an earlier version, only identical images count.
    """
    if group_by == "case" and "split_case" in study:
        return study["split_case"], study["case"].nunique() - study["split_case"].nunique()
    images = study["copy_group"] if "copy_group" in study else study["pixel_sha256"]
    return merge_identical_cases(study[group_by], images)


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
        written = next((word for word in study.loc[~fixed, "cohort"].unique() if is_test_word(word)), None)
        if written is not None:  # earlier versions took it for a word like any other, and trained on these cases
            found = f"found {written!r}"
            raise DataError(f"Expected the test cohort as {TEST_COHORT!r}", found, "Prepare it again with --overwrite")
        fold_of_group.update(dict.fromkeys(study.loc[fixed, "group"].unique(), -1))
        dealt = study[~fixed]
        both = set(dealt["group"]) & set(fold_of_group)
        if both:
            remedy = "Correct the column cohort"
            raise DataError("Expected each case in one cohort", f"found {min(both)} in two", remedy)
    imaged_at = {group: tuple(magnification_order(seen)) for group, seen in dealt.groupby("group")["magnification"]}
    strata = sorted(set(imaged_at.values()))
    # without strata a fold may get only cases that were never imaged at some holdout's source magnifications
    stratum = dealt["group"].map(imaged_at).map(strata.index).to_numpy(np.int64)
    fold = deal_cases(dealt["label"], dealt["group"], folds, "patient folds", split_seed, stratum=stratum)
    return fold_of_group | dict(zip(dealt["group"], fold.tolist(), strict=True))


def _parts(study: pd.DataFrame, fold: np.ndarray, holdout: str, patient_fold: int, folds: int) -> dict[str, np.ndarray]:
    test = fold == (-1 if (fold == -1).any() else patient_fold)
    validation = ~test & (fold == (patient_fold + 1) % folds)
    at_holdout = (study["magnification"] == holdout).to_numpy()
    chosen = {
        "train": ~test & ~validation & ~at_holdout,
        "validation": validation & ~at_holdout,
        "test": test & at_holdout,
        "in_domain_test": test & ~at_holdout,
        "validation_holdout": validation & at_holdout,
    }
    index = study.index.to_numpy(np.int64)
    return {part: np.sort(index[mask]) for part, mask in chosen.items()}


def _check_classes(manifest: pd.DataFrame, rows: dict[str, np.ndarray], holdout: str) -> list[str]:
    warnings = []
    for part in ("train", "validation", "test"):
        found = set(manifest["label"].to_numpy()[rows[part]])
        missing = {"benign", "malignant"} - found
        if missing and part != "test":
            expected = f"Expected benign and malignant cases in the {part} part at holdout {holdout}"
            remedy = "Use fewer folds, another split_seed, or data with more cases"
            raise DataError(expected, f"found {'only ' + found.pop() if found else 'none'}", remedy)
        if missing:
            warnings += [f"Test cases at {holdout} lack {' and '.join(sorted(missing))} ones: AUC is not defined here"]
    return warnings


def _check_sources(
    manifest: pd.DataFrame, rows: dict[str, np.ndarray], study: Sequence[str], holdout: str, patient_fold: int
) -> None:
    """Refuse a split that cannot train or validate at one of its source magnifications."""
    magnification = manifest["magnification"].to_numpy()
    for part in ("train", "validation"):
        missing = [name for name in study if name not in {holdout, *magnification[rows[part]]}]
        if missing:
            words = "training" if part == "train" else part
            expected = f"Expected {words} images at every source magnification in patient fold {patient_fold}"
            left = ",".join(name for name in study if name not in missing)
            remedy = f"Use fewer folds or another split_seed, or leave it out: --magnifications {left}"
            raise DataError(expected, f"found none at {' and '.join(missing)}", remedy)


def _hash(protocol: tuple, rows: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256("\x1f".join(map(str, protocol)).encode())
    for part in PARTS:
        digest.update(part.encode() + rows[part].astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def merge_identical_cases(cases: pd.Series, pixel_sha256: pd.Series) -> tuple[pd.Series, int]:
    """Return a group name for each row: its case, or the first of all cases linked to it by identical pixels.

    Args:
        cases: Case (or slide) of each row.
        pixel_sha256: Hash of each row's pixels, or whatever images that belong together share.

    Returns:
        The group of each row, and the number of cases that were merged into another.
    """
    case_codes, names = pd.factorize(cases, sort=True)
    image_codes, images = pd.factorize(pixel_sha256)
    # a graph whose nodes are cases and images: its components are what has to stay together
    size = len(names) + len(images)
    links = coo_array((np.ones(len(case_codes)), (case_codes, image_codes + len(names))), shape=(size, size))
    _, component = connected_components(links, directed=False)
    group = pd.Series(names).groupby(component[: len(names)]).transform("first").to_numpy(object)
    return pd.Series(group[case_codes], index=cases.index), len(names) - len(set(group))


SIDES = {"train": ("train",), "validation": ("validation", "validation_holdout"), "test": ("test", "in_domain_test")}


def check_no_leak(study: pd.DataFrame, rows: dict[str, np.ndarray]) -> list[str]:
    """Refuse a split in which a group is on two sides; warn of near-duplicate images across sides.

    Args:
        study: Manifest rows with the columns `group` and `perceptual_hash`, indexed by row number; with `copy_group`,
            copies were looked for by better means than the hash, and there is nothing to warn of. Embeddings of unknown
            images have no hash.
        rows: Part name to row numbers.

    Returns:
        Warnings, as sentences.

    Raises:
        DataError: a group is on two sides.
    """
    hashed = "copy_group" not in study and "perceptual_hash" in study
    columns = ["group", "perceptual_hash"] if hashed else ["group"]
    sides = {side: study.loc[np.concatenate([rows[part] for part in parts]), columns] for side, parts in SIDES.items()}
    warnings = []
    for (first, left), (second, right) in combinations(sides.items(), 2):
        both = set(left["group"]) & set(right["group"])
        if both:
            expected = "Expected every case on one side of a split"
            remedy = "This is a defect of the split: please report it"
            raise DataError(expected, f"found {min(both)} in {first} and in {second}", remedy)
        if not hashed:
            continue
        pairs = near_duplicates(left["perceptual_hash"], right["perceptual_hash"])
        if pairs:
            warnings.append(
                f"{pairs} image pairs of different cases in {first} and {second} are near-duplicates "
                f"(perceptual hash within {NEAR_DUPLICATE_BITS} bits)"
            )
    return warnings
