"""Preprocessing in the graph against what `prepare` does with Pillow."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from magsig_tf.data.pixels.decoding import decode
from magsig_tf.seeding import generator_for
from tests.data.made_files import png

SIZE = 32
# of 255, largest and mean: Pillow works with fixed-point weights, and turns tall images first
CLOSE, TALL = (1, 0.02), (2, 0.4)


@pytest.fixture(scope="module")
def preprocessing(tensorflow):
    from magsig_tf.serving.exporting.preprocessing import Preprocessing

    return Preprocessing


def picture(height: int = 46, width: int = 70) -> np.ndarray:
    coarse = generator_for("served pictures").integers(0, 256, (12, 16, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: Image.Image, kind: str = "PNG", **keywords) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **keywords)
    return stream.getvalue()


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_pixels_of_the_size_pass_unchanged(preprocessing, resize, kind):
    image = generator_for("noise").integers(0, 256, (3, SIZE, SIZE, 3)).astype(kind)
    np.testing.assert_array_equal(preprocessing(SIZE, resize).pixels(image), image.astype(np.float32))


def test_float_pixels_of_the_size_keep_their_fractions(preprocessing):
    image = np.full((1, SIZE, SIZE, 3), 12.25, np.float32)
    np.testing.assert_array_equal(preprocessing(SIZE).pixels(image), image)


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize(
    ("shape", "levels"), [((46, 70), CLOSE), ((50, 50), CLOSE), ((20, 25), CLOSE), ((32, 64), CLOSE), ((70, 46), TALL)]
)
def test_resizing_is_within_a_few_levels_of_pillows(preprocessing, resize, shape, levels):
    image = picture(*shape)
    wanted = decode(encoded(Image.fromarray(image)), SIZE, resize)[0].astype(float)
    found = preprocessing(SIZE, resize).pixels(image[np.newaxis])[0].numpy()
    assert np.abs(found - wanted).max() <= levels[0]
    assert np.abs(found - wanted).mean() < levels[1]
    # another filter is far outside
    other = np.array(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    assert np.abs(found - other).max() > 10


def test_resized_pixels_are_whole_numbers_in_range(preprocessing):
    stripes = np.tile(np.array([0, 255], np.uint8).repeat(3), 12)
    edges = np.broadcast_to(stripes[np.newaxis, np.newaxis, :, np.newaxis], (1, 60, 72, 3))
    found = preprocessing(SIZE).pixels(edges).numpy()
    assert found.min() == 0
    assert found.max() == 255
    np.testing.assert_array_equal(found, np.round(found))


@pytest.mark.parametrize(
    ("image", "kind", "keywords"),
    [
        (Image.fromarray(picture(SIZE, SIZE)), "PNG", {}),
        (Image.fromarray(picture(SIZE, SIZE)), "JPEG", {"quality": 90}),
        (Image.fromarray(picture(SIZE, SIZE)), "JPEG", {"quality": 90, "progressive": True}),
        (Image.fromarray(picture(SIZE, SIZE)).convert("L"), "PNG", {}),
        (Image.fromarray(picture(SIZE, SIZE)).convert("L"), "JPEG", {}),
        (Image.fromarray(picture(SIZE, SIZE)).convert("P"), "PNG", {}),
        (Image.fromarray(picture(SIZE, SIZE)[..., 0].astype(np.uint16) * 257), "PNG", {}),
    ],
    ids=["png", "jpeg", "progressive", "grey png", "grey jpeg", "palette", "16 bits"],
)
def test_files_are_decoded_as_prepare_decodes_them(preprocessing, image, kind, keywords):
    data = encoded(image, kind, **keywords)
    wanted = decode(data, SIZE)[0].astype(float)
    found = preprocessing(SIZE).decoded(np.array([data], object)).numpy()[0]
    # JPEG decoders may round differently, PNG leaves no room
    assert np.abs(found - wanted).max() <= (2 if kind == "JPEG" else 0)


def test_what_is_transparent_stands_on_white(preprocessing):
    opacity = np.linspace(0, 255, SIZE * SIZE).astype(np.uint8).reshape(SIZE, SIZE, 1)
    data = encoded(Image.fromarray(np.concatenate([picture(SIZE, SIZE), opacity], -1), "RGBA"))
    found = preprocessing(SIZE).decoded(np.array([data], object)).numpy()[0]
    assert np.abs(found - decode(data, SIZE)[0]).max() <= 1
    assert (found[0, 0] == 255).all()


def test_rows_of_different_sizes_keep_their_order(preprocessing):
    images = [picture(SIZE + 9 * number, SIZE + 5 * number) // (number + 1) for number in range(6)]
    found = preprocessing(SIZE).decoded(np.array([encoded(Image.fromarray(each)) for each in images], object))
    for row, image in zip(found.numpy(), images, strict=True):
        np.testing.assert_array_equal(row, preprocessing(SIZE).pixels(image[np.newaxis])[0])


def test_every_undecodable_row_is_named(preprocessing, tensorflow):
    whole = encoded(Image.fromarray(picture()))
    cut_jpeg = encoded(Image.fromarray(picture()), "JPEG")[:200]
    bmp, gif = encoded(Image.fromarray(picture()), "BMP"), encoded(Image.fromarray(picture()), "GIF")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    rows = np.array([whole, b"", b"junk", whole, whole[:100], cut_jpeg, bmp, gif, bytes(damaged), whole], object)
    with pytest.raises(tensorflow.errors.InvalidArgumentError, match=r"in the rows\] \[1 2 4 5 6 7 8\]"):
        tensorflow.function(preprocessing(SIZE).decoded)(rows)


def test_no_rows_give_no_pixels(preprocessing):
    assert preprocessing(SIZE).decoded(np.array([], object).astype("S")).shape == (0, SIZE, SIZE, 3)


def test_maps_are_spread_over_the_image_that_was_sent(preprocessing):
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 0] = 1.0
    squashed = preprocessing(SIZE).spread(maps, 40, 80).numpy()[0]
    assert squashed.shape == (40, 80)
    assert squashed[:5, :10].min() == 1.0
    assert squashed[20:].max() == squashed[:, 40:].max() == 0.0
    cropped = preprocessing(SIZE, "crop").spread(maps, 40, 80).numpy()[0]
    assert cropped.shape == (40, 80)
    assert cropped[:, :20].max() == cropped[:, 60:].max() == 0.0
    assert cropped[:5, 20:25].min() == 1.0


@pytest.mark.real
def test_original_breakhis_files_are_resized_as_prepare_resizes_them(preprocessing, real_data):
    paths = sorted((real_data / "native").rglob("*.png"))[::6]
    assert len(paths) == 8
    for path in paths:
        wanted = decode(path.read_bytes(), 96)[0].astype(float)
        found = preprocessing(96).decoded(np.array([path.read_bytes()], object)).numpy()[0]
        assert np.abs(found - wanted).max() <= 1
        assert np.mean(found != wanted) < 0.002


def with_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    # more than one entry, so that it has to be looked for
    exif[271], exif[274], exif[305] = "a camera", orientation, "a program"
    return exif


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LIKE = Image.fromarray(picture(SIZE, SIZE))
DEEP = picture(SIZE, SIZE).astype(np.uint16)
NOT_SRGB = SRGB.replace(b"s\0R\0G\0B", b"o\0t\0h\0e").replace(b"sRGB", b"othe")
PLAIN = {
    "upright png": encoded(LIKE, exif=with_exif(1)),
    "upright jpeg": encoded(LIKE, "JPEG", exif=with_exif(1)),
    "jpeg that names srgb": encoded(LIKE, "JPEG", icc_profile=SRGB),
    "png of srgb's gamma": png(picture(SIZE, SIZE), (b"gAMA", (45_455).to_bytes(4, "big"))),
    "png that names srgb": png(picture(SIZE, SIZE), (b"iCCP", b"sRGB\0\0" + zlib.compress(SRGB))),
    "16-bit colour": png(DEEP * 257),
    "dark 16 bits, each byte twice": png(DEEP // 16 * 257),
}
DECLARED = {
    "turned png": encoded(LIKE, exif=with_exif(6)),
    "turned jpeg": encoded(LIKE, "JPEG", exif=with_exif(3)),
    "jpeg of another profile": encoded(LIKE, "JPEG", icc_profile=NOT_SRGB),
    "png of another profile": encoded(LIKE, icc_profile=NOT_SRGB),
    "linear png": png(picture(SIZE, SIZE), (b"gAMA", (100_000).to_bytes(4, "big"))),
    "png in numbered colours": png(picture(SIZE, SIZE), (b"cICP", b"\x09\x10\x00\x01")),
    "animation": encoded(LIKE, save_all=True, append_images=[Image.fromarray(255 - picture(SIZE, SIZE))]),
    "inks": encoded(LIKE.convert("CMYK"), "JPEG"),
    "12 bits in 16": png(DEEP * 16 + 5),
    "12 bits in 16, and said": png(DEEP * 16 + 5, (b"sBIT", b"\x0c\x0c\x0c")),
    "grey 10 bits in 16": png(DEEP[..., 0] * 4 + 1),
    "glass without anything": encoded(Image.fromarray(np.zeros((SIZE, SIZE, 4), np.uint8))),
}  # fmt: skip


def test_what_declares_nothing_odd_is_served_as_prepared(preprocessing):
    found = preprocessing(SIZE).decoded(np.array(list(PLAIN.values()), object)).numpy()
    for (name, data), pixels in zip(PLAIN.items(), found, strict=True):
        assert np.abs(pixels - decode(data, SIZE)[0]).max() <= (2 if "jpeg" in name else 0), name


def test_what_prepare_would_turn_convert_or_refuse_is_refused_when_served(preprocessing, tensorflow):
    rows = np.array([*DECLARED.values(), next(iter(PLAIN.values()))], object)
    every = " ".join(map(str, range(len(DECLARED))))
    with pytest.raises(tensorflow.errors.InvalidArgumentError, match=rf"in the rows\] \[{every}\]"):
        tensorflow.function(preprocessing(SIZE).decoded)(rows)
