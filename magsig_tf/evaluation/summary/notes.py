"""What a reader of the summary must know: in short sentences, under the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.summary.frame import POOLED, Summary
from magsig_tf.reasons import NOT_IN_STUDY, NOT_RUN, OF_ONE_METRIC, RUN_IS_MISSING, of_row
from magsig_tf.runs.matrix import EVERY_SEED, Basis, Group, Matrix, at_every_seed, rest_on_the_same
from magsig_tf.statistics.cases import FEWEST_CASES, MANY_CASES
from magsig_tf.statistics_rule import MEANING, MOVING

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
        One or two sentences per note; what could mislead most comes first.
    """
    frame = summary.table
    shown = frame[(frame["level"] == level) & frame["metric"].isin(metrics)]
    return [
        *summary.remarks,
        *_about_runs(summary.matrix, summary.unfinished, _not_compared(summary.matrix)),
        *_reasons(shown),
        *_drop_not_run(shown),
        *few_cases(shown),
        *partial_folds(shown),
        *_pooled_ranks(shown),
        *_outside(shown),
    ]


def run_notes(matrix: Matrix, unfinished: Sequence[tuple[str, str]]) -> list[str]:
    """Return the notes that belong to any table of these runs: which are missing, and what they were made with.

    Args:
        matrix: The finished runs.
        unfinished: Name and state of the others.
    """
    return _about_runs(matrix, unfinished, [])


def _about_runs(matrix: Matrix, unfinished: Sequence[tuple[str, str]], not_compared: list[str]) -> list[str]:
    notes = [*marked(matrix.groups), *_warnings(matrix), *not_compared, *_precisions(matrix)]
    for state in sorted({state for _, state in unfinished}):
        names = [name for name, each in unfinished if each == state]
        notes.append(f"{len(names)} {'run' if len(names) == 1 else 'runs'} {state}: {some(names)}.")
    return [*notes, *_missing(matrix), *_configs(matrix)]


def marked(groups: Iterable[Group]) -> list[str]:
    """Say what the marks in labels mean: oracles, and moving statistics.

    Args:
        groups: The rows that are shown.
    """
    groups = list(groups)
    oracles = [group.label for group in groups if group.selection == "oracle"]
    moving = [group.label for group in groups if group.batch_statistics == MOVING]
    said = ((oracles, "the epoch was chosen by looking at the held-out magnification"), (moving, MEANING))
    return [f"{', '.join(labels)}: {words}." for labels, words in said if labels]


def _warnings(matrix: Matrix) -> list[str]:
    """Repeat what the splits warned of when the runs were trained; warnings that differ in numbers only are one."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for group in matrix.groups:
        for key, run in group.runs.items():
            for warning in run.record.warnings:
                seen.setdefault(re.sub(r"\d+", "#", warning), []).append((group.name_of(*key), warning))
    return [f"{said[0][1]} ({some([name for name, _ in said])})." for said in seen.values()]


def _not_compared(matrix: Matrix) -> list[str]:
    """Name rows that rest on other splits, patient folds or seeds than those they stand beside."""
    why: dict[tuple[str, str], list[str]] = {}
    example: dict[tuple[str, str], str] = {}
    competing = matrix.competing
    for holdout in matrix.holdouts:
        compared = matrix.compared([holdout])
        for group in matrix.groups:
            basis = group.basis([holdout])
            if not compared or group in compared or not basis or matrix.missing(group, [holdout]):
                continue
            common = compared[0].basis([holdout])
            if group not in competing and rest_on_the_same(basis, common):
                continue  # its mark says why
            if at_every_seed(basis) == basis or at_every_seed(common) == common:
                basis, common = at_every_seed(basis), at_every_seed(common)
            axes = {"patient folds": 1, "seeds": 2}
            differs = [word for word, at in axes.items() if {key[at] for key in basis} != {key[at] for key in common}]
            key = group.label, " and ".join(differs) or "splits"
            why.setdefault(key, []).append(holdout)
            example.setdefault(key, "" if differs else _two_splits(basis, common))
    return [
        f"{label} at {some(holdouts)}: other {differs} than the rows beside it, so it is not compared with "
        f"them{example[label, differs]}."
        for (label, differs), holdouts in why.items()
    ]


def _two_splits(basis: Basis, common: Basis) -> str:
    """Return the first run whose split differs, with both hashes."""
    holdout, fold, seed, ours = min(basis - common)
    theirs = next(key[3] for key in common if key[:3] == (holdout, fold, seed))
    at = f"{holdout} fold {fold}" + ("" if seed == EVERY_SEED else f" seed {seed}")
    return f" ({at}: split {ours}, theirs {theirs})"


def _precisions(matrix: Matrix) -> list[str]:
    """Name rows whose runs were trained in different precisions, which `auto` makes possible."""
    found = {g.label: sorted({run.record.precision or "" for run in g.runs.values()} - {""}) for g in matrix.groups}
    return [f"{label} mixes runs trained in {' and '.join(used)}." for label, used in found.items() if len(used) > 1]


def _missing(matrix: Matrix) -> list[str]:
    notes = []
    for group in matrix.groups:
        names = []
        for holdout in matrix.holdouts_of(group):
            absent = matrix.missing(group, [holdout])
            everything = len(absent) == len(group.folds) * len(group.seeds)
            single = [group.name_of(*key).removeprefix(f"{group.label} ") for key in absent]
            names += [f"all at {holdout}"] if everything else single
        if names:
            count = len(matrix.missing(group))
            notes.append(f"{group.label}: {count} of {len(group.runs) + count} runs missing: {some(names)}.")
    return notes


def _configs(matrix: Matrix) -> list[str]:
    methods = [f"{group.dataset}: {group.method}" if group.dataset else group.method for group in matrix.groups]
    several = sorted({method for method in methods if methods.count(method) > 1})
    notes = [f"{name} was run under {methods.count(name)} configs, distinguished by their hash." for name in several]
    studies = names_of((group.label, ", ".join(group.magnifications)) for group in matrix.groups)
    if len(studies) > 1:
        notes += [f"Study of {names}: {', '.join(labels)}." for names, labels in studies.items()]
    return notes


def _reasons(shown: pd.DataFrame) -> list[str]:
    """List the reasons of absent or restricted held-out numbers and drops, each with its cells."""
    said: list[tuple[str, str]] = []
    explained: set[str] = set()
    for quantity in ("held_out", "drop"):
        rows = shown[(shown["quantity"] == quantity) & (shown["reason"] != "")]
        for row in rows[~rows["reason_code"].isin(RUN_IS_MISSING)].to_dict("records"):
            cell = f"{row['label']} {row['holdout']}"
            if not (quantity == "drop" and cell in explained):
                said += ((cell, words) for words in reasons_of_metric(row))
        explained |= {f"{row.label} {row.holdout}" for row in rows.itertuples()}
    told = shown[shown["value"].notna() | ~shown["reason_code"].isin(RUN_IS_MISSING)]
    everything = set((told["label"] + " " + told["holdout"]).astype(str))
    return [
        f"{'All rows' if set(names) == everything and len(names) > 1 else some(names)}: {reason}."
        for reason, names in names_of(said).items()
    ]


def reasons_of_metric(row: Mapping[Any, Any]) -> list[str]:
    """Return the reasons of a row; those that hold for its metric alone begin with the metric.

    Args:
        row: A row with the columns metric, reason and reason_code.
    """
    title = METRICS[row["metric"]].title
    return [f"{title} {reason}" if reason.code in OF_ONE_METRIC else str(reason) for reason in of_row(row)]


def _drop_not_run(shown: pd.DataFrame) -> list[str]:
    tested = shown[(shown["quantity"] == "held_out") & ~shown["reason_code"].isin([NOT_RUN, NOT_IN_STUDY])]
    known = set(tested["label"] + " " + tested["holdout"])
    absent = shown[(shown["quantity"] == "drop") & (shown["reason_code"] == NOT_RUN) & (shown["holdout"] != "pooled")]
    names = [name for name in dict.fromkeys(absent["label"] + " " + absent["holdout"]) if name in known]
    why = "it needs the same fold and seed with another holdout"
    return [f"Drop not run for {some(names)}: {why}."] if names else []


def few_cases(shown: pd.DataFrame) -> list[str]:
    """Say where an interval rests on so few cases that it is likely too narrow.

    Args:
        shown: Columns holdout, low, cases_benign and cases_malignant.
    """
    with_interval = shown[shown["low"].notna()]
    cases = with_interval["cases_benign"] + with_interval["cases_malignant"]
    few, counts = with_interval[cases < MANY_CASES], cases[cases < MANY_CASES]
    if few.empty:
        return []
    span = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    return [
        f"Only {span} cases at {', '.join(few['holdout'].unique())}: intervals are likely too narrow "
        f"(below {MANY_CASES} cases; none is given below {FEWEST_CASES} in a class)."
    ]


def partial_folds(shown: pd.DataFrame) -> list[str]:
    """Say where many replicates leave out a patient fold.

    Args:
        shown: Columns replicates and partial_replicates.
    """
    share = (shown["partial_replicates"] / shown["replicates"].where(shown["replicates"] > 0)).max()
    words = f"Up to {share:.0%} of the replicates lack a class in a patient fold, which is left out of their mean."
    return [words] if share > WORTH_SAYING else []


def _pooled_ranks(shown: pd.DataFrame) -> list[str]:
    rows = shown[(shown["metric"] == "auc") & (shown["quantity"] == "held_out") & shown["value"].notna()]
    pooled = rows[rows["holdout"] == POOLED]
    holdouts = rows[rows["holdout"] != POOLED].groupby("label")["holdout"].nunique()
    # means over other holdouts are no comparison
    of = {
        label: f" ({count} of {holdouts.max()} holdouts)" if count < holdouts.max() else ""
        for label, count in holdouts.items()
    }
    return pooled_ranks(f"{row.label} {row.holdout_mean:.3f}{of.get(row.label, '')}" for row in pooled.itertuples())


def pooled_ranks(means: Iterable[str]) -> list[str]:
    """Give the mean over holdouts beside a pooled AUC, which mixes the scores of several models.

    Args:
        means: Each row's label and mean.
    """
    said = ", ".join(means)
    return [f"Pooled AUC mixes scores of different models; prefer the mean over holdouts: {said}."] if said else []


def _outside(shown: pd.DataFrame) -> list[str]:
    """Say why an interval can lie above its value: binned errors grow when cases are drawn twice."""
    outside = shown[(shown["quantity"] == "held_out") & (shown["value"] < shown["low"])]
    titles = [METRICS[name].title for name in outside["metric"].unique() if METRICS[name].binned]
    words = f"{', '.join(titles)}: resampling adds noise to each bin, so these intervals are biased upwards."
    return [words] if titles else []


def some(names: Sequence[str]) -> str:
    """Return the first few names in words, and how many more there are."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def names_of(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return what is said with the names that it is said of, each once.

    Args:
        said: A name, and what is said of it.
    """
    found: dict[str, dict[str, None]] = {}
    for name, words in said:
        found.setdefault(words, {})[name] = None
    return {words: list(names) for words, names in found.items()}


def listed(said: Iterable[tuple[str, str]]) -> list[str]:
    """Return a note for each thing that is said, with the first few names before it.

    Args:
        said: A name, and what is said of it.
    """
    return [f"{some(names)}: {words}." for words, names in names_of(said).items()]
