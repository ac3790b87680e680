"""p-values and Holm's correction equal hand-worked values and keep their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.statistics.intervals import bootstrap_p_value, holm

p_values = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.1, 0.2, 0.3, 0.4], 2 * 1 / 5),
        ([0.1, 0.2, -0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], 2 * 2 / 10),
        ([-0.1, 0.2], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
        # 0 counts on both sides
        ([0.0, 0.2, 0.3], 2 * 2 / 4),
        ([0.1, np.nan, 0.3], 2 * 1 / 3),
    ],
)
def test_p_counts_the_replicates_on_the_rarer_side(differences, p):
    assert bootstrap_p_value(differences) == pytest.approx(p, abs=1e-15)
    assert bootstrap_p_value(-np.array(differences)) == pytest.approx(p, abs=1e-15)


def test_p_is_not_defined_without_replicates():
    assert np.isnan(bootstrap_p_value([np.nan]))


def test_holm_equals_a_hand_worked_example():
    # smallest times 4, next times 3, and so on; never below the one before it, never above 1
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == pytest.approx([0.02])
    # what was not tested does not count
    assert holm([0.02, np.nan, 0.01]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


@given(p_values)
def test_holm_lies_between_the_raw_p_and_bonferroni_and_keeps_the_order(values):
    raw, corrected = np.array(values, float), holm(values)
    tests = ~np.isnan(raw)
    assert np.array_equal(np.isnan(corrected), ~tests)
    raw, corrected = raw[tests], corrected[tests]
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(1, len(raw) * raw) + 1e-15).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_rejects_what_the_step_down_procedure_rejects(values, alpha):
    rejected, remaining = set(), sorted(range(len(values)), key=lambda i: values[i])
    while remaining and values[remaining[0]] * len(remaining) <= alpha:
        rejected.add(remaining.pop(0))
    assert {i for i, p in enumerate(holm(values)) if p <= alpha} == rejected
