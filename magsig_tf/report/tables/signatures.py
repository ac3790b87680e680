"""Signatures as tables: one row a run, pairs of holdouts beside chance, stability when cases are drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.reasons import NO_TEST_ROWS, joined, of_row, of_rows
from magsig_tf.report.tables.models import HELD_OUT, METHOD
from magsig_tf.report.tables.table import Cell, Column, Row, Scale, Table, signed_number
from magsig_tf.report.words import in_a_cell
from magsig_tf.signatures.permuted_control import DRAWS

_METHOD = replace(METHOD, once=True, width=20)
_HELD_OUT = replace(HELD_OUT, once=False)
_FOLD = [Column("patient\nfold"), Column("seed")]
_REMARK = Column("remark", "", False)
_NAN = float("nan")
SCORES = ("auc", "f1", "brier")


def signature_table(frame: pd.DataFrame, holdouts: Sequence[str] = (), replicates: int | None = None) -> Table:
    """Return one row a run: the size of its signature and how well the sparse classifier does.

    Args:
        frame: The table of runs.
        holdouts: In their natural order; empty takes that of the frame.
        replicates: Bootstrap replicates behind the intervals, where they are known.
    """
    order, rows = holdouts or list(dict.fromkeys(frame["holdout"])), []
    for row in frame.to_dict("records"):
        why = of_row(row)
        k = (
            Cell(f"{row['k']} of {row['p']}", float(row["k"]))
            if pd.notna(row["k"])
            else Cell(in_a_cell(why), faint=True)
        )
        cells = [
            Cell.of_method(row["label"]),
            Cell.place(row["holdout"], order),
            Cell.count(row["patient_fold"]),
            Cell.count(row["seed"]),
            k,
            Cell.number(row["share"], absent="-", scale=Scale(0.0, 1.0)),
            Cell.count(row.get("C", _NAN), "{:.3g}") if k.value is not None else Cell("-", faint=True),
            *(_score(row, name) for name in SCORES),
            Cell(joined(why)),
        ]
        rows.append(Row(cells, (row["label"],), (row["holdout"],)))
    drawn = f"{replicates:,} bootstraps over cases" if replicates else "bootstrap over cases"
    columns = [
        _METHOD,
        _HELD_OUT,
        *_FOLD,
        Column("k", "dimensions selected, of p"),
        Column("k/p"),
        Column("C", "1 / (n lambda)"),
        *(Column(METRICS[name].title) for name in SCORES),
        _REMARK,
    ]
    about = f"Interval of each score: 95%, {drawn}."
    return Table("signatures", "Sparse signatures, one row a run, scored on test cases", columns, rows, frame, about)


def _score(row: Mapping[str, object], name: str) -> Cell:
    """Return a score; of the row's reasons only those that tell why it is absent: a signature may be peculiar too."""
    if pd.isna(row["k"]):
        return Cell("-", faint=True)
    why = [reason for reason in of_row(row) if reason.code in (METRICS[name].undefined.code, NO_TEST_ROWS)]
    ends = row.get(f"{name}_low", _NAN), row.get(f"{name}_high", _NAN)
    return Cell.number(row[name], *ends, absent=in_a_cell(why))


_PAIR = [
    Column("J", "shared / joint dimensions"),
    Column("chance", "J of two random sets of these sizes"),
    Column("adjusted", "0 is chance, 1 the same set"),
    Column("ceiling", "highest J of these sizes"),
    Column("p", "against random sets only, not corrected"),
    Column("matched\nJ", "after pairing dimensions that respond alike"),
    Column("matched\nadj.", "the same, adjusted"),
    Column("CKA", "likeness of the embeddings, 1 is equal"),
]


def overlap_table(frame: pd.DataFrame, holdouts: Sequence[str] = ()) -> Table:
    """Return every pair of holdouts: how many dimensions their signatures share, beside chance.

    Args:
        frame: The table of pairs; it may be one of means, from `mean_pairs`.
        holdouts: In their natural order; empty takes that of the frame.
    """
    order, rows = holdouts or list(dict.fromkeys([*frame["first"], *frame["second"]])), []
    for row in frame.to_dict("records"):
        absent = in_a_cell(of_row(row))
        unmatched = in_a_cell(of_row(row, "matched_") or of_row(row))
        sizes = [row.get(name, _NAN) for name in ("first_size", "second_size")]
        pair = f"{row['first']} {row['second']}"
        cells = [
            Cell.of_method(row["label"]),
            Cell(pair, float(order.index(row["first"]) * len(order) + order.index(row["second"]))),
            Cell.count(row["patient_fold"]),
            Cell.count(row["seed"]),
            Cell("-", faint=True) if pd.isna(sizes).any() else Cell(f"{sizes[0]:.0f} {sizes[1]:.0f}"),
            Cell.number(row["jaccard"], absent=absent),
            Cell.number(row["expected"], absent=absent),
            Cell.number(row["adjusted"], absent=absent, scale=Scale(-1.0, 1.0, 0.0)),
            Cell.number(row.get("ceiling", _NAN), absent=absent),
            Cell.p_value(row["p_value"], absent),
            *(Cell.number(row.get(name, _NAN), absent=unmatched) for name in ("matched_jaccard", "matched_adjusted")),
            Cell.number(row["cka"], absent=unmatched),
            Cell(joined([*of_row(row), *of_row(row, "matched_")])),
        ]
        rows.append(Row(cells, (row["label"],), (row["first"], row["second"])))
    columns = [_METHOD, Column("pair", "", False), *_FOLD, Column("k", "sizes of both"), *_PAIR, _REMARK]
    return Table("signature_overlap", "Overlap of signatures, every pair of holdouts", columns, rows, frame)


def mean_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a method and pair of holdouts: means over patient folds and seeds, of p the median."""
    means = ("first_size", "second_size", "jaccard", "expected", "adjusted", "ceiling")
    means += ("matched_jaccard", "matched_adjusted", "cka")
    keys, rows = ["label", "first", "second"], []
    for key, found in pairs.groupby(keys, sort=False):
        row = dict(zip(keys, key, strict=True)) | {"patient_fold": _NAN, "seed": _NAN}
        row |= {name: found[name].mean() for name in means} | {"p_value": found["p_value"].median()}
        rows.append(row | joined(of_rows(found)).columns() | joined(of_rows(found, "matched_")).columns("matched_"))
    return pd.DataFrame(rows)


def heat_table(label: str, pairs: pd.DataFrame) -> Table:
    """Return the Jaccard indices of a method's holdouts as a matrix, means over patient folds and seeds."""
    holdouts, rows = list(dict.fromkeys([*pairs["first"], *pairs["second"]])), []
    for one in holdouts:
        between = [pairs[pairs["first"].isin((one, other)) & pairs["second"].isin((one, other))] for other in holdouts]
        rows.append(Row([Cell(one), *map(_heat, between)]))
    columns = [Column(f"J, {label}", "", False, width=20), *map(Column, holdouts)]
    return Table("signature_heat", "", columns, rows, pairs)


def _heat(pairs: pd.DataFrame) -> Cell:
    if pairs.empty:
        return Cell()
    cell = Cell.number(pairs["jaccard"].mean(), absent=in_a_cell(of_rows(pairs)))
    return cell if cell.faint else replace(cell, text=f" {cell.text} ", shade=cell.value)


def methods_table(frame: pd.DataFrame) -> Table:
    """Return two rows a method: means over all pairs, and the same for permuted signatures."""
    rows = []
    for row in frame.to_dict("records"):
        absent, unmatched = in_a_cell(of_row(row)), in_a_cell(of_row(row, "matched_"))
        cells = [
            Cell("  permuted") if row["control"] else Cell.of_method(row["label"]),
            Cell.count(row["mean_size"]) if pd.notna(row["mean_size"]) else Cell("-", faint=True),
            *(Cell.number(row[name], absent=absent) for name in ("jaccard", "expected", "adjusted")),
            Cell.p_value(row["median_p_value"], absent),
            Cell.number(row["nogueira"], absent=absent),
            *(Cell.number(row[name], absent=unmatched) for name in ("matched_jaccard", "matched_adjusted", "cka")),
        ]
        rows.append(Row(cells, (row["label"],)))
    about = f"permuted: the same signatures with dimensions permuted at random, mean over {DRAWS} draws."
    j, chance, adjusted, _, p, *matched = _PAIR
    nogueira = Column("Nogueira", "index of stability, 0 is chance and 1 the same set")
    columns = [replace(METHOD, width=20), Column("mean k"), j, chance, adjusted, p, nogueira, *matched]
    return Table("signature_methods", "Means over all pairs", columns, rows, frame, about)


def stability_table(frame: pd.DataFrame) -> Table:
    """Return one row a run: Nogueira's index over bootstraps with its interval, and the bounds on false dimensions."""
    rows = []
    for row in frame.to_dict("records"):
        absent, unbound = in_a_cell(of_row(row)), in_a_cell(of_row(row, "bound_"))
        bound = Cell(unbound, faint=True)
        if pd.notna(row["false_bound"]):
            unimodal = row["false_bound_unimodal"]
            words = "-" if pd.isna(unimodal) else f"{unimodal:.3g}"
            bound = Cell(f"{row['false_bound']:.3g} ({words})", float(row["false_bound"]))
        cells = [
            Cell.of_method(row["label"]),
            Cell(row["holdout"]),
            Cell.count(row["patient_fold"]),
            Cell.count(row["seed"]),
            Cell.number(row["mean_size"], absent=absent, write="{:.1f}".format),
            Cell.number(row["nogueira"], row["nogueira_low"], row["nogueira_high"], absent=absent),
            Cell.number(row["control_nogueira"], absent=absent),
            Cell.number(row["half_sample_size"], absent=unbound, write="{:.1f}".format),
            Cell(unbound, faint=True) if pd.isna(row["stable"]) else Cell.count(row["stable"]),
            bound,
        ]
        rows.append(Row(cells, (row["label"],), (row["holdout"],)))
    columns = [
        _METHOD,
        _HELD_OUT,
        *_FOLD,
        Column("mean k"),
        Column("Nogueira", "index of stability over the bootstraps, 0 is chance and 1 the same set; with its interval"),
        Column("permuted", "the same of permuted signatures"),
        Column("k of\nhalves", "mean size in half-samples"),
        Column("stable", "dimensions in 90% of the half-samples"),
        Column(
            "false",
            "at most so many of them expected to be no better than chance (Shah and Samworth 2013), in brackets under "
            "unimodality",
        ),
    ]
    return Table("signature_stability", "Cases drawn again, lambda as chosen", columns, rows, frame)


def tests_table(frame: pd.DataFrame) -> Table:
    """Return one row a pair of methods and holdout: difference of Nogueira's index and its p-value."""
    rows = []
    for row in frame.to_dict("records"):
        absent = in_a_cell(of_row(row))
        cells = [
            Cell(row["holdout"]),
            Cell.count(row["patient_fold"]),
            Cell.count(row["seed"]),
            Cell.of_method(row["first"]),
            Cell.of_method(row["second"]),
            Cell.number(row["difference"] if not row["reason"] else _NAN, absent=absent, write=signed_number),
            Cell.p_value(row["p_value"], absent),
        ]
        rows.append(Row(cells, (row["first"], row["second"]), (row["holdout"],)))
    pair = [Column(title, "", False, width=20) for title in ("Nogueira of", "minus")]
    return Table("signature_tests", "", [_HELD_OUT, *_FOLD, *pair, Column("difference"), Column("p")], rows, frame)


def reasons_of_rows(frame: pd.DataFrame, names: Sequence[str], prefixes: Sequence[str] = ("",)) -> list[str]:
    """Return each reason of some rows once, with the rows that it belongs to.

    Args:
        frame: Rows with a reason.
        names: Columns that say which row it is.
        prefixes: Which reasons: those whose columns begin so.
    """
    said: dict[str, list[str]] = {}
    for row in frame.to_dict("records"):
        for prefix in prefixes:
            if row[f"{prefix}reason"]:
                said.setdefault(row[f"{prefix}reason"], []).append(" ".join(str(row[name]) for name in names))
    return [f"{', '.join(dict.fromkeys(rows))}: {reason}." for reason, rows in said.items()]
