"""Synthetic images: the effect that they have on models, and the quality of the GANs that drew them, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import unquote

import numpy as np
import pandas as pd

from magsig_tf.evaluation.augmentation.differences import ALL_FOLDS, RESAMPLED
from magsig_tf.evaluation.augmentation.explanation import Explanation
from magsig_tf.evaluation.printed import number, significant
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import of_texts
from magsig_tf.report.tables.models import HELD_OUT, METHOD, interval_words
from magsig_tf.report.tables.table import Cell, Column, Filter, Pick, Row, Scale, Table, signed_number
from magsig_tf.report.words import in_a_cell
from magsig_tf.statistics.cases import MANY_CASES
from magsig_tf.statistics.replicates import LEVELS

_QUANTITIES = {
    "auc": Column("AUC", "a difference, below 0 is worse"),
    "brier": Column("Brier", "a difference, above 0 is worse"),
    "kid": Column("KID", "kernel inception distance of synthetic to real images, lower is better"),
    "coverage": Column("cover-\nage", "the share of real images with a synthetic one nearby"),
    "copied": Column("copied", "the share of synthetic images that repeat a training image"),
    "magnification_shift": Column("mag.\nshift", "shift of their mix of magnifications, lower is better"),
    "label_agreement": Column("label", "the share classified as its own label"),
    "kept_share": Column("kept", "the share that the filter kept"),
}
_MORE = {"kid_above_floor": Column("KID above floor", "the share of the GANs whose interval of KID lies above it")}
_NAMED = "; ".join(f"{column.name} is {column.legend}" for column in (*_QUANTITIES.values(), *_MORE.values()))
_RESIZED = "whose difference to baseline is the effect of resizing real images"
_MINUS = f"resampled is the method baseline-resampled, {_RESIZED}"


_EFFECTS = [
    HELD_OUT,
    replace(METHOD, once=True, width=10),
    Column("minus", _MINUS, False, True, of=lambda row: Cell(_minus(row))),
    Column("reference", "", False, of=lambda row: Cell.of_method(row["reference"])),
    Column("quantity", _NAMED, False, of=lambda row: Cell((_QUANTITIES | _MORE)[row["quantity"]].name)),
    Column("value", "a difference, or a mean over the GANs", of=lambda row: _value(row)),
    Column("p", of=lambda row: Cell.p_value(row["p"])),
    Column("Holm p", "corrected for the number of tests", of=lambda row: Cell.p_value(row["holm_p"], decides=True)),
    Column("n", "pairs of runs, or GANs", of=lambda row: Cell.count(row["n"])),
]


def explanation_table(explanation: Explanation, notes: Sequence[str]) -> Table:
    """Return the differences that synthetic images make, and the quality of their GANs, one row per quantity.

    Args:
        explanation: The explanation.
        notes: Sentences below it.
    """
    frame = explanation.table
    whole = frame[frame["patient_fold"] == ALL_FOLDS]
    floors = whole[whole["quantity"].str.endswith("_floor")].set_index(["label", "holdout", "quantity"])["value"]
    shown = whole[whole["quantity"].isin([*_QUANTITIES, *_MORE])]
    scale = Scale.around_zero(shown[shown["reference_method"] != ""])
    records = []
    for row in shown.to_dict("records"):
        floor = floors.get((row["label"], row["holdout"], f"{row['quantity']}_floor"), float("nan"))
        what = "difference" if row["reference_method"] else "quality"
        records.append(row | {"what": what, "scale": scale, "floor": floor})
    options = {"difference": "differences", "quality": "quality of the GANs"}
    levels = {level: f"{level} level" for level in LEVELS}
    filters = [Filter("what", options, "difference"), Filter("level", levels, LEVELS[0])]
    floor_words = "Floor of each measure of the GANs, below it: real images of other patients."
    about = f"{interval_words(explanation.level, explanation.replicates)} {floor_words}"
    title, short = "Effect of synthetic images, and quality of the GANs", {"level": ("", LEVELS[0])}
    table = Table("explanation", title, _EFFECTS, [], frame, about, filters, list(notes), short)
    return table.filled(records, [*explanation.matrix.holdouts, POOLED], values=("what", "level", "quantity"))


def explanation_of_level(explanation: Explanation, level: str, notes: Sequence[str]) -> Table:
    """Return one level for a terminal: three differences a section, the quality of the GANs beside the first.

    Args:
        explanation: The explanation.
        level: "image" or "case".
        notes: Sentences below it.
    """
    table = explanation_table(explanation, notes).where(level=("", level))
    # a group without a run at a holdout has a sentence below the table
    ran = {(row.holdouts, row.methods) for row in table.rows if row.values["level"] and (row.cells[-1].value or 0) > 0}
    rows = [_beside_the_first(row) for row in table.rows if (row.holdouts, row.methods) in ran]
    picks = [Pick(column, "value", {"quantity": name}) for name, column in _QUANTITIES.items()]
    wide = replace(table, rows=rows).wide(("held out", "method", "minus"), picks)
    title = f"{explanation.dataset}: effect of synthetic images, and quality of the GANs ({level} level)"
    return replace(wide, title=title, ruled=True)


def _beside_the_first(row: Row) -> Row:
    minus = row.cells[2] if row.cells[2].text else Cell("baseline")
    return replace(row, cells=[*row.cells[:2], minus, *row.cells[3:]])


def _minus(row: dict) -> str:
    if row["what"] == "difference" and row["compared"] != row["label"]:
        return "resampled\n- baseline"
    return row["reference_method"].replace(RESAMPLED, "resampled")


def _value(row: dict) -> Cell:
    if row["what"] == "difference":
        told, absent = bool(row["low"] > 0 or row["high"] < 0), "not defined" if row["n"] else "not run"
        ends, scale = (row["low"], row["high"]), row["scale"]
        return Cell.number(row["value"], *ends, absent=absent, write=signed_number, scale=scale, strong=told)
    write = significant if row["quantity"] == "kid" else number
    absent, floor = in_a_cell(of_texts(row["reason_code"], row["words"])), row["floor"]
    return Cell.number(row["value"], absent=absent, write=write, below="" if np.isnan(floor) else write(floor))


_SPACES = {"efficientnet_lite0": "ImageNet", "random_cnn": "random CNN"}
_SPECTRUM = "power_spectrum"
"""The probe of power spectra has its own sentence, no row."""
_NEAREST = "distance of samples to the nearest training image, over that of training images to other cases"
_MEASURES = {
    "precision": Column("preci-\nsion", "share of samples within the real distribution"),
    "recall": Column("recall", "share of real images within the sample distribution"),
    "density": Column("den-\nsity", "density of real images around samples, 1 if both distributions are equal"),
    "coverage": Column("cover-\nage", "share of real images with a sample nearby"),
    "copied": Column("copied", "share of samples that repeat a training image"),
    "nearest_ratio": Column("near.\nratio", _NEAREST),
    "magnification_shift": Column("magn.\nshift", "shift of the mix of magnifications"),
    "label_agreement": Column("label", "share classified as its own label"),
}


def quality_table(quality: pd.DataFrame, title: str, notes: Sequence[str]) -> Table:
    """Return one row for each GAN and feature space; below each value its floor, below KID its interval.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
        title: Which GANs these are.
        notes: Sentences below it, after those that the frame itself gives rise to.
    """
    rows = []
    measured = quality[quality["value"].notna() & (quality["features"] != _SPECTRUM)]
    for part in dict.fromkeys(quality["part"]):
        for space in measured.loc[measured["part"] == part, "features"].unique():
            found = quality[(quality["part"] == part) & (quality["features"] == space)]
            cells = {(row["kind"], row["metric"]): row for row in found.to_dict("records")}
            names = [Cell(_words(part).replace(" ", "\n", 1)), Cell(_SPACES.get(space, space))]
            rows.append(Row([*names, *(_measure(cells, name) for name in ("kid", "kid floor", *_MEASURES))]))
    columns = [
        Column("GAN", "", False, key=True, once=True),
        Column("features", "feature space of the comparison", False, key=True, width=8),
        Column("KID", "kernel inception distance to real images, with its 95% interval, bootstrap over cases"),
        Column("KID\nfloor"),
        *_MEASURES.values(),
    ]
    about = (
        "Floor, below the others: one half of the real cases against the other half, about what images of new "
        "patients would reach."
    )
    return Table("gans", title, columns, rows, quality, about, notes=[*quality_notes(quality), *notes], ruled=True)


def quality_notes(quality: pd.DataFrame) -> list[str]:
    """Return what a reader of the table must know, in short sentences.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
    """
    spectra = quality["features"] == _SPECTRUM
    few = quality.loc[quality["low"].notna() & (quality["cases"] < MANY_CASES), "cases"]
    narrow = f"Only {few.min()} cases: intervals are likely too narrow (below {MANY_CASES} cases)."
    told = [*_looks_like(quality), *_spectra(quality[spectra]), *_reasons(quality[~spectra])]
    return [*told, narrow] if len(few) else told


def _measure(cells: dict, name: str) -> Cell:
    """Return a measure, from the rows by kind and metric: KID with its interval, others above that of real images."""
    metric, kind = name.removesuffix(" floor"), "floor" if name.endswith(" floor") else "synthetic"
    row, write = cells.get((kind, metric)), partial(_number, digits=3 if metric == "kid" else 2)
    if row is None:
        return Cell()
    ends = (row["low"], row["high"]) if name == "kid" else ()
    real = np.nan if metric == "kid" else cells.get(("floor", metric), {}).get("value", np.nan)
    return Cell.number(row["value"], *ends, absent="not def.", write=write, below="" if np.isnan(real) else write(real))


def _number(value: float, digits: int) -> str:
    if digits == 3:
        return number(value) if abs(value) < 10 else f"{value:.0f}"
    text = f"{round(float(value), digits) + 0.0:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 - 0.5 * 10**-digits else text


def _looks_like(quality: pd.DataFrame) -> list[str]:
    """Say which magnifications the samples look like, in the feature space whose probe sees best."""
    notes = []
    for part, rows in quality.groupby("part", sort=False):
        probes = rows[rows["metric"] == "probe_accuracy"]
        if probes.empty:
            continue
        best = probes.iloc[probes["value"].argmax()]
        space, rows = _SPACES.get(best["features"], best["features"]), rows[rows["features"] == best["features"]]
        chance = rows.loc[rows["metric"] == "probe_chance", "value"].iloc[0]
        looks = rows[rows["metric"].str.startswith("looks_like ")]
        shares = looks.pivot(index="metric", columns="kind", values="value").loc[looks["metric"].unique()]
        mix = ", ".join(
            f"{row.Index.removeprefix('looks_like ')} {_number(row.synthetic, 2)} (real {_number(row.floor, 2)})"
            for row in shares.itertuples()
        )
        notes.append(
            f"{_words(str(part))}: samples look like {mix}; the probe ({space} features) recognises "
            f"{_number(best['value'], 2)} of real images, chance {_number(chance, 2)}."
        )
    return notes


def _spectra(rows: pd.DataFrame) -> list[str]:
    """Say how well power spectra distinguish samples from real images, above and below the GAN's Nyquist frequency."""
    notes = []
    for part, found in rows.groupby("part", sort=False):
        values = found.set_index(["kind", "metric"])["value"]
        reasons = found.set_index(["kind", "metric"])["reason"]
        above = ("synthetic", "spectrum_above_nyquist")
        if np.isnan(values[above]):
            notes.append(f"{_words(str(part))}: power spectra above the GAN's Nyquist frequency: {reasons[above]}.")
            continue
        notes.append(
            f"{_words(str(part))}: distinguished from resampled real images by power spectra above the GAN's Nyquist "
            f"frequency {_number(values[above], 2)}, below it "
            f"{_number(values['synthetic', 'spectrum_below_nyquist'], 2)}; from original ones above it "
            f"{_number(values['control', 'spectrum_above_nyquist'], 2)} (chance .50)."
        )
    return notes


def _reasons(quality: pd.DataFrame) -> list[str]:
    notes = []
    rows = quality[(quality["reason"] != "") & (quality["kind"] == "synthetic")]
    for reason, members in rows.groupby("reason", sort=False):
        spaces, found = ", ".join(members["features"].replace(_SPACES).unique()), members["part"].unique()
        if members["features"].isin(quality.loc[quality["value"].notna(), "features"]).any():
            parts = "" if len(found) == quality["part"].nunique() else ", ".join(map(_words, found))
            about = f"{', '.join(members['metric'].str.replace('_', ' ').unique())} ({spaces})"
            notes.append(": ".join(filter(None, (parts, about, f"{reason}."))))
        else:
            notes.append(f"{spaces} features are left out: {reason}.")
    return notes


def _words(part: str) -> str:
    return unquote(part).replace("-", " ", 1)
