"""A seed depends on names, not on when or in which process it is asked for."""

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.seeding import generator_for, seed_for

names = st.lists(st.text(st.characters(blacklist_characters="\x1f")), min_size=1, max_size=4)


def test_a_seed_is_the_hash_of_its_names():
    # worked by hand: the first four bytes of SHA-256("order" + separator + "7"), halved to 31 bits
    first = hashlib.sha256(b"order\x1f7").hexdigest()[:8]
    assert seed_for("order", 7) == int(first, 16) // 2


@given(names)
def test_a_seed_fits_every_library(words):
    assert 0 <= seed_for(*words) < 2**31


@given(names, names)
def test_other_names_give_another_seed(first, second):
    assert (seed_for(*first) == seed_for(*second)) == (first == second)


def test_names_of_undecodable_files_have_seeds_too():
    assert seed_for("\udcff.png") != seed_for("\udcfe.png")


def test_names_do_not_run_together():
    assert seed_for("a", "bc") != seed_for("ab", "c")
    assert seed_for("fold", 1, 12) != seed_for("fold", 11, 2)


def test_a_generator_repeats_whatever_was_drawn_in_between():
    first = generator_for("folds", 0).random(5)
    np.random.default_rng(3).random(100)
    generator_for("other", 1).random(7)
    np.testing.assert_array_equal(generator_for("folds", 0).random(5), first)


def test_another_process_has_the_same_seed():
    code = "from magsig_tf.seeding import seed_for; print(seed_for('order', 'x', 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == seed_for("order", "x", 3)
