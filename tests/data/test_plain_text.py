"""Names of strangers stay text: in a terminal, in a spreadsheet, in a file name."""

import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.data.manifest import NAME_COLUMNS
from magsig_tf.data.plain_text import check_names, is_formula, printable, printable_lines, without_formula, write_csv
from magsig_tf.data.sources.csv_manifest import read_csv_manifest
from magsig_tf.errors import DataError


@given(st.text())
def test_what_is_printable_is_kept_and_nothing_else_reaches_the_terminal(text):
    assert printable(text).isprintable()
    assert text.isprintable() == (printable(text) == text)
    assert len(printable_lines(text).split("\n")) == len(text.split("\n"))


@given(st.text())
def test_no_text_is_a_formula_after_it_was_made_harmless(text):
    assert not is_formula(without_formula(text))
    assert without_formula(text).removeprefix("'") == printable(text).removeprefix("'")


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1", "\t=1", "--5", "-", "+A1"])
def test_what_a_spreadsheet_computes_is_a_formula(name):
    assert is_formula(name)


@pytest.mark.parametrize("name", ["", "-3.5", "+1e-4", "-0", "P-1", "a=b", "1+1", "-inf", "40X"])
def test_numbers_and_plain_names_are_none(name):
    assert not is_formula(name)


@given(st.lists(st.tuples(st.text(max_size=8), st.floats(allow_nan=False), st.integers(-9, 9)), min_size=1, max_size=5))
def test_a_csv_holds_no_formula_and_its_numbers_are_not_quoted(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_csv(pd.DataFrame(rows, columns=["name", "value", "count"]), path)
    with open(path, encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [float(row["value"]) for row in read] == [value for _, value, _ in rows]
    assert [int(row["count"]) for row in read] == [count for _, _, count in rows]
    assert not any(is_formula(row["name"]) for row in read)


def test_only_what_is_a_formula_changes_and_missing_values_stay_missing(tmp_path):
    frame = pd.DataFrame({"case": ["=A1", None, "P1"], "group": pd.Categorical(["a", "b", "a"]), "x": [-1.0, None, 2]})
    write_csv(frame, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "case,group,x\n'=A1,a,-1.0\n,b,\nP1,a,2.0\n"
    assert frame["case"].iloc[0] == "=A1"


@pytest.mark.parametrize("column", sorted({*NAME_COLUMNS} - {"slide", "site"}))
@pytest.mark.parametrize("name", ["P\x1b[2J", "P\x9b1", "=HYPERLINK(1)", "@x"])
def test_a_manifest_whose_names_do_more_than_name_is_refused_with_the_column(tmp_path, column, name):
    row = {"path": "a.png", "label": "benign", "magnification": "20X", "case": "P1"} | {column: name}
    pd.DataFrame([row]).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(DataError) as refused:
        read_csv_manifest(tmp_path / "m.csv")
    assert column in str(refused.value)
    assert str(refused.value).isprintable()


def test_each_name_is_looked_at_once():
    check_names(["P1"] * 10**6, "case")
