"""The explanation as a table in the terminal: at most 100 columns wide, plain text where it is piped."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.augmentation.differences import BASELINE, EXPLAINED_METRICS, RESAMPLED
from magsig_tf.evaluation.augmentation.frame import ALL_FOLDS, Explanation
from magsig_tf.evaluation.augmentation.notes import explanation_notes
from magsig_tf.evaluation.printed import number, significant
from magsig_tf.reasons import NOT_FILTERED

_QUALITY = {
    "kid": "KID",
    "coverage": "cover-\nage",
    "copied": "copied",
    "magnification_shift": "mag.\nshift",
    "label_agreement": "label",
}
_LABEL_WIDTH = 10


def explanation_table(explanation: Explanation, level: str = "image") -> Table:
    """Draw one level of an explanation, a section for each holdout and augmented group.

    Args:
        explanation: What to draw.
        level: "image" or "case".

    Returns:
        A table with three differences a section, each above its interval, and the quality of the GANs above its floor.
    """
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    drawn.add_column("held\nout", no_wrap=True)
    drawn.add_column("\nmethod", overflow="fold")
    drawn.add_column("\nminus", no_wrap=True)
    for title in ("AUC", "Brier"):
        drawn.add_column(f"\n{title}", justify="right", no_wrap=True)
    for title in (*_QUALITY.values(), "kept"):
        drawn.add_column(title if "\n" in title else f"\n{title}", justify="right", no_wrap=True)
    table = explanation.table
    whole = table[(table["patient_fold"] == ALL_FOLDS) & table["level"].isin(["", level])]
    for holdout in dict.fromkeys(whole["holdout"]):
        of_holdout = whole[whole["holdout"] == holdout]
        # a group without a run there has a sentence below the table
        labels = [g.label for g in explanation.groups if of_holdout.loc[of_holdout["label"] == g.label, "n"].any()]
        for place, label in enumerate(labels):
            rows = of_holdout[of_holdout["label"] == label]
            _add_section(drawn, rows, label, "" if place else holdout)
    return drawn


def print_explanation(explanation: Explanation, level: str, console: Console) -> None:
    """Print the table of one level with a title above, and below it what can be told.

    Args:
        explanation: What to print.
        level: "image" or "case".
        console: Where to.
    """
    title = f"{explanation.dataset}: what synthetic images did, and how good the GANs were ({level} level)"
    console.print(Text(title, style="bold"))
    console.print(explanation_table(explanation, level))
    legend = (
        f"Below each difference: {explanation.level:.0%} interval, {explanation.replicates} bootstraps over cases; "
        "Brier above 0 is worse. Resampled: the method baseline-resampled, whose difference to baseline is the effect "
        "of resizing real images. KID to label: mean over the GANs, and below it the floor, which is real images of "
        "other patients. Copied, mag. shift: lower is better. Label: share that looks like its class. Kept: share that "
        "the filter left."
    )
    console.print(Text(legend, style="dim"))
    for note in explanation_notes(explanation, level):
        console.print(Text(note))


def _add_section(drawn: Table, rows: pd.DataFrame, label: str, holdout: str) -> None:
    """Add the three differences of one group and holdout; the quality of its GANs stands beside the first."""
    differences = rows[rows["reference_method"] != ""]
    own = differences["compared"] == label
    lines = [
        ("baseline", differences[own & (differences["reference_method"] == BASELINE)]),
        ("resampled", differences[own & (differences["reference_method"] == RESAMPLED)]),
        ("resampled\n- baseline", differences[~own]),
    ]
    quality = rows[rows["reference_method"] == ""].drop_duplicates("quantity").set_index("quantity")
    for place, (title, found) in enumerate(lines):
        cells = found.drop_duplicates("quantity").set_index("quantity")
        drawn.add_row(
            "" if place else holdout,
            "" if place else _stacked(label),
            title,
            *[_difference(cells.loc[metric]) for metric in EXPLAINED_METRICS],
            *([""] * (len(_QUALITY) + 1) if place else _quality(quality)),
            end_section=place == len(lines) - 1,
        )


def _difference(row: pd.Series) -> Text:
    if np.isnan(row["value"]):
        return Text("not defined" if row["n"] else "not run", style="dim")
    told = row["low"] > 0 or row["high"] < 0
    text = Text(number(row["value"], signed=True), style="bold" if told else "")
    if np.isfinite(row["low"]):
        text.append(f"\n{number(row['low'], True)} {number(row['high'], True)}", style="not bold dim")
    return text


def _quality(quality: pd.DataFrame) -> list[Text]:
    cells = []
    for metric in _QUALITY:
        value, floor = quality.loc[metric, "value"], quality.loc[f"{metric}_floor", "value"]
        if np.isnan(value):
            cells.append(Text("see\nbelow", style="dim"))
            continue
        write = significant if metric == "kid" else number
        cells.append(Text(write(value)).append("" if np.isnan(floor) else f"\n{write(floor)}", style="dim"))
    kept = quality.loc["kept_share"]
    words = "no\nfilter" if kept["reason_code"] == NOT_FILTERED else kept["words"]
    cells.append(Text(words, style="dim") if np.isnan(kept["value"]) else Text(number(kept["value"])))
    return cells


def _stacked(label: str) -> str:
    """Break a label at its spaces and hyphens into short lines."""
    return "\n".join(line for word in label.split(" ") for line in wrap(word, _LABEL_WIDTH))
