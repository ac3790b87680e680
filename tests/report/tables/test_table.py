"""One description is drawn by the terminal, by LaTeX and by the page: the same numbers under the same headings."""

import io

import pytest
from rich.console import Console

from magsig_tf.report.page.report import as_latex
from magsig_tf.report.tables.table import Cell, Column, Pick, Row, Table, signed_number
from magsig_tf.report.terminal.render import parts, print_tables

NAN = float("nan")
METRICS = {"auc": (0.8, 0.7, 0.9), "brier": (0.25, NAN, NAN)}


def row(holdout, method, metric, level, shift=0.0):
    value, low, high = METRICS[metric]
    numbers = [Cell.number(value + shift, low + shift, high + shift), Cell.p_value(0.001 if level == "image" else 0.5)]
    return Row([Cell(holdout), Cell(method), *numbers], values={"metric": metric, "level": level})


@pytest.fixture
def table():
    columns = [
        Column("held\nout", "left out", False, key=True, once=True),
        Column("method", "", False, key=True, width=10),
        Column("value", "of the metric"),
        Column("p", "of a guess"),
    ]
    rows = [
        row(holdout, method, metric, level)
        for holdout in ("40X", "100X")
        for method in ("grl", "baseline-resampled")
        for metric in METRICS
        for level in ("image", "case")
    ]
    return Table("t", "The title", columns, rows, about="Made up.", notes=["A note."], ruled=True)


def printed(table, width=100):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_tables([table], console)
    return console.file.getvalue()


def test_the_legend_stands_between_title_and_table_and_notes_below(table):
    text = printed(table)
    order = ["The title", "held out: left out. value: of the metric. p: of a guess. Made up.", "method", "A note."]
    assert sorted(order, key=text.index) == order


def test_a_row_s_words_are_not_repeated_and_long_names_are_broken_not_cut(table):
    lines = printed(table.where(metric=["auc"], level=["image"])).splitlines()
    assert [line[:4].strip() for line in lines if ".800" in line] == ["40X", "", "100X", ""]
    assert "baseline-" in "\n".join(lines)
    assert "…" not in "\n".join(lines)


def test_a_long_table_becomes_a_wide_one_with_the_numbers_of_each_row(table):
    picks = [
        Pick(Column("AUC"), "value", {"metric": "auc", "level": "image"}),
        Pick(Column("AUC"), "value", {"metric": "auc", "level": "image"}, plain=True),
        Pick(Column("p"), "p", {"metric": "brier", "level": "image"}),
        Pick(Column("p"), "p", {"metric": "brier", "level": "case"}),
    ]
    wide = table.wide(("held out", "method"), picks)
    assert len(wide.rows) == 4
    assert [(cell.text, cell.ends) for cell in wide.rows[0].cells[2:]] == [
        (".800", (".700", ".900")),
        (".800", ()),
        (".001", ()),
        (".500", ()),
    ]


@pytest.mark.parametrize("width", [33, 26, 100])
def test_parts_of_a_wide_table_keep_their_keys_and_lose_no_column_of_an_equal_name(table, width):
    picks = [Pick(Column("p"), "p", {"metric": "auc", "level": level}) for level in ("image", "case")]
    values = [Pick(Column("value"), "value", {"metric": name, "level": "image"}) for name in METRICS]
    wide = table.wide(("held out", "method"), [*picks, *values])
    found = parts(wide, width)
    assert (len(found) > 1) == (width < 100)
    assert all([column.name for column in part.columns[:2]] == ["held out", "method"] for part in found)
    assert [cell.text for part in found for cell in part.rows[0].cells[2:]] == [".001", ".500", ".800", ".250"]
    assert max(map(len, printed(wide, width).splitlines())) <= width


def test_columns_in_which_all_rows_say_the_same_can_be_left_out(table):
    one = table.where(metric=["auc"], level=["image"])
    assert [column.name for column in one.without_constant("value", "method").columns] == ["held out", "method", "p"]


def test_latex_has_the_same_numbers_and_the_legend(table):
    text = as_latex(table.where(metric=["auc"], level=["image"]))
    assert text.count(".800 [.700 to .900]") == 4
    assert "held out: left out" in text


def test_latex_has_only_the_rows_that_a_paper_prints(table):
    from dataclasses import replace

    assert as_latex(replace(table, short={"metric": ["brier"], "level": ["case"]})).count(".250") == 4


def test_an_absent_number_is_a_word_and_a_difference_has_its_sign():
    assert Cell.number(NAN, absent="not run").text == "not run"
    cell = Cell.number(0.1, -0.05, 0.25, write=signed_number)
    assert (cell.text, cell.between.join(cell.ends)) == ("+.100", "-.050 +.250")
