from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from magsig_tf.data.pixels.decoding import decode
from magsig_tf.data.sources.images import (
    DecodedImage,
    ImageFileReader,
    SourceImage,
    UnreadableImage,
    colour_statistics,
    measure,
    perceptual_hash,
)
from tests.data.small_images import png, random_pixels


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(content: object, size: int = 8, resize: str = "squash"):
    return ImageFileReader(size, resize)([SourceImage("a.png", {}, content)])[0]


def test_squash_is_pillows_bicubic_of_the_whole_image():
    pixels, width, height, converted = decode(png("a"), 8)
    expected = Image.fromarray(random_pixels("a")).resize((8, 8), Image.Resampling.BICUBIC)
    assert (pixels == np.asarray(expected)).all()
    assert (width, height, converted) == (30, 20, "")


def test_crop_is_the_centred_square():
    pixels, *_ = decode(png("a"), 8, "crop")
    expected = Image.fromarray(random_pixels("a")[:, 5:25]).resize((8, 8), Image.Resampling.BICUBIC)
    assert (pixels == np.asarray(expected)).all()


def test_an_image_of_the_right_size_is_left_as_it_is():
    square = random_pixels("square", 8, 8)
    assert (decode(png(square), 8)[0] == square).all()


def test_grey_and_palette_images_are_converted_and_named():
    grey = decode(png("a", "L"), 8)
    assert grey[3] == "grey"
    assert (grey[0][..., 0] == grey[0][..., 2]).all()
    assert decode(png("a", "P"), 8)[3] == "palette"


def test_sixteen_bits_are_scaled_not_clipped():
    deep = np.full((8, 8), 0x8000, np.uint16)
    pixels, _, _, converted = decode(saved(Image.fromarray(deep)), 8)
    assert converted == "16-bit, grey"
    assert (pixels == 0x80).all()


def sixteen_bit_colour_png() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    line = b"\x00" + struct.pack(">HHH", 0x1234, 0x8000, 0xFFFF) * 8
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(line * 8)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour_is_noticed():
    pixels, _, _, converted = decode(sixteen_bit_colour_png(), 8)
    assert converted == "16-bit"
    assert pixels[0, 0].tolist() == [0x12, 0x80, 0xFF]


def test_what_is_transparent_is_white_as_glass_is():
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, :4] = (200, 0, 100, 255)
    pixels, _, _, converted = decode(png(clear), 8)
    assert converted == "alpha"
    assert pixels[0, 0].tolist() == [200, 0, 100]
    assert pixels[0, 7].tolist() == [255, 255, 255]


def bomb() -> bytes:
    image = bytearray(png("a"))
    image[16:24] = struct.pack(">II", 100_000, 100_000)
    image[29:33] = struct.pack(">I", zlib.crc32(bytes(image[12:29])))
    return bytes(image)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image of a known format"),
        (b"hello", "no image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no image of a known format"),
        (png("a")[:-200], "truncated|broken"),
        (bomb(), "decompression bomb"),
        (saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "floating-point"),
    ],
)
def test_what_is_no_image_is_unreadable_with_a_reason(content, reason):
    result = read(content)
    assert isinstance(result, UnreadableImage)
    assert re.search(reason, result.reason)


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    assert read(tmp_path / "none.png") == UnreadableImage("a.png", "no such file")
    assert read(tmp_path) == UnreadableImage("a.png", "no such file")
    assert isinstance(read("a\0b"), UnreadableImage)


def test_one_bad_file_does_not_touch_its_neighbours():
    images = [SourceImage("a", {}, png("a")), SourceImage("b", {}, b"bad"), SourceImage("c", {}, png("c"))]
    assert [type(result) for result in ImageFileReader(8)(images)] == [DecodedImage, UnreadableImage, DecodedImage]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6), st.integers(0, 2000))
def test_damaged_files_are_pixels_or_unreadable(changes, keep):
    content = bytearray(png("a"))
    for position, value in changes:
        content[position] = value
    result = read(bytes(content[:keep]))
    if isinstance(result, DecodedImage):
        assert result.pixels.shape == (8, 8, 3)
    else:
        assert result.reason
        assert "\n" not in result.reason


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
