"""What a reader of the summary must know: in short sentences, under the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from magsig_tf.evaluation.bootstrap import FEWEST_CASES, MANY_CASES
from magsig_tf.evaluation.catalogue import METRICS
from magsig_tf.evaluation.drop import NOT_RUN
from magsig_tf.evaluation.matrix import Group, Matrix
from magsig_tf.evaluation.summary import Summary

NAMES_SHOWN = 4
WORTH_SAYING = 0.01
"""Share of replicates above which a note says that folds without a class were left out."""


def summary_notes(summary: Summary, level: str, metrics: Sequence[str]) -> list[str]:
    """Return the notes that belong to one printed table.

    Args:
        summary: The summary.
        level: "image" or "case".
        metrics: Names of the metrics shown.

    Returns:
        One sentence or two a note; what could mislead most comes first.
    """
    frame = summary.table
    shown = frame[(frame["level"] == level) & frame["metric"].isin(metrics)]
    return [
        *_oracle(summary.matrix),
        *_splits(summary.matrix),
        *_unfinished(summary),
        *_missing(summary.matrix),
        *_configs(summary.matrix),
        *_reasons(shown),
        *_drop_not_run(shown),
        *_few_cases(shown),
        *_partial(shown),
        *_outside(shown),
    ]


def _oracle(matrix: Matrix) -> list[str]:
    labels = [group.label for group in matrix.groups if group.selection == "oracle"]
    if not labels:
        return []
    return [f"{', '.join(labels)}: the checkpoint was chosen by looking at the held-out magnification."]


def _splits(matrix: Matrix) -> list[str]:
    """Name folds whose split differs between groups: a comparison of their rows is not paired."""
    splits: dict[tuple[str, int], set[str]] = {}
    for group in matrix.groups:
        for (holdout, fold, _), run in group.runs.items():
            splits.setdefault((holdout, fold), set()).add(run.split_hash)
    differ = [f"{holdout} fold {fold}" for (holdout, fold), hashes in splits.items() if len(hashes) > 1]
    return [f"Different splits at {_some(differ)}: those rows cannot be compared."] if differ else []


def _unfinished(summary: Summary) -> list[str]:
    notes = []
    for state in sorted({state for _, state in summary.unfinished}):
        names = [name for name, each in summary.unfinished if each == state]
        notes.append(f"{len(names)} {'run' if len(names) == 1 else 'runs'} {state}: {_some(names)}.")
    return notes


def _missing(matrix: Matrix) -> list[str]:
    notes = []
    for group in matrix.groups:
        missing = _missing_at(matrix, group)
        if missing:
            count = len(matrix.missing(group))
            notes.append(f"{group.label}: {count} of {len(group.runs) + count} runs not done: {_some(missing)}.")
    return notes


def _missing_at(matrix: Matrix, group: Group) -> list[str]:
    names = []
    for holdout in matrix.holdouts:
        keys = [(holdout, fold, seed) for fold in matrix.folds for seed in matrix.seeds]
        absent = [key for key in keys if key not in group.runs]
        names += (
            [f"all at {holdout}"] if absent == keys else [f"{h} fold {fold} seed {seed}" for h, fold, seed in absent]
        )
    return names


def _configs(matrix: Matrix) -> list[str]:
    methods = [group.method for group in matrix.groups]
    several = sorted({method for method in methods if methods.count(method) > 1})
    return [f"{name} was run under {methods.count(name)} configs, told apart by their hash." for name in several]


def _reasons(shown: pd.DataFrame) -> list[str]:
    """List the reasons of absent or restricted held-out numbers and drops, each with its cells."""
    cells: dict[str, list[str]] = {}
    explained = set()
    for quantity in ("held_out", "drop"):
        rows = shown[(shown["quantity"] == quantity) & (shown["reason"] != "")]
        for row in rows.itertuples():
            cell = f"{row.label} {row.holdout}"
            if row.reason != NOT_RUN and not (quantity == "drop" and cell in explained):
                for reason in row.reason.split("; "):
                    # what is not defined is so for one metric; the other reasons hold for all
                    title = f"{METRICS[row.metric].title} " if "not defined" in reason else ""
                    cells.setdefault(title + reason, []).append(cell)
        explained |= {f"{row.label} {row.holdout}" for row in rows.itertuples()}
    rows = shown["label"] + " " + shown["holdout"]
    everything = set(rows[shown["value"].notna() | (shown["reason"] != NOT_RUN)])
    return [f"{_cells(names, everything)}: {reason}." for reason, names in cells.items()]


def _drop_not_run(shown: pd.DataFrame) -> list[str]:
    tested = shown[(shown["quantity"] == "held_out") & (shown["reason"] != NOT_RUN)]
    tested = set(tested["label"] + " " + tested["holdout"])
    absent = shown[(shown["quantity"] == "drop") & (shown["reason"] == NOT_RUN) & (shown["holdout"] != "pooled")]
    names = [name for name in dict.fromkeys(absent["label"] + " " + absent["holdout"]) if name in tested]
    if not names:
        return []
    return [f"Drop not run for {_some(names)}: it needs the same fold and seed with another holdout."]


def _few_cases(shown: pd.DataFrame) -> list[str]:
    held_out = shown[(shown["quantity"] == "held_out") & shown["low"].notna()]
    cases = held_out["cases_benign"] + held_out["cases_malignant"]
    few = held_out[cases < MANY_CASES]
    if few.empty:
        return []
    counts = cases[cases < MANY_CASES]
    span = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    return [
        f"Only {span} cases at {', '.join(few['holdout'].unique())}: intervals are likely too narrow "
        f"(below {MANY_CASES} cases; none is given below {FEWEST_CASES} in a class)."
    ]


def _partial(shown: pd.DataFrame) -> list[str]:
    share = (shown["partial_replicates"] / shown["replicates"].where(shown["replicates"] > 0)).max()
    if not share > WORTH_SAYING:
        return []
    return [f"Up to {share:.0%} of the replicates lack a class in a patient fold and average over the other folds."]


def _outside(shown: pd.DataFrame) -> list[str]:
    """Say why an interval can lie beside its value: binned errors grow when cases are drawn twice."""
    held_out = shown[shown["quantity"] == "held_out"]
    outside = held_out[(held_out["value"] < held_out["low"]) | (held_out["value"] > held_out["high"])]
    if outside.empty:
        return []
    titles = ", ".join(METRICS[name].title for name in outside["metric"].unique())
    return [f"{titles}: resampling adds noise to each bin, so these intervals lie higher than they should."]


def _cells(names: Iterable[str], everything: set[str]) -> str:
    names = list(dict.fromkeys(names))
    return "All rows" if set(names) == everything and len(names) > 1 else _some(names)


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
