"""A cell of the probe tables holds a number or the reason why there is none, in a word or two."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from magsig_tf.evaluation.probes.rows import ProbedRows
from magsig_tf.evaluation.probes.summary import probe_notes, summarise_probes
from magsig_tf.report.tables.probes import probe_tables
from magsig_tf.report.terminal.results import print_probes
from tests.evaluation.probes.planted import MAGNIFICATIONS, planted


def rows_where(kept=lambda rows: np.ones(len(rows.case), bool), sources=MAGNIFICATIONS, factor=None):
    rows = planted(cases=8, images=2)
    chosen = kept(rows)
    arrays = (rows.noise[chosen], rows.label[chosen], rows.case[chosen], rows.magnification[chosen])
    found = ProbedRows("model", "", 0, *arrays, tuple(sources), kind="file")
    return found if factor is None else replace(found, factors={"known": np.full(chosen.sum(), factor)})


def one_case_a_magnification(rows):
    return rows.magnification == np.array(MAGNIFICATIONS)[np.char.replace(rows.case, "case-", "").astype(int) % 3]


CASES = {
    "one magn.": (rows_where(lambda rows: rows.magnification == "100X"), "one magnification"),
    "too few cases": (rows_where(lambda rows: rows.case < "case-004"), "fewer cases than folds (4 of 5)"),
    "magn. in one fold": (
        rows_where(lambda rows: (rows.magnification != "400X") | (rows.case == "case-003")),
        "400X in the cases of one fold only",
    ),
    "one case": (rows_where(lambda rows: rows.case == "case-001"), "one case"),
    "no case twice": (rows_where(one_case_a_magnification), "no case at two magnifications"),
    "no sources": (rows_where(sources=()), "no source magnification is known"),
    "does not vary": (rows_where(factor=1.0), "the same value in every row"),
}


@pytest.mark.parametrize("shown", CASES)
def test_a_cell_without_a_number_says_why(shown):
    rows, reason = CASES[shown]
    table = summarise_probes([rows], MAGNIFICATIONS, total=1, replicates=100, workers=1)
    tables = probe_tables(table, "title", probe_notes(table))
    cells = [" ".join(cell.text.split()) for each in tables for row in each.rows for cell in row.cells]
    assert shown in cells
    assert not {"nan", "not defined"} & set(cells)
    assert any(reason in note for note in probe_notes(table))
    assert (table.loc[table["value"].isna(), "reason"] != "").all()
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_probes(table, "title", probe_notes(table), console)
    assert "…" not in console.file.getvalue()
