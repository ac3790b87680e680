"""Numbers as they are printed."""

from magsig_tf.evaluation.printed import number, p_value, significant


def test_numbers_have_three_decimals_and_no_leading_zero():
    assert [number(0.5), number(1.0), number(0.99996), number(1.234)] == [".500", "1.000", "1.000", "1.234"]
    assert [number(-0.05, True), number(0.05, True), number(0.0, True)] == ["-.050", "+.050", "+.000"]
    assert [number(-0.0004, True), number(-0.0006, True)] == ["+.000", "-.001"]


def test_p_values_are_never_printed_as_nothing():
    assert [p_value(p) for p in (0.0004, 0.0005, 0.04, 1.0, float("nan"))] == ["<.001", ".001", ".040", "1.000", ""]


def test_small_numbers_keep_two_digits():
    assert [significant(v) for v in (0.0521, -0.00034, 0.0, 0.00001)] == [".052", "-.00034", "0", "1e-05"]
    assert [significant(v) for v in (9.0246, -0.31, 0.0996)] == ["9.025", "-.310", ".100"]
