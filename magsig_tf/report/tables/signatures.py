"""Signatures as tables: one row per run, pairs of holdouts beside chance, stability over bootstraps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.printed import number
from magsig_tf.reasons import NO_TEST_ROWS, joined, of_row, of_rows
from magsig_tf.report.tables.models import HELD_OUT, METHOD
from magsig_tf.report.tables.table import Cell, Column, Row, Scale, Table, signed_number
from magsig_tf.report.words import MEANINGS, in_a_cell
from magsig_tf.signatures.overlap import DRAWS
from magsig_tf.signatures.sources import UNTRAINED

if TYPE_CHECKING:
    from magsig_tf.signatures.study import SignatureStudy

SCORES = ("auc", "f1", "brier")
_NAN = float("nan")
_NONE = Cell("-", faint=True)


def _number(
    name: str, prefix: str = "", write: Callable[[float], str] = number, scale: Scale | None = None
) -> Callable[[dict], Cell]:
    """Return what makes the cell of a number; `prefix` begins the columns that say why it is absent."""

    def made(row: dict) -> Cell:
        value, low, high = (row.get(key, _NAN) for key in (name, f"{name}_low", f"{name}_high"))
        absent = in_a_cell(of_row(row, prefix) or of_row(row))
        return Cell.number(value, low, high, absent=absent, write=write, scale=scale)

    return made


def _p_value(row: dict) -> Cell:
    return Cell.p_value(row.get("p_value", row.get("median_p_value", _NAN)), in_a_cell(of_row(row)))


def _score(name: str) -> Callable[[dict], Cell]:
    """Return what makes the cell of a score; of a row's reasons only some tell why it is absent."""

    def made(row: dict) -> Cell:
        if pd.isna(row["k"]):
            return _NONE
        why = [reason for reason in of_row(row) if reason.code in (METRICS[name].undefined.code, NO_TEST_ROWS)]
        ends = row.get(f"{name}_low", _NAN), row.get(f"{name}_high", _NAN)
        return Cell.number(row[name], *ends, absent=in_a_cell(why), kind=row.get(f"{name}_interval", ""))

    return made


def _size(row: dict) -> Cell:
    if pd.isna(row["k"]):
        return Cell(in_a_cell(of_row(row)), faint=True)
    return Cell(f"{row['k']} of {row['p']}", float(row["k"]))


def _inverse_strength(row: dict) -> Cell:
    return _NONE if pd.isna(row["k"]) else Cell.count(row.get("C", _NAN), "{:.3g}")


def _sizes(row: dict) -> Cell:
    sizes = [row.get(name, _NAN) for name in ("first_size", "second_size")]
    return _NONE if pd.isna(sizes).any() else Cell(f"{sizes[0]:.0f} {sizes[1]:.0f}")


def _bound(row: dict) -> Cell:
    bound, unimodal = row["false_bound"], row["false_bound_unimodal"]
    if pd.isna(bound):
        return Cell(in_a_cell(of_row(row, "bound_")), faint=True)
    return Cell(f"{bound:.3g} ({'-' if pd.isna(unimodal) else format(unimodal, '.3g')})", float(bound))


_LABEL = replace(METHOD, once=True, width=20)
_PLACE = replace(HELD_OUT, once=False, of=lambda row: Cell(row["holdout"]))
_FOLD = [
    Column("patient\nfold", of=lambda row: Cell.count(row["patient_fold"])),
    Column("seed", of=lambda row: Cell.count(row["seed"])),
]
_RUN = [
    Column("k", "dimensions selected, of p", of=_size),
    Column("k/p", of=lambda row: Cell.number(row["share"], absent="-", scale=Scale(0.0, 1.0))),
    Column("C", "1 / (n lambda)", of=_inverse_strength),
    *(Column(METRICS[name].title, MEANINGS[name], of=_score(name)) for name in SCORES),
    Column("remark", "", False, of=lambda row: Cell(joined(of_row(row)))),
]
_J = Column("J", "shared / joint dimensions", of=_number("jaccard"))
_CHANCE = Column("chance", "J of two random sets of these sizes", of=_number("expected"))
_ADJUSTED = Column("adjusted", "0 is chance, 1 the same set", of=_number("adjusted"))
_CEILING = Column("ceiling", "highest J of these sizes", of=_number("ceiling"))
_P = Column("p", "against random sets only, not corrected", of=_p_value)
_MATCHED = [
    Column("matched\nJ", "after matching dimensions by correlation", of=_number("matched_jaccard", "matched_")),
    Column("matched\nadj.", "the same, adjusted", of=_number("matched_adjusted", "matched_")),
    Column("CKA", "similarity of the embeddings, 1 is equal; high by chance too", of=_number("cka", "matched_")),
    Column("CKA\ndeb.", "debiased: 0 is chance", of=_number("cka_debiased", "matched_")),
]
_NOGUEIRA = "stability index, 0 is chance and 1 the same set"
_FALSELY = "falsely selected (Shah and Samworth 2013)"
_WITHIN = [
    Column("mean k", of=_number("mean_size", write="{:.1f}".format)),
    Column("Nogueira", f"{_NOGUEIRA}, over the bootstraps with its interval", of=_number("nogueira")),
    Column("permuted", "the same for permuted signatures", of=_number("control_nogueira")),
    Column("k of\nhalves", "mean size in half-samples", of=_number("half_sample_size", "bound_", "{:.1f}".format)),
    Column("stable", "dimensions in 90% of the half-samples", of=_number("stable", "bound_", "{:,.0f}".format)),
    Column("false", f"upper bound on how many of them are {_FALSELY}, in brackets assuming unimodality", of=_bound),
]
_TEST = [
    Column("Nogueira of", "", False, True, width=20, of=lambda row: Cell.of_method(row["first"])),
    Column("minus", "", False, True, width=20, of=lambda row: Cell.of_method(row["second"])),
    Column("difference", of=_number("difference", write=signed_number)),
    Column("p", of=_p_value),
]


def signature_table(frame: pd.DataFrame, holdouts: Sequence[str] = (), replicates: int | None = None) -> Table:
    """Return one row per run: the size of its signature and how well the sparse classifier does.

    Args:
        frame: The table of runs.
        holdouts: In their natural order; empty takes that of the frame.
        replicates: Bootstrap replicates behind the intervals, where they are known.
    """
    order = list(holdouts or dict.fromkeys(frame["holdout"]))
    place = replace(_PLACE, of=lambda row: Cell.place(row["holdout"], order))
    drawn = f"{replicates:,} bootstraps over cases" if replicates else "bootstrap over cases"
    title, about = "Sparse signatures, one row per run, scored on test cases", f"Interval of each score: 95%, {drawn}."
    return _filled(Table("signatures", title, [_LABEL, place, *_FOLD, *_RUN], [], frame, about))


def overlap_table(frame: pd.DataFrame, holdouts: Sequence[str] = ()) -> Table:
    """Return every pair of holdouts: how many dimensions their signatures share, beside chance.

    Args:
        frame: The table of pairs; it may be one of means, from `mean_pairs`.
        holdouts: In their natural order; empty takes that of the frame.
    """
    order = list(holdouts or dict.fromkeys([*frame["first"], *frame["second"]]))

    def pair(row: dict) -> Cell:
        first, second = row["first"], row["second"]
        return Cell(f"{first} {second}", float(order.index(first) * len(order) + order.index(second)))

    adjusted = replace(_ADJUSTED, of=_number("adjusted", scale=Scale(-1.0, 1.0, 0.0)))
    remark = Column("remark", "", False, of=lambda row: Cell(joined([*of_row(row), *of_row(row, "matched_")])))
    columns = [_LABEL, Column("pair", "", False, True, of=pair), *_FOLD, Column("k", "sizes of both", of=_sizes)]
    columns += [_J, _CHANCE, adjusted, _CEILING, _P, *_MATCHED, remark]
    return _filled(Table("signature_overlap", "Overlap of signatures, for every pair of holdouts", columns, [], frame))


def mean_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and pair of holdouts: means over patient folds and seeds, of p the median."""
    means = ["first_size", "second_size", "jaccard", "expected", "adjusted", "ceiling"]
    means += ["matched_jaccard", "matched_adjusted", "cka", "cka_debiased"]
    keys, rows = ["label", "first", "second"], []
    for key, found in pairs.groupby(keys, sort=False):
        row = dict(zip(keys, key, strict=True)) | {"patient_fold": _NAN, "seed": _NAN}
        # tables of earlier versions lack the debiased alignment
        row |= {name: found[name].mean() for name in means if name in found} | {"p_value": found["p_value"].median()}
        rows.append(row | joined(of_rows(found)).columns() | joined(of_rows(found, "matched_")).columns("matched_"))
    return pd.DataFrame(rows)


def heat_table(label: str, pairs: pd.DataFrame) -> Table:
    """Return the Jaccard indices of a method's holdouts as a matrix, means over patient folds and seeds."""
    holdouts, rows = list(dict.fromkeys([*pairs["first"], *pairs["second"]])), []
    for one in holdouts:
        between = [pairs[pairs["first"].isin((one, other)) & pairs["second"].isin((one, other))] for other in holdouts]
        rows.append(Row([Cell(one), *map(_heat, between)]))
    columns = [Column(f"J, {label}", "", False, True, width=20), *map(Column, holdouts)]
    return Table("signature_heat", "", columns, rows, pairs)


def _heat(pairs: pd.DataFrame) -> Cell:
    if pairs.empty:
        return Cell()
    cell = Cell.number(pairs["jaccard"].mean(), absent=in_a_cell(of_rows(pairs)))
    return cell if cell.value is None else replace(cell, text=f" {cell.text} ", shade=cell.value)


def methods_table(frame: pd.DataFrame) -> Table:
    """Return two rows per method: means over all pairs, and the same for permuted signatures."""
    about = f"permuted: the same signatures with dimensions permuted at random, mean over {DRAWS} draws."
    label = replace(_LABEL, once=False, of=lambda row: Cell("  permuted") if row["control"] else _LABEL.of(row))
    size = Column("mean k", of=lambda row: _NONE if pd.isna(row["mean_size"]) else Cell.count(row["mean_size"]))
    stability = Column("Nogueira", _NOGUEIRA, of=_number("nogueira"))
    columns = [label, size, _J, _CHANCE, _ADJUSTED, _P, stability, *_MATCHED]
    return _filled(Table("signature_methods", "Means over all pairs", columns, [], frame, about))


def stability_table(frame: pd.DataFrame) -> Table:
    """Return one row per run: Nogueira's index over bootstraps with its interval, and bounds on false dimensions."""
    columns = [_LABEL, _PLACE, *_FOLD, *_WITHIN]
    return _filled(Table("signature_stability", "Bootstraps over training cases, lambda fixed", columns, [], frame))


def tests_table(frame: pd.DataFrame) -> Table:
    """Return one row per pair of methods and holdout: difference of Nogueira's index and its p-value."""
    table = Table("signature_tests", "", [_PLACE, *_FOLD, *_TEST], [], frame)
    return table.filled(frame.to_dict("records"), methods=("first", "second"))


def _filled(table: Table) -> Table:
    """Return a table whose rows are hidden with their method, and with any holdout that they name."""
    return table.filled(table.frame.to_dict("records"), holdouts=("holdout", "first", "second"))


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


NEVER_TRAINED = (
    "random: an encoder that was never trained. Its features are the same at every holdout, so CKA is 1 and matching "
    "changes nothing; its J shows how far a signature moves with the training rows alone."
)
_EACH = ("patient fold", "seed")


def signature_tables(study: SignatureStudy) -> Iterator[Table]:
    """Yield the tables that are printed, in their order.

    Args:
        study: The study; what it has not measured has no table.
    """
    runs = signature_table(study.runs, replicates=study.replicates).without("remark").without_constant(*_EACH)
    title, notes = "sparse signatures, scored on test cases", reasons_of_rows(study.runs, ("label", "holdout"))
    yield replace(runs, title=f"{study.name}: {title}", notes=notes)
    if study.pairs is not None and study.methods is not None:
        yield from _compared(study.pairs, study.methods)
    if study.within is not None:
        table = stability_table(study.within.stability).without_constant(*_EACH)
        notes = reasons_of_rows(study.within.stability, ("label", "holdout"), ("", "bound_"))
        tests = tests_table(study.within.tests).without_constant(*_EACH)
        yield replace(table, title=f"\n{table.title}", notes=[] if tests.rows else notes)
        if tests.rows:
            yield replace(tests, notes=notes)


def _compared(pairs: pd.DataFrame, methods: pd.DataFrame) -> Iterator[Table]:
    title = "\nHoldouts compared"
    for label in dict.fromkeys(pairs["label"]) if len(pairs) else ():
        yield replace(heat_table(label, pairs[pairs["label"] == label]), title=title)
        title = ""
    notes = [NEVER_TRAINED] if (methods["method"] == UNTRAINED).any() else []
    notes += reasons_of_rows(methods[~methods["control"]], ("label",))
    if len(pairs):
        yield replace(overlap_table(mean_pairs(pairs)).without(*_EACH, "remark"), title=title)
        notes += reasons_of_rows(pairs, ("label", "first", "second"), ("", "matched_"))
        forced = methods[~methods["control"] & (methods["fewest_shared"] > 0)]
        least = "sets of these sizes share at least {:.0f} dimensions in a mean pair."
        notes += [f"{row.label}: {least.format(row.fewest_shared)}" for row in forced.itertuples()]
    yield replace(methods_table(methods), title=title, notes=notes)
