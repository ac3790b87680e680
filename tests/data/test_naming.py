"""The names of a data set: what is merged and counted, what is refused, and what a user's answers do."""

import pandas as pd
import pytest

from magsig_tf.data.names_file import SaidOfNames
from magsig_tf.data.naming import settle_names
from magsig_tf.errors import DataError, UsageError

NOTHING_SAID = SaidOfNames()


def table(*cases, **columns):
    rows = {"path": [f"{n}.png" for n in range(len(cases))], "case": list(cases)}
    return pd.DataFrame(rows | {"label": ["benign"] * len(cases), "magnification": ["5x"] * len(cases)} | columns)


def test_certain_spellings_are_merged_and_counted():
    named = settle_names(table("a 1", "a\u00a01", "b", magnification=["5x", "5.0", "10X"]), NOTHING_SAID)
    assert list(named.table["case"]) == ["a 1", "a 1", "b"]
    assert list(named.table["magnification"]) == ["5X", "5X", "10X"]
    assert dict(named.remarks) == {
        "magnifications written in several ways, read as one": ["5X: '5.0' 1, '5x' 1"],
        "cases written in several ways, read as one": ["a 1: 'a 1' 1, 'a\\xa01' 1"],
    }


def test_doubtful_names_are_refused_at_once_and_all_written(tmp_path):
    cases = [f"k{n}" for n in range(12)] + [f"K{n}" for n in range(12)]
    where = tmp_path / "names.csv"
    with pytest.raises(DataError) as caught:
        settle_names(table(*cases, slide=["s-1", "s_1"] * 12), NOTHING_SAID, where)
    message = str(caught.value)
    assert message.count(" and 'k") == 10
    assert f"and 2 more. Check the column same in {where} and pass --same-case {where}" in message
    assert len(pd.read_csv(where)) == 12
    assert "\n" not in message


def test_answers_merge_or_keep_apart_and_the_rest_is_still_refused(tmp_path):
    rows = table("k1", "K1", "K1", "m1", "M1", "n1", "N1")
    answers = tmp_path / "answers.csv"
    answers.write_text("first,second,same\nK1,k1,yes\nm1,M1,no\n")
    with pytest.raises(DataError, match="found a pair of names that may be one: cases, letter case: 'N1' and 'n1'"):
        settle_names(rows, SaidOfNames.of(answers))
    named = settle_names(rows, SaidOfNames.of(answers, exact=True))
    assert list(named.table["case"]) == ["K1", "K1", "K1", "m1", "M1", "n1", "N1"]
    assert dict(named.remarks)["cases that are one by --same-case"] == ["K1: 'K1' 2, 'k1' 1"]


def test_the_file_that_is_written_is_accepted_as_it_is(tmp_path):
    rows = table("k1", "K-1", "K01", site=["north", "North", "north"], slide=["a", "b", "A"])
    where = tmp_path / "names.csv"
    with pytest.raises(DataError):
        settle_names(rows, NOTHING_SAID, where)
    named = settle_names(rows, SaidOfNames.of(where))
    assert named.table["case"].nunique() == 1
    assert set(named.table["site"]) == {"north"}


def test_cases_of_which_no_label_is_the_same_are_put_down_as_different(tmp_path):
    where = tmp_path / "names.csv"
    with pytest.raises(DataError):
        settle_names(table("k1", "K1", label=["benign", "malignant"]), NOTHING_SAID, where)
    assert list(pd.read_csv(where)["same"]) == ["no"]


def test_answers_that_contradict_each_other_are_refused(tmp_path):
    answers = tmp_path / "answers.csv"
    answers.write_text("first,second,same\nk1,K1,yes\nK1,k-1,yes\nk1,k-1,no\n")
    with pytest.raises(DataError, match="answers about names that fit together"):
        settle_names(table("k1", "K1", "k-1"), SaidOfNames.of(answers))
    answers.write_text("first,second,same\nk1,K1,yes\nK1,k1,no\n")
    with pytest.raises(UsageError, match="found yes and no for 'K1' and 'k1'"):
        SaidOfNames.of(answers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one,two\na,b\n", "the columns first and second"),
        ("first,second,same\na,b,perhaps\n", "found 'perhaps' in row 1"),
        ("first,second,same\na,b,\n", "found '' in row 1"),
        ("first,second,column\na,b,colour\n", "found 'colour' in row 1"),
        (b"\xff\xfe", "Check the path"),
    ],
)
def test_a_file_of_answers_with_a_slip_is_refused(tmp_path, text, said):
    answers = tmp_path / "answers.csv"
    answers.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        SaidOfNames.of(answers)
    assert said in str(caught.value)


def test_one_number_at_two_sites_is_two_cases_and_alike_names_are_sought_within_a_site():
    rows = table("12", "12", "012", "7", site=["A", "B", "C", "A"], slide=["", "1", "1", ""])
    named = settle_names(rows, NOTHING_SAID)
    assert list(named.table["case"]) == ["A/12", "B/12", "C/012", "A/7"]
    assert list(named.table["slide"]) == ["", "B/1", "C/1", ""]
    with pytest.raises(DataError, match="leading zeros: '012' and '12'"):
        settle_names(rows.assign(site=["A", "B", "A", "A"]), NOTHING_SAID)
    with pytest.raises(DataError, match="found '12' with a site and without one"):
        settle_names(rows.assign(site=["A", "", "A", "A"]), NOTHING_SAID)
    with pytest.raises(DataError, match="found 'A/1/2' for two"):
        settle_names(table("1/2", "2", site=["A", "A/1"]), NOTHING_SAID)


def test_a_column_site_without_content_changes_nothing():
    assert list(settle_names(table("12", "13", site=["", " "]), NOTHING_SAID).table) == ["magnification", "case"]


def test_section_letters_only_warn():
    remarks = dict(settle_names(table("mouse_1A", "mouse_1B", "mouse_2"), NOTHING_SAID).remarks)
    assert list(remarks.values()) == [["mouse_1A mouse_1B"]]


def test_slides_of_one_breakhis_accession_are_refused_as_cases():
    paths = [f"{slide}-100-001.png" for slide in ("SOB_M_DC-15-77A", "SOB_M_LC-15-77B", "SOB_B_A-15-78")]
    rows = table("SOB_M_DC-15-77A", "SOB_M_LC-15-77B", "SOB_B_A-15-78", path=paths)
    with pytest.raises(DataError, match="one BreaKHis accession: 'SOB_M_DC-15-77A' and 'SOB_M_LC-15-77B'"):
        settle_names(rows, NOTHING_SAID)


def test_the_order_of_rows_is_irrelevant():
    rows = table("a 1", "a\u200b 1", "b", "b", magnification=["5x", "5.0", "x10", "10"], site=["A", "A", "B", "B"])
    there, back = settle_names(rows, NOTHING_SAID), settle_names(rows[::-1], NOTHING_SAID)
    pd.testing.assert_frame_equal(there.table, back.table[::-1])
    assert there.remarks == back.remarks
