"""Down to a GAN's resolution and up again: nothing above its Nyquist frequency but noise that says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.resampling import downsampled, resampled, upsampled
from magsig_tf.errors import UsageError
from magsig_tf.seeding import generator_for


def random_images(*names, n=3, size=16, low=0, high=256):
    return generator_for("resampling test", *names).integers(low, high, (n, size, size, 3)).astype(np.uint8)


def power_above(image, size):
    """Return the mean power of cosines of order `size` and above, in squared levels: the variance of white noise."""
    from scipy.fft import dctn

    power = dctn(image.astype(float), axes=(0, 1), norm="ortho") ** 2
    order = np.arange(len(image))
    return power[np.hypot(order[:, None], order[None, :]) >= size].mean()


def stripes(size, periods):
    """Return one image with vertical stripes between 60 and 180, mirrored at its borders."""
    place = (np.arange(size) + 0.5) / size
    row = 120 + 60 * np.cos(2 * np.pi * periods * place)
    return np.rint(np.broadcast_to(row[None, :, None], (size, size, 3))).astype(np.uint8)[None]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), white=st.floats(0, 1), size=st.sampled_from([32, 40, 48]))
def test_whatever_the_image_nothing_but_the_same_noise_lies_above_nyquist(seed, white, size):
    image = random_images(seed, n=1)
    image[:, : int(16 * white)] = 255  # empty glass: without room above it, overshoot would be clipped
    large = upsampled(image, size)
    # rounding plus triangular noise: 1/12 + 1/6 squared levels
    assert power_above(large[0], 16) == pytest.approx(0.25, rel=0.25)


def test_bicubic_would_fail_that_test():
    from PIL import Image

    image = random_images("bicubic", n=1)[0]
    large = np.array(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
    assert power_above(large, 16) > 10


def test_what_lies_well_below_nyquist_comes_back():
    found = upsampled(stripes(32, 4), 96)[0].astype(float)
    np.testing.assert_allclose(found, stripes(96, 4)[0], atol=2.6)
    resampled_stripes = resampled(stripes(96, 4), 32)[0].astype(float)
    assert np.abs(resampled_stripes - stripes(96, 4)[0]).mean() < 2.5


def test_one_colour_stays_that_colour():
    for level in (0, 3, 128, 255):
        image = np.full((1, 16, 16, 3), level, np.uint8)
        assert np.abs(resampled(np.repeat(np.repeat(image, 2, 1), 2, 2), 16).astype(int) - level).max() <= 2


def test_black_on_white_keeps_its_contrast_and_is_not_clipped():
    image = np.full((1, 32, 32, 3), 255, np.uint8)
    image[:, 8:24, 8:24] = 0
    large = upsampled(image, 96)[0].astype(float)
    assert large[40:56, 40:56].mean() < 40
    assert large[:12, :12].mean() > 215
    assert power_above(large, 32) == pytest.approx(0.25, rel=0.25)


def test_an_image_does_not_depend_on_its_batch_and_repeats_are_the_same():
    images = random_images("batch", n=5)
    together = upsampled(images, 32)
    for place in range(5):
        np.testing.assert_array_equal(upsampled(images[place : place + 1], 32)[0], together[place])
    np.testing.assert_array_equal(upsampled(images[::-1], 32)[::-1], together)


def test_images_of_the_size_asked_for_are_left_alone():
    images = random_images("same")
    for function in (downsampled, upsampled, resampled):
        found = function(images, 16)
        np.testing.assert_array_equal(found, images)
        assert found is not images


def test_resampling_is_down_and_up():
    images = random_images("both", size=32)
    np.testing.assert_array_equal(resampled(images, 16), upsampled(downsampled(images, 16), 32))


def test_down_is_the_filter_that_prepare_uses():
    from PIL import Image

    images = random_images("down", n=1, size=48)
    expected = np.array(Image.fromarray(images[0]).resize((16, 16), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(downsampled(images, 16)[0], expected)


def test_a_gan_larger_than_the_classifier_is_refused():
    for function, size in ((downsampled, 32), (upsampled, 8), (resampled, 32)):
        with pytest.raises(UsageError, match="px against"):
            function(random_images("large"), size)
