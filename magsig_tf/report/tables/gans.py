"""The quality of a fold's GANs as a table, and what a reader of it must know."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import unquote

import numpy as np
import pandas as pd

from magsig_tf.evaluation.printed import number
from magsig_tf.report.tables.table import Cell, Column, Row, Table
from magsig_tf.statistics.cases import MANY_CASES

_SPACES = {"efficientnet_lite0": "ImageNet", "random_cnn": "random CNN"}
_SPECTRUM = "power_spectrum"
"""The probe of power spectra has its own sentence, no row."""
_MEASURES = {
    "precision": Column("preci-\nsion", "share of samples within the real distribution"),
    "recall": Column("recall", "share of real images within the sample distribution"),
    "density": Column("den-\nsity", "density of real images around samples, 1 if both distributions are equal"),
    "coverage": Column("cover-\nage", "share of real images with a sample nearby"),
    "copied": Column("copied", "share of samples that repeat a training image"),
    "nearest_ratio": Column(
        "near.\nratio", "distance of samples to the nearest training image, over that of training images to other cases"
    ),
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
    cells = {(row["part"], row["features"], row["kind"], row["metric"]): row for row in quality.to_dict("records")}
    rows = []
    for part in dict.fromkeys(quality["part"]):
        for space in _spaces(quality, part):
            key = cells, part, space
            measures = [_cell(*key, name, 2, floor=True) for name in _MEASURES]
            kid = [_cell(*key, "kid", 3), _cell(*key, "kid", 3, kind="floor")]
            rows.append(Row([Cell(_words(part).replace(" ", "\n", 1)), Cell(_space(space)), *kid, *measures]))
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
    return [*_looks_like(quality), *_spectra(quality[spectra]), *_reasons(quality[~spectra]), *_few_cases(quality)]


def _spaces(quality: pd.DataFrame, part: str) -> list[str]:
    """Return the feature spaces in which anything was measured."""
    measured = quality[(quality["part"] == part) & quality["value"].notna() & (quality["features"] != _SPECTRUM)]
    return list(dict.fromkeys(measured["features"]))


def _cell(
    cells: dict, part: str, space: str, metric: str, digits: int, kind: str = "synthetic", floor: bool = False
) -> Cell:
    """Return a measure, from the rows by part, space, kind and metric; `floor` puts that of real images below it."""
    row, write = cells.get((part, space, kind, metric)), partial(_number, digits=digits)
    if row is None:
        return Cell()
    ends = () if floor or kind == "floor" else (row["low"], row["high"])
    real = cells.get((part, space, "floor", metric), {}).get("value", np.nan) if floor else np.nan
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
        rows = rows[rows["features"] == best["features"]]
        chance = rows.loc[rows["metric"] == "probe_chance", "value"].iloc[0]
        looks = rows[rows["metric"].str.startswith("looks_like ")]
        shares = looks.pivot(index="metric", columns="kind", values="value").loc[looks["metric"].unique()]
        mix = ", ".join(
            f"{row.Index.removeprefix('looks_like ')} {_number(row.synthetic, 2)} (real {_number(row.floor, 2)})"
            for row in shares.itertuples()
        )
        notes.append(
            f"{_words(str(part))}: samples look like {mix}; the probe ({_space(best['features'])} features) recognises "
            f"{_number(best['value'], 2)} of real images, chance {_number(chance, 2)}."
        )
    return notes


def _spectra(rows: pd.DataFrame) -> list[str]:
    """Say how well power spectra distinguish samples from real images, above and below the GAN's Nyquist frequency."""
    notes, cells = [], {(row["part"], row["kind"], row["metric"]): row for row in rows.to_dict("records")}
    for part in dict.fromkeys(rows["part"]):
        above, below, control = (
            cells[part, kind, f"spectrum_{side}_nyquist"]
            for kind, side in (("synthetic", "above"), ("synthetic", "below"), ("control", "above"))
        )
        if np.isnan(above["value"]):
            notes.append(f"{_words(part)}: power spectra above the GAN's Nyquist frequency: {above['reason']}.")
            continue
        notes.append(
            f"{_words(part)}: distinguished from resampled real images by power spectra above the GAN's Nyquist "
            f"frequency {_number(above['value'], 2)}, below it {_number(below['value'], 2)}; from original ones "
            f"above it {_number(control['value'], 2)} (chance .50)."
        )
    return notes


def _reasons(quality: pd.DataFrame) -> list[str]:
    notes = []
    rows = quality[(quality["reason"] != "") & (quality["kind"] == "synthetic")]
    for reason, members in rows.groupby("reason", sort=False):
        spaces = ", ".join(map(_space, members["features"].unique()))
        parts = (
            ""
            if members["part"].nunique() == quality["part"].nunique()
            else ", ".join(map(_words, members["part"].unique()))
        )
        if members["features"].isin(quality.loc[quality["value"].notna(), "features"]).any():
            about = f"{', '.join(members['metric'].str.replace('_', ' ').unique())} ({spaces})"
            notes.append(": ".join(filter(None, (parts, about, f"{reason}."))))
        else:
            notes.append(f"{spaces} features are left out: {reason}.")
    return notes


def _words(part: str) -> str:
    return unquote(part).replace("-", " ", 1)


def _space(name: str) -> str:
    return _SPACES.get(name, name)


def _few_cases(quality: pd.DataFrame) -> list[str]:
    few = quality[quality["low"].notna() & (quality["cases"] < MANY_CASES)]
    if few.empty:
        return []
    return [f"Only {few['cases'].min()} cases: intervals are likely too narrow (below {MANY_CASES} cases)."]
