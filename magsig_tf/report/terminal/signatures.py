"""Signatures in the terminal: one row a run, pairs of holdouts beside chance, stability when cases are drawn again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.printed import number
from magsig_tf.reasons import NO_TEST_ROWS, Reason, of_row, of_rows
from magsig_tf.report.words import in_a_cell
from magsig_tf.signatures.permuted_control import DRAWS
from magsig_tf.signatures.sources import UNTRAINED
from magsig_tf.signatures.study import SignatureStudy

_WIDEST = 20
_OF_A_PAIR = ("Nogueira of", "minus")
SCORES = {"auc": "AUC", "f1": "F1", "brier": "Brier"}


def print_signatures(study: SignatureStudy, console: Console, missing: Sequence[str] = ()) -> None:
    """Print every table of a study with notes below.

    Args:
        study: What to print.
        console: Where to.
        missing: Sentences about runs that are not there.
    """
    console.print(Text(f"{study.name}: sparse signatures, scored on test cases", style="bold"))
    console.print(runs_table(study.runs))
    console.print(
        Text(
            "k of p dimensions selected; C = 1 / (n lambda). Below each score: 95% interval, "
            f"{study.replicates} bootstraps over cases.",
            style="dim",
        )
    )
    _print_notes(console, _reasons(study.runs, ("label", "holdout"), ("reason",)))
    if study.methods is not None:
        console.print(Text("\nHoldouts compared", style="bold"))
        for label in dict.fromkeys(study.pairs["label"]) if len(study.pairs) else ():
            console.print(heat_table(label, study.pairs[study.pairs["label"] == label]))
        if len(study.pairs):
            console.print(pairs_table(study.pairs))
        console.print(methods_table(study.methods))
        console.print(Text(_COMPARED, style="dim"))
        if (study.methods["method"] == UNTRAINED).any():
            console.print(Text(_NEVER_TRAINED, style="dim"))
        _print_notes(console, _reasons(study.methods[~study.methods["control"]], ("label",), ("reason",)))
        if len(study.pairs):
            _print_notes(console, _reasons(study.pairs, ("label", "first", "second"), ("reason", "matched_reason")))
            _print_notes(console, _forced(study.methods))
    if study.within is not None:
        console.print(Text("\nCases drawn again, lambda as chosen", style="bold"))
        console.print(stability_table(study.within.stability))
        if len(study.within.tests):
            console.print(tests_table(study.within.tests))
        console.print(Text(_WITHIN, style="dim"))
        _print_notes(console, _reasons(study.within.stability, ("label", "holdout"), ("reason", "bound_reason")))
    _print_notes(console, missing)


_COMPARED = (
    "J: shared / joint dimensions. chance: J of two random sets of these sizes. adjusted: 0 is chance, 1 the same set. "
    "ceiling: highest J of these sizes. p: against random sets only. matched: after pairing dimensions that respond "
    f"alike. permuted: the same signatures with dimensions permuted at random, mean over {DRAWS} draws."
)
_NEVER_TRAINED = (
    "random: an encoder that was never trained. Its features are the same at every holdout, so CKA is 1 and matching "
    "changes nothing; its J shows how far a signature moves with the training rows alone."
)
_WITHIN = (
    "stable: dimensions in 90% of the half-samples; false: at most so many of them expected to be no better than "
    "chance (Shah and Samworth 2013), in brackets under unimodality."
)


def runs_table(frame: pd.DataFrame) -> Table:
    """Draw one row a run: size of the signature and scores with their intervals below."""
    repeats = _repeats(frame)
    table = _table(
        "method", "held\nout", *(name.replace("_", "\n") for name in repeats), "k", "k/p", "C", *SCORES.values()
    )
    last = None
    for row in frame.to_dict("records"):
        if pd.isna(row["k"]):
            size, cells = _word(of_row(row)), [Text("-", style="dim")] * (2 + len(SCORES))
        else:
            size, cells = f"{row['k']} of {row['p']}", [_number(row["share"]), f"{row['C']:.3g}"]
            cells += [_with_interval(row, name, _of_score(row, name)) for name in SCORES]
        method = "" if row["label"] == last else row["label"]
        last = row["label"]
        table.add_row(method, row["holdout"], *(str(row[name]) for name in repeats), size, *cells)
    return table


def heat_table(label: str, pairs: pd.DataFrame) -> Table:
    """Draw the Jaccard indices of a method's holdouts as a matrix, mean over patient folds and seeds."""
    holdouts = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    table = _table(f"J, {label}", *holdouts)
    for one in holdouts:
        between = [pairs[pairs["first"].isin((one, other)) & pairs["second"].isin((one, other))] for other in holdouts]
        table.add_row(one, *map(_heat, between))
    return table


def pairs_table(pairs: pd.DataFrame) -> Table:
    """Draw one row a method and pair of holdouts, means over patient folds and seeds (p: the median)."""
    table = _table(
        "method", "pair", "k", "J", "chance", "adjusted", "ceiling", "p", "matched\nJ", "matched\nadj.", "CKA"
    )
    last = None
    for (label, first, second), rows in pairs.groupby(["label", "first", "second"], sort=False):
        why, unmatched = of_rows(rows), of_rows(rows, "matched_")
        sizes = [rows[name].mean() for name in ("first_size", "second_size")]
        table.add_row(
            "" if label == last else label,
            f"{first} {second}",
            Text("-", style="dim") if pd.isna(sizes).any() else f"{sizes[0]:.0f} {sizes[1]:.0f}",
            *(_number(rows[name].mean(), why) for name in ("jaccard", "expected", "adjusted", "ceiling")),
            _p_value(rows["p_value"].median(), why),
            *(_number(rows[name].mean(), unmatched or why) for name in ("matched_jaccard", "matched_adjusted", "cka")),
        )
        last = label
    return table


def methods_table(methods: pd.DataFrame) -> Table:
    """Draw two rows a method: means over all pairs, and the same for permuted signatures."""
    names = ("J", "chance", "adjusted", "p", "Nogueira", "matched\nJ", "matched\nadj.", "CKA")
    table = _table("method", "mean k", *names)
    for row in methods.to_dict("records"):
        why = of_row(row)
        values = [_number(row[name], why) for name in ("jaccard", "expected", "adjusted")]
        values += [_p_value(row["median_p_value"], why), _number(row["nogueira"], why)]
        matched = ("matched_jaccard", "matched_adjusted", "cka")
        values += [_number(row[name], of_row(row, "matched_")) for name in matched]
        size = Text("-", style="dim") if pd.isna(row["mean_size"]) else f"{row['mean_size']:.0f}"
        table.add_row("  permuted" if row["control"] else row["label"], size, *values)
    return table


def stability_table(frame: pd.DataFrame) -> Table:
    """Draw one row a run: Nogueira's index over bootstraps with its interval, and the bounds on false dimensions."""
    repeats = _repeats(frame)
    names = ("mean k", "Nogueira", "permuted", "k of\nhalves", "stable", "false")
    table = _table("method", "held\nout", *(name.replace("_", "\n") for name in repeats), *names)
    last = None
    for row in frame.to_dict("records"):
        why, unbound = of_row(row), of_row(row, "bound_")
        bound = _number(row["false_bound"], unbound, "{:.3g}")
        if not pd.isna(row["false_bound"]):
            unimodal = row["false_bound_unimodal"]
            bound.append(" (-)" if pd.isna(unimodal) else f" ({unimodal:.3g})")
        table.add_row(
            "" if row["label"] == last else row["label"],
            row["holdout"],
            *(str(row[name]) for name in repeats),
            _number(row["mean_size"], why, "{:.1f}"),
            _with_interval(row, "nogueira", why),
            _number(row["control_nogueira"], why),
            _number(row["half_sample_size"], unbound, "{:.1f}"),
            _word(unbound) if pd.isna(row["stable"]) else str(row["stable"]),
            bound,
        )
        last = row["label"]
    return table


def tests_table(tests: pd.DataFrame) -> Table:
    """Draw one row a pair of methods and holdout: difference of Nogueira's index and its p-value."""
    repeats = _repeats(tests)
    table = _table("held\nout", *(name.replace("_", "\n") for name in repeats), *_OF_A_PAIR, "difference", "p")
    for row in tests.to_dict("records"):
        difference = Text(number(row["difference"], True)) if not row["reason"] else _word(of_row(row))
        where = [str(row[name]) for name in ("holdout", *repeats)]
        table.add_row(*where, row["first"], row["second"], difference, _p_value(row["p_value"], of_row(row)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for place, column in enumerate(columns):
        named = place == 0 or column in _OF_A_PAIR
        table.add_column(
            column, justify="right" if place else "left", no_wrap=not named, max_width=_WIDEST if named else None
        )
    return table


def _repeats(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are needed to tell rows apart: patient fold and seed, where they differ."""
    return [name for name in ("patient_fold", "seed") if frame[name].nunique() > 1]


def _number(value: float, why: Sequence[Reason] = (), form: str = "") -> Text:
    if pd.isna(value):
        return _word(why)
    return Text(form.format(value) if form else number(value))


def _p_value(value: float, why: Sequence[Reason]) -> Text:
    if pd.isna(value):
        return _word(why)
    return Text("<.001" if value < 0.001 else number(value))


def _word(why: Sequence[Reason]) -> Text:
    """Return reasons in a word or two; notes below the table have the whole of them."""
    return Text(in_a_cell(why), style="dim")


def _with_interval(row: dict[str, object], name: str, why: Sequence[Reason]) -> Text:
    text = _number(row[name], why)
    if not pd.isna(row[f"{name}_low"]):
        text.append(f"\n{number(row[f'{name}_low'])}-{number(row[f'{name}_high'])}", style="dim")
    return text


def _of_score(row: dict[str, object], name: str) -> list[Reason]:
    """Return the reasons that tell why a score is absent: a signature may be peculiar for others."""
    return [reason for reason in of_row(row) if reason.code in (METRICS[name].undefined.code, NO_TEST_ROWS)]


def _heat(pairs: pd.DataFrame) -> Text:
    if pairs.empty:
        return Text("")
    value = pairs["jaccard"].mean()
    if pd.isna(value):
        return _word(of_rows(pairs))
    shade = round(255 - 200 * value)
    return Text(f" {number(value)} ", style=f"black on rgb({shade},{shade},255)")


def _reasons(frame: pd.DataFrame, names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return each reason once, with the rows that it belongs to."""
    said: dict[str, list[str]] = {}
    for row in frame.to_dict("records"):
        for column in columns:
            if row[column]:
                said.setdefault(row[column], []).append(" ".join(str(row[name]) for name in names))
    return [f"{', '.join(dict.fromkeys(rows))}: {reason}." for reason, rows in said.items()]


def _forced(methods: pd.DataFrame) -> list[str]:
    rows = methods[~methods["control"] & (methods["fewest_shared"] > 0)]
    return [
        f"{row['label']}: sets of these sizes share at least {row['fewest_shared']:.0f} dimensions in the mean pair."
        for row in rows.to_dict("records")
    ]


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        console.print(Text(note))
