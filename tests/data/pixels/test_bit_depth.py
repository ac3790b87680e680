"""Sixteen-bit samples: the right brightness, or a reason; never a picture that is nearly black."""

from __future__ import annotations

import numpy as np
import pytest

from magsig_tf.data.pixels.bit_depth import stated_bits, to_eight_bits
from magsig_tf.data.pixels.refusal import RefusedPicture
from tests.data.made_files import in_bits, picture


@pytest.mark.parametrize("bits", [9, 10, 11, 12, 13, 14])
def test_stated_bits_give_the_levels_of_eight(bits):
    levels, kind = to_eight_bits(in_bits(picture(), bits), {bits})
    np.testing.assert_array_equal(levels, picture())
    assert kind == f"{bits}-bit in 16"


@pytest.mark.parametrize("bits", [9, 10, 11, 12, 13, 14])
def test_fewer_bits_that_nothing_states_are_refused(bits):
    with pytest.raises(RefusedPicture, match=r"10 to 14 bits of a camera or a dark picture"):
        to_eight_bits(in_bits(picture(), bits))


def test_a_dark_picture_of_sixteen_bits_is_not_brightened():
    dark = in_bits(picture(), 16) // 5
    with pytest.raises(RefusedPicture, match=f"values above {dark.max():,}:"):
        to_eight_bits(dark)


def test_half_the_range_is_converted_and_said():
    levels, kind = to_eight_bits(in_bits(picture(), 16) // 3)
    assert kind == "16-bit without values in the upper half"
    assert 80 <= levels.max() <= 85


def test_eight_bits_written_twice_are_sixteen_however_dark():
    dark = picture() // 12
    levels, kind = to_eight_bits(dark.astype(np.uint16) * 257)
    np.testing.assert_array_equal(levels, dark)
    assert kind == "16-bit"


def test_white_as_zero_is_turned_round_in_the_bits_that_are_used():
    levels, _ = to_eight_bits(4095 - in_bits(picture(), 12), {12}, inverted=True)
    np.testing.assert_array_equal(levels, picture())


@pytest.mark.parametrize(
    ("bits", "stated", "said"), [(14, {12}, "states 12 used bits and has values"), (10, {10, 12}, "10 and 12")]
)
def test_a_file_that_contradicts_itself_is_refused(bits, stated, said):
    with pytest.raises(RefusedPicture, match=said):
        to_eight_bits(in_bits(picture(), bits), stated)


def test_a_largest_value_that_merely_occurs_states_nothing():
    assert stated_bits([4095]) == {12}
    assert stated_bits([65535, 1023]) == {10}
    assert stated_bits([4000, 255, 0, 7]) == set()
