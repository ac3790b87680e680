from __future__ import annotations

import hashlib

import numpy as np
import scipy.fft
from PIL import Image

from magsig_tf.data.preparation.measures import colour_statistics, measure, perceptual_hash
from tests.data.small_images import random_pixels


def bits_apart(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def smooth(name: str) -> np.ndarray:
    coarse = Image.fromarray(random_pixels(name, 6, 6))
    return np.asarray(coarse.resize((96, 96), Image.Resampling.BICUBIC))


def test_colour_statistics_are_numpys():
    pixels = random_pixels("a", 37, 21)
    flat = pixels.reshape(-1, 3).astype(float)
    np.testing.assert_allclose(colour_statistics(pixels), [*flat.mean(axis=0), *flat.std(axis=0)], rtol=1e-6)
    assert colour_statistics(np.full((4, 4, 3), 9, np.uint8)).tolist() == [9, 9, 9, 0, 0, 0]


def test_the_perceptual_hash_is_the_sign_of_scipys_lowest_frequencies():
    pixels = smooth("a")
    grey = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.BOX)
    lowest = scipy.fft.dctn(np.asarray(grey, float), type=2)[:8, 1:9]
    bits = (lowest > np.median(lowest)).ravel()
    assert perceptual_hash(pixels) == f"{int(''.join('01'[bit] for bit in bits.astype(int)), 2):016x}"


def test_like_pictures_hash_alike_and_others_do_not():
    picture = smooth("a")
    brighter = np.clip(picture * 0.9 + 20, 0, 255).astype(np.uint8)
    smaller = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC))
    assert bits_apart(perceptual_hash(picture), perceptual_hash(brighter)) <= 2
    assert bits_apart(perceptual_hash(picture), perceptual_hash(smaller)) <= 2
    assert bits_apart(perceptual_hash(picture), perceptual_hash(smooth("b"))) > 16


def test_an_even_picture_hashes_to_zero_and_not_to_rounding_noise():
    assert perceptual_hash(np.full((50, 50, 3), 200, np.uint8)) == "0" * 16


def test_measure_names_the_manifests_columns():
    pixels = random_pixels("a")
    measured = measure(pixels)
    assert measured["pixel_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert list(measured)[:2] == ["pixel_sha256", "perceptual_hash"]
    assert all(isinstance(value, float) for value in list(measured.values())[2:])
