"""A reason is a sentence for people and a code for programs; both survive frames, files and worker processes."""

import pickle

import pandas as pd
import pytest

from magsig_tf import reasons
from magsig_tf.errors import NotDefinedError
from magsig_tf.reasons import NOTHING, Reason, joined, of_row, of_rows

ONE = Reason(reasons.ONE_CLASS, "not defined: one class")
FEW = Reason(reasons.FEW_CASES, "no interval")
CODES = [value for name, value in vars(reasons).items() if name[0].isupper() and type(value) is str]


def test_several_reasons_are_one_text_and_come_apart_again():
    both = joined([ONE, NOTHING, FEW, ONE])
    assert both.columns("bound_") == {
        "bound_reason": "not defined: one class; no interval",
        "bound_reason_code": "one_class; few_cases",
    }
    assert [(each.code, str(each)) for each in both.parts()] == [(ONE.code, str(ONE)), (FEW.code, str(FEW))]


def test_a_separator_inside_a_sentence_makes_no_second_reason():
    assert len(Reason(reasons.NO_SIGNATURE, "no signature: found a; b").parts()) == 1


def test_reasons_of_rows_are_each_told_once_and_survive_a_file(tmp_path):
    frame = pd.DataFrame([joined([ONE, FEW]).columns(), ONE.columns(), NOTHING.columns()])
    frame.to_parquet(tmp_path / "frame.parquet")
    read = of_rows(pd.read_parquet(tmp_path / "frame.parquet"))
    assert [reason.code for reason in read] == ["one_class", "few_cases"]


def test_a_table_of_an_older_version_has_sentences_without_codes():
    assert [(each.code, str(each)) for each in of_row({"reason": "empty; far off"})] == [
        ("not_defined", "empty"),
        ("not_defined", "far off"),
    ]


@pytest.mark.parametrize("made", [ONE, NotDefinedError("Expected a", "found b", "Do c", reasons.ONE_CASE).reason])
def test_a_code_survives_the_way_to_a_worker_process(made):
    assert pickle.loads(pickle.dumps(made)).code == made.code != ""


def test_an_error_of_a_worker_process_keeps_its_code():
    error = NotDefinedError("Expected a", "found b", "Do c", reasons.ONE_CASE)
    assert pickle.loads(pickle.dumps(error)).reason.code == reasons.ONE_CASE


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_documented(root, code):
    assert f"`{code}`" in (root / "docs" / "numbers.md").read_text(encoding="utf-8").split("## Reason codes")[1]
