"""What a reader of the probe tables must know, in short sentences under them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from magsig_tf.evaluation.probes.answers import CONFOUNDED
from magsig_tf.evaluation.probes.rows import SOURCES
from magsig_tf.statistics.cases import MANY_CASES

READS = {"linear": "linear probe", "neighbours": "k-NN probe", "identity": "same case", "ridge": "factor"}


def probe_notes(table: pd.DataFrame, absent_controls: Sequence[str] = ()) -> list[str]:
    """Return the notes that belong to the printed tables.

    Args:
        table: From `summarise_probes`.
        absent_controls: Controls that are not there, each with its reason.
    """
    return [
        *_confounded(table),
        *_reasons(table),
        *_few_cases(table),
        *(f"Control {text}." for text in absent_controls),
    ]


def _confounded(table: pd.DataFrame) -> list[str]:
    rows = table[table["note_code"] == CONFOUNDED.code]
    if rows.empty:
        return []
    scopes = " and ".join("source rows" if scope == SOURCES else "all rows" for scope in rows["rows"].unique())
    return [
        f"{CONFOUNDED.capitalize()} ({scopes}): some are digital zooms, so the probe may distinguish zooms from "
        "photographs rather than magnifications. In the search for the same case no zoom is compared with its source."
    ]


def _reasons(table: pd.DataFrame) -> list[str]:
    cells: dict[str, list[str]] = {}
    for row in table[(table["reason"] != "") & (table["control"] == "none")].to_dict("records"):
        name = READS[row["probe"]] + (f" {row['target']}" if row["probe"] == "ridge" else "")
        cells.setdefault(row["reason"], []).append(f"{row['subject']}, {row['rows']} rows, {name}")
    notes = []
    for reason, names in cells.items():
        names = list(dict.fromkeys(names))
        more = f" and {len(names) - 1} more cells" if len(names) > 1 else ""
        notes.append(f"{names[0]}{more}: {reason}.")
    return notes


def _few_cases(table: pd.DataFrame) -> list[str]:
    few = table[table["low"].notna() & (table["cases"] < MANY_CASES)]
    if few.empty:
        return []
    return [f"Only {few['cases'].min()} cases: intervals are likely too narrow (below {MANY_CASES} cases)."]
