"""What copies mean for a data set: which cases are split as one, what is refused, and what the user is told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from magsig_tf.data.copies.search import Copies
from magsig_tf.errors import DataError

EXAMPLES = 5
LISTED = 1000
COMPARED = ("case", "label", "magnification")


def table_of_copies(manifest: pd.DataFrame, copies: Copies) -> pd.DataFrame:
    """Name the images of each pair.

    Args:
        manifest: With `path` and `COMPARED`, one row an image in the order of the images.
        copies: Found among them.

    Returns:
        One row a pair: `path`, `other`, each of `COMPARED` for both (`case`, `other_case`, ...), `relation`,
        `correlation` and `share` (see `Copies`).
    """
    sides = {"": copies.pairs["first"].to_numpy(), "other_": copies.pairs["second"].to_numpy()}
    path = manifest["path"].to_numpy(object)
    columns = {"path": path[sides[""]], "other": path[sides["other_"]]}
    for name in COMPARED:
        values = manifest[name].to_numpy(object)
        columns |= {f"{side}{name}": values[rows] for side, rows in sides.items()}
    return pd.DataFrame(columns).assign(**copies.pairs[["relation", "correlation", "share"]])


def check_copies(manifest: pd.DataFrame, copies: Copies) -> None:
    """Refuse copies that contradict each other.

    Args:
        manifest: As for `table_of_copies`, perhaps with `cohort`.
        copies: Found among its images.

    Raises:
        DataError: a copy has another label than its original, or one of them is in the fixed test cohort.
    """
    table = table_of_copies(manifest, copies)
    _refuse(table, table["label"], table["other_label"], "label", "Correct the label, or leave one of the two out")
    if "cohort" in manifest:
        cohort = np.where(manifest["cohort"] == "test", "cohort test", "development")
        first, second = (pd.Series(cohort[copies.pairs[name]], dtype=object) for name in ("first", "second"))
        _refuse(table, first, second, "cohort", "Put both cases into one cohort, or leave one of the two images out")


def _refuse(table: pd.DataFrame, first: pd.Series, second: pd.Series, what: str, remedy: str) -> None:
    wrong = np.flatnonzero(first.to_numpy() != second.to_numpy())
    if not len(wrong):
        return
    shown = []
    for place in wrong[:3]:
        row = table.iloc[place]
        one, other = f"{row['path']} ({first.iloc[place]}", f"{row['other']} ({second.iloc[place]}"
        shown.append(f"{one}, case {row['case']}) and {other}, case {row['other_case']}): {row['relation']}")
    more = f" and {len(wrong) - 3:,} more pairs" if len(wrong) > 3 else ""
    if (table["relation"].iloc[wrong] != "identical").any():
        remedy += "; if they are different pictures, pass --copies identical"
    expected = f"Expected one {what} for an image and its copies"
    raise DataError(expected, f"found {'; '.join(shown)}{more}", remedy)


def with_copies(manifest: pd.DataFrame, copies: Copies) -> pd.DataFrame:
    """Add what copies decide about splits.

    Args:
        manifest: As for `check_copies`.
        copies: Found among its images.

    Returns:
        The manifest with `split_case` and, where copies other than identical images were looked for, `copy_group`: the
        path of the first image that this one is linked to by copies, its own where there is none.

    Raises:
        DataError: as `check_copies`.
    """
    check_copies(manifest, copies)
    group = groups_of_copies(len(manifest), copies.pairs)
    added: dict[str, Any] = {"split_case": split_cases(manifest["case"], group)}
    if copies.searched:
        added["copy_group"] = manifest["path"].iloc[group].to_numpy(object)
    return manifest.assign(**added)


def groups_of_copies(count: int, pairs: pd.DataFrame) -> np.ndarray:
    """Return for each of `count` images the position of the first one that it is linked to by copies, int64."""
    links = coo_array((np.ones(len(pairs)), (pairs["first"], pairs["second"])), shape=(count, count))
    return _first_of_component(links)


def split_cases(case: pd.Series, group: np.ndarray) -> pd.Series:
    """Return under which case each image is split: its own, or the first of all cases linked to it by copies.

    Args:
        case: Of each image.
        group: From `groups_of_copies`.
    """
    code, names = pd.factorize(case, sort=True)
    size = len(names) + len(group)
    links = coo_array((np.ones(len(code)), (code, group + len(names))), shape=(size, size))
    return pd.Series(names.to_numpy(object)[_first_of_component(links)[code]], index=case.index)


def _first_of_component(links: coo_array) -> np.ndarray:
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component]


def summary_of_copies(
    manifest: pd.DataFrame, copies: Copies, original_paths: Sequence[str] | None
) -> dict[str, object]:
    """Say in plain values what copies there are.

    Args:
        manifest: With `path`, `pixel_sha256`, `split_case` and `COMPARED`.
        copies: Found among its images.
        original_paths: Path of each image below the folder that the user passed; None where it was no folder.

    Returns:
        `searched`, `pairs`; `across_cases` with `pairs`, `relations` and `examples`; `split_together` (lists of cases);
        `repeated` (images that are identical to another of their case), `times` (how often the most repeated image is
        there), `all_alike` (whether all are there as often) and `folder` (which alone holds every image once, or None);
        `same_field` (other pairs of a case); `plain` and `repeating` (images compared for identical pixels only).
    """
    table = table_of_copies(manifest, copies)
    across, identical = table["case"] != table["other_case"], table["relation"] == "identical"
    named = table[across].sort_values("correlation", ascending=False, kind="stable")
    examples = [f"{row.path} = {row.other} ({row.relation})" for row in named.head(EXAMPLES).itertuples()]
    together = manifest[["case", "split_case"]].drop_duplicates().groupby("split_case")["case"].agg(sorted)
    inside = manifest[~copies.plain].groupby(["case", "pixel_sha256"]).size()
    repeated = int((inside - 1).sum())
    return {
        "searched": copies.searched,
        "pairs": len(table),
        "across_cases": {
            "pairs": int(across.sum()),
            "relations": dict(Counter(table["relation"][across]).most_common()),
            "examples": examples,
        },
        "split_together": [cases for cases in together if len(cases) > 1][:LISTED],
        "repeated": repeated,
        "times": int(inside.max()) if len(inside) else 0,
        "all_alike": bool(len(inside) and inside.min() == inside.max() and not copies.plain.any()),
        "folder": folder_without_copies(original_paths, manifest["pixel_sha256"].tolist()) if repeated else None,
        "same_field": int((~across & ~identical).sum()),
        "plain": int(copies.plain.sum()),
        "repeating": int(copies.repeating.sum()),
    }


_PARTS_OF_SPLITS = re.compile(r"fold|train|val|test|split", re.IGNORECASE)


def folder_without_copies(paths: Sequence[str] | None, pixel_sha256: Sequence[str]) -> str | None:
    """Return the folder that holds each different image once; None where there is none.

    Args:
        paths: Posix path of each image, or None.
        pixel_sha256: Hash of each one's pixels.
    """
    if paths is None:
        return None
    below: dict[str, list[str]] = {}
    part_of_split: set[str] = set()
    for path, pixels in zip(paths, pixel_sha256, strict=True):
        for folder in list(PurePosixPath(path).parents)[:-1]:
            below.setdefault(str(folder), []).append(pixels)
            if _PARTS_OF_SPLITS.search(path):
                part_of_split.add(str(folder))
    whole = len(set(pixel_sha256))
    once = [folder for folder, found in below.items() if len(found) == whole == len(set(found))]
    # that of a split is itself a copy
    return min(once, key=lambda folder: (folder in part_of_split, folder.count("/"), folder), default=None)
