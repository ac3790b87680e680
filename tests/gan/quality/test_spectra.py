"""The probe on power spectra: planted differences are found where they are, and nowhere else."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from magsig_tf.data.resampling import downsampled, upsampled
from magsig_tf.gan.quality.probes import ABOVE, BELOW, SAME_SIZE, Sides, ring_powers, spectrum_probe
from magsig_tf.seeding import generator_for

SIZE, GAN_SIZE, N = 40, 16, 100


def made_up_images(name):
    """Return images with some detail at every frequency, of 20 cases."""
    noise = generator_for("spectra test", name).normal(0, 25, (N, SIZE, SIZE, 3))
    smooth = gaussian_filter(noise, (0, 2, 2, 0)) * 8
    return np.clip(140 + smooth + 0.3 * noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def real():
    return made_up_images("real")


@pytest.fixture(scope="module")
def small(real):
    return downsampled(made_up_images("others"), GAN_SIZE)


CASE = np.repeat([f"case-{number}" for number in range(20)], N // 20)


def probed(real, synthetic, size=GAN_SIZE, case=CASE, resampled=None):
    resampled = upsampled(downsampled(real, GAN_SIZE), SIZE) if resampled is None else resampled
    rows = spectrum_probe(Sides(resampled, real, synthetic, case), size, "test", replicates=100)
    return {(row["kind"], row["metric"]): row for row in rows}


def test_blur_is_found_below_nyquist_and_not_above(real, small):
    blurred = gaussian_filter(small, (0, 1, 1, 0))
    found = probed(real, upsampled(blurred, SIZE))
    assert found["synthetic", BELOW]["value"] > 0.95
    assert abs(found["synthetic", ABOVE]["value"] - 0.5) < 0.1
    assert found["control", ABOVE]["value"] > 0.95
    row = found["synthetic", ABOVE]
    assert row["low"] < row["value"] < row["high"]
    assert (row["images_real"], row["images_synthetic"], row["cases"], row["reason"]) == (N, N, 20, "")


def test_images_of_the_same_kind_are_at_chance_everywhere(real, small):
    found = probed(real, upsampled(small, SIZE))
    for metric in (ABOVE, BELOW):
        assert abs(found["synthetic", metric]["value"] - 0.5) < 0.1


def test_what_another_filter_leaves_above_nyquist_is_found(real, small):
    from PIL import Image

    blurred = gaussian_filter(small, (0, 1, 1, 0))
    bicubic = [
        np.stack([np.array(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for image in images])
        for images in (downsampled(real, GAN_SIZE), blurred)
    ]
    assert probed(real, bicubic[1], resampled=bicubic[0])["synthetic", ABOVE]["value"] > 0.9


def test_where_gan_and_classifier_have_one_size_there_is_nothing_above(real, small):
    found = probed(real, upsampled(small, SIZE), size=SIZE)
    assert found["synthetic", ABOVE]["reason"] == SAME_SIZE
    assert np.isnan(found["synthetic", ABOVE]["value"])
    assert np.isfinite(found["synthetic", BELOW]["value"])


def test_too_few_cases_are_said(real, small):
    found = probed(real, upsampled(small, SIZE), case=np.full(N, "one"))
    assert "fewer than 5 cases" in found["synthetic", ABOVE]["reason"]


def test_a_wave_lies_in_the_ring_of_its_frequency():
    place = np.arange(64)
    image = np.broadcast_to(128 + 80 * np.cos(2 * np.pi * 10 * place / 64)[None, :, None], (64, 64, 3))
    powers = ring_powers(np.rint(image).astype(np.uint8)[None], 0.0, 32.0)[0].reshape(3, 8)
    assert (powers.argmax(axis=1) == 2).all()  # rings are 4 periods wide: the third is 8 to 12
