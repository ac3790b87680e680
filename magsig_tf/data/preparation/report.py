"""The validation report of a prepared data set: counts, what is missing, quirks, and files left out; plain values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from magsig_tf.data.identity import magnification_order
from magsig_tf.data.sources.breakhis_originals import beside_originals

EXAMPLES = 5


def find_quirks(manifest: pd.DataFrame) -> list[dict[str, object]]:
    """Look for every known quirk.

    Args:
        manifest: A whole manifest.

    Returns:
        For each quirk that occurs: `quirk` (what it is and what is counted), `count`, `examples` (up to five) and
        `examples_in_all`.
    """
    case, slide, known = manifest["case"], manifest["slide"], manifest["subtype"] != ""
    pixels = manifest if "width" in manifest else manifest.assign(width="", height="")
    sizes = (pixels["width"].astype(str) + "x" + pixels["height"].astype(str)).value_counts()
    others = sizes.iloc[1:]
    sizes_and_counts = [f"{size}: {count:,}" for size, count in others.items()]
    images = pd.crosstab(slide, manifest["magnification"])
    found = [
        _quirk("cases that carry two or more subtypes", _several(case[known], manifest["subtype"][known])),
        _quirk("cases that recur under several slide ids (a split by slide leaks them)", _several(case, slide)),
        _quirk(f"images of another size than {sizes.index[0]}", sizes_and_counts, others.sum()),
        _quirk("slides without an image at a magnification", _places(images == 0)),
        _quirk("slides with a single image at a magnification", _places(images == 1)),
        *_of_pixels(manifest),
        _quirk("file names that occur twice for one slide and magnification", _same_names(manifest)),
    ]
    return [quirk for quirk in found if quirk["count"]]


def _of_pixels(manifest: pd.DataFrame) -> list[dict[str, object]]:
    if "pixel_sha256" not in manifest:  # embeddings: what repeats is counted when they are written
        return []
    return [
        _quirk("images that occur under two or more names", _identical(manifest, across_cases=False)),
        _quirk("images that occur in two or more cases", _identical(manifest, across_cases=True)),
    ]


def _quirk(quirk: str, examples: Sequence[str], count: int | None = None) -> dict[str, object]:
    """Return one entry of the report; `count` where it is not that of the examples."""
    count = len(examples) if count is None else int(count)
    shown = list(examples[:EXAMPLES])
    return {"quirk": quirk, "count": count, "examples": shown, "examples_in_all": len(examples)}


def _same_names(manifest: pd.DataFrame) -> list[str]:
    # many data sets number their files anew in each folder: a repeated name is odd only where all else is alike
    keys = manifest[["slide", "magnification"]].assign(name=manifest["path"].str.rsplit("/", n=1).str[-1])
    return sorted(set(keys["name"][keys.duplicated()]))


def _several(key: pd.Series, value: pd.Series) -> list[str]:
    """Return keys that go with more than one value, each with its values."""
    pairs = pd.DataFrame({"key": key, "value": value}).drop_duplicates()
    counts = pairs["key"].value_counts()
    repeated = pairs[pairs["key"].isin(counts.index[counts > 1])].sort_values(["key", "value"])
    values_of = repeated.groupby("key")["value"].agg(list)
    return [f"{name}: {_joined(values, ' + ', 4)}" for name, values in values_of.items()]


def _joined(values: Sequence[str], sign: str, most: int) -> str:
    rest = f"{sign}... ({len(values)} in all)" if len(values) > most else ""
    return sign.join(values[:most]) + rest


def _places(chosen: pd.DataFrame) -> list[str]:
    rows, columns = chosen.to_numpy().nonzero()
    pairs = zip(chosen.index[rows], chosen.columns[columns], strict=True)
    return [f"{slide} at {magnification}" for slide, magnification in pairs]


def _identical(manifest: pd.DataFrame, across_cases: bool) -> list[str]:
    repeated = manifest[manifest["pixel_sha256"].duplicated(keep=False)]
    if across_cases:
        spread = repeated.drop_duplicates(["pixel_sha256", "case"])["pixel_sha256"]
        repeated = repeated[repeated["pixel_sha256"].isin(spread[spread.duplicated()])]
    # plain lists: a groupby of 50,000 pairs took half a minute
    names: dict[str, list[str]] = {}
    for pixels, path in zip(repeated["pixel_sha256"], repeated["path"], strict=True):
        names.setdefault(pixels, []).append(path.rsplit("/", 1)[-1])
    return sorted(_joined(alike, " = ", 3) for alike in names.values())


UNREADABLE_LISTED = 1000


def validation_report(
    manifest: pd.DataFrame,
    known: pd.DataFrame | None = None,
    converted: Mapping[str, int] | None = None,
    unreadable: Sequence[Mapping[str, str]] = (),
    ignored: Sequence[Mapping[str, object]] = (),
    names: Sequence[tuple[str, Sequence[str]]] = (),
) -> dict[str, object]:
    """Describe a data set for its user.

    Args:
        manifest: The whole manifest.
        known: What the whole data set is known to hold (`DataSource.known_counts`), or None.
        converted: Number of images converted to 8-bit RGB, by what they were.
        unreadable: `path` and `reason` of each image left out.
        ignored: `what`, `count` and `examples` of files that are no images of the data set.
        names: What is to be said of names, and of which.

    Returns:
        JSON values: `images`, `cases`, `slides`; `counts` (one entry a label x subtype x magnification with `images`,
        `cases` and, where known, `known`); `cases_per_class` (label x magnification, "all" over the magnifications);
        `known` (images missing and extra, slides missing) or None; `originals` (see `beside_originals`) or None;
        `quirks`; `unreadable`; `ignored`.
    """
    kinds = sorted((converted or {}).items())
    quirks = [_quirk(what, which) for what, which in names] + find_quirks(manifest)
    quirks += [_quirk(f"images converted to 8-bit RGB from {kind}", (), count) for kind, count in kinds]
    originals = None
    if "sha256" in manifest:
        files = zip(*(manifest[column] for column in ("path", "sha256", "width", "height")), strict=True)
        originals = beside_originals(files)
    return {
        "images": len(manifest),
        "cases": int(manifest["case"].nunique()),
        "slides": int(manifest["slide"].nunique()),
        "counts": _counts(manifest, known),
        "cases_per_class": _cases_per_class(manifest),
        "known": None if known is None else _against_known(manifest, known),
        "originals": originals,
        "quirks": quirks,
        "unreadable": {"count": len(unreadable), "files": [dict(entry) for entry in unreadable[:UNREADABLE_LISTED]]},
        "ignored": [dict(entry) for entry in ignored],
    }


def _counts(manifest: pd.DataFrame, known: pd.DataFrame | None) -> list[dict[Hashable, Any]]:
    keys = ["label", "subtype", "magnification"]
    counts = manifest.groupby(keys).agg(images=("path", "size"), cases=("case", "nunique"))
    if known is not None:
        counts = counts.join(known.groupby(keys)["images"].sum().rename("known"), how="outer").fillna(0).astype(int)
    counts = counts.reset_index()
    place = magnification_order(counts["magnification"]).index
    counts = counts.assign(place=counts["magnification"].map(place)).sort_values(["label", "subtype", "place"])
    return counts.drop(columns="place").to_dict("records")


def _cases_per_class(manifest: pd.DataFrame) -> list[dict[str, object]]:
    order, rows = magnification_order(manifest["magnification"]), []
    for label, images in manifest.groupby("label"):
        cases = images.groupby("magnification")["case"].nunique().reindex(order, fill_value=0)
        counts = [*cases.items(), ("all", images["case"].nunique())]
        rows += [{"label": label, "magnification": name, "cases": int(count)} for name, count in counts]
    return rows


def _against_known(manifest: pd.DataFrame, known: pd.DataFrame) -> dict[str, int]:
    keys = ["slide", "magnification"]
    images = known.groupby(keys)["images"].sum()
    both = pd.DataFrame({"found": manifest.groupby(keys).size(), "known": images}).fillna(0)
    difference = (both["known"] - both["found"]).astype(int)
    return {
        "images": int(known["images"].sum()),
        "slides": int(known["slide"].nunique()),
        "cases": int(known["case"].nunique()),
        "missing_images": int(difference.clip(lower=0).sum()),
        "extra_images": int((-difference).clip(lower=0).sum()),
        "missing_slides": len(set(known["slide"]) - set(manifest["slide"])),
    }
