"""The validation report of a prepared data set: counts, what is missing, quirks, and files left out; plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from magsig_tf.data.manifest import magnification_order
from magsig_tf.data.quirks import as_quirk, find_quirks

UNREADABLE_LISTED = 1000


def validation_report(
    manifest: pd.DataFrame,
    *,
    known: pd.DataFrame | None = None,
    converted: Mapping[str, int] | None = None,
    unreadable: Sequence[Mapping[str, str]] = (),
    ignored: Sequence[Mapping[str, object]] = (),
) -> dict[str, object]:
    """Describe a data set for its user.

    Args:
        manifest: The whole manifest.
        known: What the whole data set is known to hold (`DataSource.known_counts`), or None.
        converted: Number of images converted to 8-bit RGB, by what they were.
        unreadable: `path` and `reason` of each image left out.
        ignored: `what`, `count` and `examples` of files that are no images of the data set.

    Returns:
        JSON values: `images`, `cases`, `slides`; `counts` (one entry a label x subtype x magnification with `images`,
        `cases` and, where known, `known`); `cases_per_class` (label x magnification, "all" over the magnifications);
        `known` (images missing and extra, slides missing) or None; `quirks`; `unreadable`; `ignored`.
    """
    quirks = find_quirks(manifest) + [
        as_quirk(f"images converted to 8-bit RGB from {kind}", count)
        for kind, count in sorted((converted or {}).items())
    ]
    return {
        "images": len(manifest),
        "cases": int(manifest["case"].nunique()),
        "slides": int(manifest["slide"].nunique()),
        "counts": _counts(manifest, known),
        "cases_per_class": _cases_per_class(manifest),
        "known": None if known is None else _against_known(manifest, known),
        "quirks": quirks,
        "unreadable": {"count": len(unreadable), "files": [dict(entry) for entry in unreadable[:UNREADABLE_LISTED]]},
        "ignored": [dict(entry) for entry in ignored],
    }


def _counts(manifest: pd.DataFrame, known: pd.DataFrame | None) -> list[dict[str, object]]:
    keys = ["label", "subtype", "magnification"]
    counts = manifest.groupby(keys).agg(images=("path", "size"), cases=("case", "nunique"))
    if known is not None:
        counts = counts.join(known.groupby(keys)["images"].sum().rename("known"), how="outer").fillna(0).astype(int)
    counts = counts.reset_index()
    place = {name: number for number, name in enumerate(magnification_order(counts["magnification"]))}
    counts["place"] = counts["magnification"].map(place)
    return counts.sort_values(["label", "subtype", "place"]).drop(columns="place").to_dict("records")


def _cases_per_class(manifest: pd.DataFrame) -> list[dict[str, object]]:
    by_magnification = manifest.groupby(["label", "magnification"])["case"].nunique()
    rows = []
    for label in sorted(set(manifest["label"])):
        for magnification in magnification_order(manifest["magnification"]):
            count = int(by_magnification.get((label, magnification), 0))
            rows.append({"label": label, "magnification": magnification, "cases": count})
        everywhere = int(manifest.loc[manifest["label"] == label, "case"].nunique())
        rows.append({"label": label, "magnification": "all", "cases": everywhere})
    return rows


def _against_known(manifest: pd.DataFrame, known: pd.DataFrame) -> dict[str, int]:
    keys = ["slide", "magnification"]
    both = pd.DataFrame({"found": manifest.groupby(keys).size(), "known": known.groupby(keys)["images"].sum()}).fillna(
        0
    )
    difference = (both["known"] - both["found"]).astype(int)
    return {
        "images": int(known["images"].sum()),
        "slides": int(known["slide"].nunique()),
        "cases": int(known["case"].nunique()),
        "missing_images": int(difference.clip(lower=0).sum()),
        "extra_images": int((-difference).clip(lower=0).sum()),
        "missing_slides": len(set(known["slide"]) - set(manifest["slide"])),
    }
