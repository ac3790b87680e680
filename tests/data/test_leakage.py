"""Near-duplicates are found without comparing every pair, and none is missed."""

import time

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.data.leakage import NEAR_DUPLICATE_BITS, near_duplicates
from magsig_tf.seeding import generator_for


def compared_one_by_one(first: list[int], second: list[int]) -> int:
    return sum((one ^ other).bit_count() <= NEAR_DUPLICATE_BITS for one in first for other in second)


def as_hashes(values) -> pd.Series:
    return pd.Series([f"{int(value):016x}" for value in values])


@given(
    base=st.integers(0, 2**64 - 1),
    flips=st.lists(st.lists(st.integers(0, 63), max_size=4), min_size=2, max_size=30),
    cut=st.integers(1, 29),
)
def test_every_pair_within_two_bits_is_counted_once(base, flips, cut):
    values = []
    for bits in flips:
        value = base
        for bit in bits:
            value ^= 1 << bit
        values.append(value)
    first, second = values[:cut], values[cut:]
    assert near_duplicates(as_hashes(first), as_hashes(second)) == compared_one_by_one(first, second)


def test_sixty_thousand_against_forty_thousand_take_about_a_second():
    random = generator_for("many hashes")
    first, second = random.integers(0, 2**63, 60_000), random.integers(0, 2**63, 40_000)
    second[:7] = first[:7] ^ 5
    began = time.process_time()
    assert near_duplicates(as_hashes(first), as_hashes(second)) == 7
    # all 2.4 billion pairs took 5 seconds at best
    assert time.process_time() - began < 3


def test_blank_pictures_that_all_hash_alike_are_compared_once():
    blank = as_hashes(np.zeros(50_000, np.int64))
    began = time.process_time()
    assert near_duplicates(blank, blank) == 50_000**2
    assert time.process_time() - began < 3
