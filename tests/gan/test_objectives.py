"""The two losses at logits whose values are known by hand."""

import numpy as np
import pytest

from magsig_tf.gan.step import discriminator_terms, generator_terms


def test_a_discriminator_that_guesses_pays_two_bits_of_surprise():
    zero = np.zeros((2, 1), np.float32)
    np.testing.assert_allclose(discriminator_terms("non_saturating", zero, zero), 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(generator_terms("non_saturating", zero), np.log(2), rtol=1e-6)


def test_the_losses_of_one_pair_by_hand():
    real, synthetic = np.array([[2.0]], np.float32), np.array([[-0.5]], np.float32)
    expected = -np.log(1 / (1 + np.exp(-2.0))) - np.log(1 - 1 / (1 + np.exp(0.5)))
    assert discriminator_terms("non_saturating", real, synthetic).numpy() == pytest.approx(expected, rel=1e-6)
    assert generator_terms("non_saturating", synthetic).numpy() == pytest.approx(np.log(1 + np.exp(0.5)), rel=1e-6)
    assert discriminator_terms("hinge", real, synthetic).numpy() == pytest.approx(0.5)
    assert generator_terms("hinge", synthetic) == pytest.approx(0.5)
