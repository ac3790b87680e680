"""The quality of a fold's GANs as a table in the terminal: at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.printed import number
from magsig_tf.statistics.bootstrap import MANY_CASES

_SHARES = ("precision", "recall", "density", "coverage")
_SPACES = {"efficientnet_lite0": "ImageNet", "random_cnn": "random CNN"}
_SPECTRUM = "power_spectrum"
"""The probe of power spectra has its own sentence, no row."""


@dataclass(frozen=True)
class _Column:
    title: str
    metric: str
    digits: int = 2


_COLUMNS = (
    *(_Column(f"{name[:5]}-\n{name[5:]}" if len(name) > 7 else f"\n{name}", name) for name in _SHARES),
    _Column("\ncopied", "copied"),
    _Column("nearest\nratio", "nearest_ratio"),
    _Column("magn.\nshift", "magnification_shift"),
    _Column("\nlabel", "label_agreement"),
)


def quality_table(quality: pd.DataFrame) -> Table:
    """Draw one row for each GAN and feature space; below each value its floor, below KID its interval.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
    """
    cells = quality.set_index(["part", "features", "kind", "metric"])
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("\nGAN", no_wrap=True)
    table.add_column("\nfeatures", no_wrap=True)
    for title in ("\nKID", "KID\nfloor", *(column.title for column in _COLUMNS)):
        table.add_column(title, justify="right", no_wrap=True)
    for part in dict.fromkeys(quality["part"]):
        spaces = _spaces(quality, part)
        for place, space in enumerate(spaces):
            kid = _cell_of(cells, part, space, "synthetic", "kid")
            floor = _cell_of(cells, part, space, "floor", "kid")
            drawn = [_with_floor(cells, part, space, column) for column in _COLUMNS]
            name = Text(_words(part).replace(" ", "\n", 1) if not place else "")
            begun = (name, _space(space), _kid(kid), _value(floor, 3))
            table.add_row(*begun, *drawn, end_section=space == spaces[-1])
    return table


def print_quality(quality: pd.DataFrame, title: str, notes: Sequence[str], console: Console) -> None:
    """Print the table with a title above and notes below.

    Args:
        quality: The tidy frame that `magsig gan` writes as quality.parquet.
        title: Which GANs these are.
        notes: Sentences to print below, after those that the frame itself gives rise to.
        console: Where to.
    """
    console.print(Text(title, style="bold"))
    console.print(quality_table(quality))
    legend = (
        "Below KID: 95% interval, bootstrap over cases. Below the others: floor, half of the real cases against the "
        "other half, what samples of new patients could reach."
    )
    console.print(Text(legend, style="dim"))
    for note in [*quality_notes(quality), *notes]:
        console.print(Text(note))


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


def _cell_of(cells: pd.DataFrame, *key: str) -> pd.Series | None:
    return cells.loc[key] if key in cells.index else None


def _value(row: pd.Series | None, digits: int) -> Text:
    if row is None:
        return Text("")
    if np.isnan(row["value"]):
        return Text("not def.", style="dim")
    return Text(_number(row["value"], digits))


def _kid(row: pd.Series | None) -> Text:
    text = _value(row, 3)
    if row is not None and np.isfinite(row["low"]):
        text.append(f"\n{_number(row['low'], 3)} {_number(row['high'], 3)}", style="dim")
    return text


def _with_floor(cells: pd.DataFrame, part: str, space: str, column: _Column) -> Text:
    text = _value(_cell_of(cells, part, space, "synthetic", column.metric), column.digits)
    floor = _cell_of(cells, part, space, "floor", column.metric)
    if floor is not None and np.isfinite(floor["value"]):
        text.append(f"\n{_number(floor['value'], column.digits)}", style="dim")
    return text


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
        best = probes.loc[probes["value"].idxmax()]
        rows = rows[rows["features"] == best["features"]]
        chance = rows.loc[rows["metric"] == "probe_chance", "value"].iloc[0]
        looks = rows[rows["metric"].str.startswith("looks_like ")]
        shares = looks.pivot(index="metric", columns="kind", values="value").loc[looks["metric"].unique()]
        mix = ", ".join(
            f"{row.Index.removeprefix('looks_like ')} {_number(row.synthetic, 2)} (real {_number(row.floor, 2)})"
            for row in shares.itertuples()
        )
        notes.append(
            f"{_words(part)}: samples look like {mix}; the probe ({_space(best['features'])} features) recognises "
            f"{_number(best['value'], 2)} of real images, chance {_number(chance, 2)}."
        )
    return notes


def _spectra(rows: pd.DataFrame) -> list[str]:
    """Say how well power spectra tell samples from real images, above and below the GAN's Nyquist frequency."""
    notes, cells = [], rows.set_index(["part", "kind", "metric"])
    for part in dict.fromkeys(rows["part"]):
        above, below, control = (
            cells.loc[(part, kind, f"spectrum_{side}_nyquist")]
            for kind, side in (("synthetic", "above"), ("synthetic", "below"), ("control", "above"))
        )
        if np.isnan(above["value"]):
            notes.append(f"{_words(part)}: power spectra above the GAN's Nyquist frequency: {above['reason']}.")
            continue
        notes.append(
            f"{_words(part)}: told from resampled real images by power spectra above the GAN's Nyquist frequency "
            f"{_number(above['value'], 2)}, below it {_number(below['value'], 2)}; from original ones above it "
            f"{_number(control['value'], 2)} (chance .50)."
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
