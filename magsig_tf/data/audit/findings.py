"""What is wrong with a split: cases and pictures on two sides, names that may be one case, classes that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from magsig_tf.data.audit.listing import PART_WORDS, TEST, TRAIN, VALIDATION, SplitListing, sides_in_order
from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.same_names import pairs_of_names

State = Literal["leak", "warning", "clean", "unchecked"]
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """What one rule says of a split.

    Args:
        rule: "cases", "files", "copies", "accessions", "names", "labels" or "classes".
        state: "leak", "warning", "clean", or "unchecked" where the rule could not be applied.
        sentence: What was found, with its numbers.
        count: How many were found; of what, the sentence says.
        examples: At most five.
        fold: The fold that it is about; "" where there is one split only.
    """

    rule: str
    state: State
    sentence: str
    count: int = 0
    examples: tuple[str, ...] = ()
    fold: str = ""


@dataclass(frozen=True)
class Audited:
    """What was found in a split.

    Args:
        split: Where it lies.
        listing: The split in one form.
        findings: Fold by fold, then what concerns pictures.
        counts: Images and cases of each fold, side, label and magnification.
    """

    split: Path
    listing: SplitListing
    findings: list[Finding]
    counts: pd.DataFrame

    @property
    def verdict(self) -> str:
        """`leaks`, `no leak found`, or `no leak found in what was checked`."""
        if self.leaks:
            return "leaks"
        unchecked = any(each.state == "unchecked" for each in self.findings)
        return "no leak found in what was checked" if unchecked else "no leak found"

    @property
    def leaks(self) -> bool:
        """Whether anything leaks."""
        return any(each.state == "leak" for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        rows = self.listing.rows
        return {
            "split": str(self.split),
            "images": len(rows),
            "cases": int(rows["case"].nunique()),
            "verdict": self.verdict,
            "leaks": self.leaks,
            "findings": [asdict(each) for each in self.findings],
            "counts": self.counts.to_dict("records"),
            "notes": list(self.listing.notes),
        }


def findings_of(rows: pd.DataFrame) -> list[Finding]:
    """Hold what is listed against the rules that need no pixels.

    Args:
        rows: `SplitListing.rows`.

    Returns:
        Findings fold by fold, in the order of the rules.
    """
    found = []
    for fold, split in rows.groupby("fold", sort=True):
        of_fold = [_cases(split), _files(split), *_accessions(split), *_names(split), *_labels(split), *_classes(split)]
        found += [replace(each, fold=str(fold)) for each in of_fold]
    return found


def counts_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return images and cases of each fold, side, label and magnification that occurs.

    Args:
        rows: `SplitListing.rows`.
    """
    keys = ["fold", "side", "label", "magnification"]
    counts = rows.groupby(keys, sort=False).agg(images=("case", "size"), cases=("case", "nunique")).reset_index()
    places = {
        "side": sides_in_order(counts["side"]),
        "magnification": magnification_order(counts["magnification"]),
        "label": sorted(set(counts["label"])),
    }
    order = counts.assign(**{name: counts[name].map(known.index) for name, known in places.items()})
    return counts.loc[order.sort_values(keys).index].reset_index(drop=True)


def _shares(split: pd.DataFrame) -> list[str]:
    """Return which share of each evaluated side is of cases that another side has, in words."""
    seen = {str(side): set(cases) for side, cases in split.groupby("side")["case"]}
    if not seen.keys() & PART_WORDS.keys():
        often = split.groupby("case")["side"].nunique()
        return [f"{_share(split['case'].isin(often.index[often > 1]))} images are of cases in two or more folds"]
    said = []
    for side, other, does in ((TEST, TRAIN, "train"), (TEST, VALIDATION, "validate"), (VALIDATION, TRAIN, "train")):
        also = split.loc[split["side"] == side, "case"].isin(seen.get(other, set()))
        if also.any():
            said.append(f"{_share(also)} {side} images are of cases that {does}")
    return said


def _share(which: pd.Series) -> str:
    return f"{int(which.sum()):,} of {len(which):,} ({100 * which.mean():.1f} %)"


def _cases(split: pd.DataFrame) -> Finding:
    sides = split.groupby("case")["side"].agg(lambda each: sides_in_order(each))
    both = sides[sides.map(len) > 1]
    if both.empty:
        return Finding("cases", "clean", f"each of {len(sides):,} cases is on one side", 0)
    sentence = f"{len(both):,} of {len(sides):,} cases are on two sides: {'; '.join(_shares(split))}"
    return Finding("cases", "leak", sentence, len(both), tuple(_where(split, case) for case in both.index[:EXAMPLES]))


def _where(split: pd.DataFrame, case: str) -> str:
    """Return on which sides a case is, and with which slides where these are known."""
    of_case, parts = split[split["case"] == case], []
    for side in sides_in_order(of_case["side"]):
        slides = [slide for slide in of_case.loc[of_case["side"] == side, "slide"].unique() if slide]
        shown = f" ({', '.join(slides[:2])}{', ...' if len(slides) > 2 else ''})" if slides else ""
        parts.append(f"{(of_case['side'] == side).sum():,} in {side}{shown}")
    return f"{case}: {', '.join(parts)}"


def _files(split: pd.DataFrame) -> Finding:
    named = split[split["path"] != ""]
    if named.empty:
        return Finding("files", "unchecked", "files were not compared: the split lists none")
    name = named["path"].str.replace("\\", "/", regex=False)
    # the name of a BreaKHis file says which picture it is, whatever folder it lies in
    name = name.where(named["slide"] == "", name.str.rsplit("/", n=1).str[-1])
    sides = named.groupby(name)["side"].agg(["nunique", "size"])
    across, within = sides.index[sides["nunique"] > 1], int((sides["size"] - 1).sum())
    if len(across):
        return Finding(
            "files", "leak", f"{len(across):,} files are on two sides", len(across), tuple(across[:EXAMPLES])
        )
    if within:
        repeated = tuple(sides.index[sides["size"] > 1][:EXAMPLES])
        return Finding("files", "warning", f"{within:,} rows name a file of their side again", within, repeated)
    return Finding("files", "clean", f"each of {len(named):,} files is listed once")


def _accessions(split: pd.DataFrame) -> Iterator[Finding]:
    told = split[(split["given_case"] != "") & (split["given_case"] != split["case"])]
    several = told.groupby("case")["given_case"].nunique()
    several = several[several > 1]
    if len(several):
        sentence = f"{len(several):,} accessions are several cases in the column case; the accession is the patient"
        examples = [
            f"{case}: {', '.join(sorted(told.loc[told['case'] == case, 'given_case'].unique())[:3])}"
            for case in several.index[:EXAMPLES]
        ]
        yield Finding("accessions", "warning", sentence, len(several), tuple(examples))


def _names(split: pd.DataFrame) -> Iterator[Finding]:
    sides = {str(case): set(each) for case, each in split.groupby("case")["side"].unique().items()}
    pairs = [pair for pair in pairs_of_names(sorted(sides), "case") if sides[pair.first] != sides[pair.second]]
    if pairs:
        examples = tuple(f"{pair.first} and {pair.second} ({pair.rule})" for pair in pairs[:EXAMPLES])
        sentence = f"{len(pairs):,} pairs of case names on different sides may be one case each"
        yield Finding("names", "warning", sentence, len(pairs), examples)


def _labels(split: pd.DataFrame) -> Iterator[Finding]:
    known = split[split["label"] != ""]
    labels = known.groupby("case")["label"].nunique()
    mixed = labels.index[labels > 1]
    if len(mixed):
        sentence = f"{len(mixed):,} cases have two labels or more"
        yield Finding("labels", "warning", sentence, len(mixed), tuple(mixed[:EXAMPLES]))


def _classes(split: pd.DataFrame) -> Iterator[Finding]:
    known = split[split["label"] != ""]
    if known.empty:
        yield Finding("classes", "unchecked", "classes were not counted: the split names no labels")
        return
    labels = sorted({*LABELS, *known["label"]} if set(known["label"]) <= set(LABELS) else set(known["label"]))
    cases = known.groupby(["side", "magnification", "label"])["case"].nunique()
    lacking = []
    for side in sides_in_order(known["side"]):
        for name in magnification_order(known.loc[known["side"] == side, "magnification"]):
            absent = [label for label in labels if cases.get((side, name, label), 0) == 0]
            lacking += [f"{side}{f' at {name}' if name else ''}: no {label} case" for label in absent]
    if lacking:
        sentence = f"{len(lacking):,} cells of side and magnification lack a class: no AUC is defined there"
        yield Finding("classes", "warning", sentence, len(lacking), tuple(lacking[:EXAMPLES]))
