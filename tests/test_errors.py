"""Messages say what was expected, what was found and what to do."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.errors import DataError, MagsigError, RunError, UsageError, nearest
from magsig_tf.registry import PluginError


def test_a_message_is_three_sentences():
    error = DataError("Expected a case column", "found path, label", "Add it.")
    assert str(error) == "Expected a case column, found path, label. Add it."


def test_parts_that_are_missing_leave_no_trace():
    assert str(MagsigError("Expected a file")) == "Expected a file."


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (DataError, 1), (RunError, 1), (PluginError, 1), (MagsigError, 1)]
)
def test_usage_exits_with_two_and_failure_with_one(kind, code):
    assert kind.exit_code == code
    assert issubclass(kind, MagsigError)


def test_an_error_survives_the_way_back_from_a_worker_process():
    error = pickle.loads(pickle.dumps(DataError("Expected a", "found b", "Do c")))
    assert (type(error), error.expected, error.found, error.remedy) == (DataError, "Expected a", "found b", "Do c")


def test_the_nearest_name_is_offered_and_all_are_listed():
    assert nearest("lamda_max", ["lambda_max", "epochs"]) == "Did you mean 'lambda_max'? Known: epochs, lambda_max"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b"
    assert nearest("zzz", []) == "Known: none"


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
def test_any_name_gets_a_remedy(name, known):
    assert "Known:" in nearest(name, known)
