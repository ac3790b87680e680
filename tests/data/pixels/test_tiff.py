"""TIFF files of all kinds: each is the picture that it holds, or is refused in words."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from magsig_tf.data.pixels.decoding import decode_whole
from magsig_tf.data.pixels.refusal import RefusedPicture
from magsig_tf.data.sources.images import ImageFileReader, SourceImage, UnreadableImage
from tests.data.made_files import in_bits, pages, picture, saved, tiff

RGB = picture()
GREY = np.repeat(RGB[..., :1], 3, axis=-1)
DEEP = RGB.astype(np.uint16) * 257
PLANES = np.moveaxis(RGB, -1, 0)
IMAGEJ = "ImageJ=1.54f\nimages=3\nchannels=3\nmode={}\n"


def first(samples: np.ndarray) -> np.ndarray:
    return samples[..., 0].copy()


READ = {
    "deep colour": (tiff(DEEP, photometric="rgb"), RGB, "16-bit"),
    "deep colour, big-endian": (tiff(DEEP, photometric="rgb", byteorder=">"), RGB, "16-bit"),
    "deep colour, deflate": (tiff(DEEP, photometric="rgb", compression="zlib"), RGB, "16-bit"),
    "deep colour, tiles": (tiff(DEEP, photometric="rgb", tile=(16, 16)), RGB, "16-bit"),
    "deep colour, planes": (tiff(np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate"), RGB, "16-bit"),
    "planes": (tiff(PLANES, photometric="rgb", planarconfig="separate", compression="zlib"), RGB, ""),
    "white as zero": (tiff(255 - first(RGB), photometric="miniswhite"), GREY, "white as zero, grey"),
    "white as zero, deep": (
        tiff(65535 - first(DEEP), photometric="miniswhite"), GREY, "16-bit, white as zero, grey"
    ),
    "white as zero, two tones": (
        tiff(first(RGB) < 128, photometric="miniswhite"), (GREY > 127) * 255, "white as zero, black and white"
    ),
    "12 bits, largest value in a tag": (
        tiff(in_bits(RGB, 12), photometric="rgb", extratags=[(341, 3, 3, (4095,) * 3, True)]), RGB, "12-bit in 16"
    ),
    "14 bits, OME": (
        tiff(in_bits(RGB, 14), photometric="rgb", ome=True, metadata={"axes": "YXS", "SignificantBits": 14}),
        RGB, "14-bit in 16",
    ),
    "10 bits, ImageJ": (
        tiff(in_bits(first(RGB), 10), imagej=True, metadata={"min": 0.0, "max": 1023.0}), GREY, "10-bit in 16, grey"
    ),
    "channels as pages": (
        pages(*PLANES, description=IMAGEJ.format("composite")), RGB, "three pages, joined as red, green and blue"
    ),
    "channels as compressed pages": (
        pages(*PLANES, description=IMAGEJ.format("color"), compression="tiff_lzw"),
        RGB, "three pages, joined as red, green and blue",
    ),
    "channels as pages, OME": (
        tiff(PLANES, ome=True, photometric="minisblack", metadata={"axes": "CYX", "Channel": {"Name": list("RGB")}}),
        RGB, "three pages, joined as red, green and blue",
    ),
    "transparency of 0 and 1": (
        tiff(np.dstack([RGB, (first(RGB) > 9) * np.uint8(255)]), photometric="rgb", extrasamples=["unassalpha"]),
        np.where(GREY > 9, RGB, 255), "alpha",
    ),
    "JPEG": (saved(Image.fromarray(RGB), "TIFF", compression="jpeg", quality=100), RGB, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_certain_is_read(name):
    encoded, wanted, kind = READ[name]
    image, found = decode_whole(encoded)
    assert found == kind
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image, int) - wanted).max() <= (3 if name == "JPEG" else 0)


def with_thumbnail(flagged: bool, larger: bool = False) -> bytes:
    stream = io.BytesIO()
    full, small = (RGB[::2, ::2], RGB) if larger else (RGB, RGB[::2, ::2])
    with tifffile.TiffWriter(stream) as file:
        file.write(small.copy(), photometric="rgb", subfiletype=1 if flagged else 0)
        file.write(full.copy(), photometric="rgb")
    return stream.getvalue()


def test_a_reduced_page_that_is_marked_gives_way_to_the_full_one():
    image, kind = decode_whole(with_thumbnail(flagged=True))
    np.testing.assert_array_equal(image, RGB)
    assert kind == "a file with reduced pages, the full size taken"


def colour_tables(order: tuple[int, ...]) -> list[np.ndarray]:
    tables = np.zeros((3, 3, 256), np.uint8)
    for table, channel in zip(tables, order, strict=True):
        table[channel] = np.arange(256)
    return list(tables)


def composite(**said: object) -> bytes:
    return tiff(PLANES, imagej=True, photometric="minisblack", metadata={"axes": "CYX", "mode": "composite", **said})


REFUSED = {
    "thumbnail that nothing marks": (with_thumbnail(flagged=False), r"2 pages \(11x7, 22x14\)"),
    "the reduced page is larger": (with_thumbnail(flagged=True, larger=True), "a reduced one is the largest"),
    "three grey pages": (pages(*PLANES), "3 grey pages .* save them as one RGB picture"),
    "three depths": (pages(*PLANES, description="ImageJ=1.54f\nimages=3\nslices=3\n"), "3 grey pages"),
    "shown in grey": (pages(*PLANES, description=IMAGEJ.format("grayscale")), "3 grey pages"),
    "stains as channels": (
        tiff(PLANES, ome=True, photometric="minisblack", metadata={"axes": "CYX", "Channel": {"Name": list("abc")}}),
        "3 grey pages",
    ),
    "other colours for the channels": (composite(LUTs=colour_tables((2, 1, 0)), Ranges=(0.0, 255.0) * 3), "3 grey"),
    "other ranges for the channels": (composite(Ranges=(0.0, 99.0) * 3), "3 grey pages"),
    "one channel of three": (
        pages(PLANES[0], description=IMAGEJ.format("composite")), "one of 3 planes"
    ),
    "many pages": (pages(*[PLANES[0][:2, :2]] * 70), "more than 64 pages"),
    "12 bits unsaid": (tiff(in_bits(RGB, 12), photometric="rgb"), "16-bit file without values above 4,09"),
    "L*a*b*": (tiff(RGB, photometric="cielab"), r"L\*a\*b\*"),
    "inks": (saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), "CMYK"),
    "floats": (tiff(RGB.astype(np.float32), photometric="rgb"), "floating-point"),
    "signed": (tiff(first(DEEP).astype(np.int16)), "signed"),
    "32 bits": (tiff(first(DEEP).astype(np.uint32)), "32 bits"),
    "four channels": (tiff(np.dstack([RGB, RGB[..., 0]]), photometric="rgb", extrasamples=[0]), "4 samples"),
    "seven channels": (tiff(np.dstack([RGB, RGB, RGB[..., 0]]), photometric="rgb", extrasamples=[0] * 4), "7 samples"),
    "brightness and colour differences": (tiff(RGB, photometric="ycbcr"), "YCbCr that is not JPEG"),
    "palette of 8 bits": (
        tiff(first(RGB), photometric="palette", colormap=np.repeat(np.arange(256, dtype=np.uint16)[np.newaxis], 3, 0)),
        "palette whose colours are not of 16 bits",
    ),
    "scanner": (
        saved(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[Image.fromarray(RGB)],
              description="Aperio Image Library v11\n22x14"),
        "whole slide or microscope file .Aperio.: cut tiles",
    ),
    "damaged": (tiff(RGB, photometric="rgb")[:60], "damaged TIFF|kind that is not read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_refused_in_words(name):
    encoded, reason = REFUSED[name]
    with pytest.raises(RefusedPicture, match=reason) as caught:
        decode_whole(encoded)
    assert "\n" not in str(caught.value)


def declaring(encoded: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF whose first page declares another number in a tag."""
    changed = bytearray(encoded)
    start = struct.unpack_from("<I", changed, 4)[0]
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", changed, start)[0], 12):
        if struct.unpack_from("<H", changed, place)[0] == tag:
            struct.pack_into("<HII", changed, place + 2, 4, 1, value)
    return bytes(changed)


@pytest.mark.parametrize(
    "encoded",
    [
        declaring(declaring(tiff(RGB, photometric="rgb"), 256, 60_000), 257, 60_000),
        declaring(declaring(tiff(RGB, photometric="rgb", tile=(16, 16), compression="zlib"), 322, 60_000), 323, 60_000),
        declaring(declaring(tiff(DEEP, photometric="rgb"), 256, 9_000), 257, 9_000),
    ],
)
def test_absurd_sizes_are_refused_before_there_is_room_for_them(encoded):
    with pytest.raises(RefusedPicture, match="decompression bomb"):
        decode_whole(encoded)


def test_damaged_pixels_are_named_in_words():
    encoded = bytearray(tiff(RGB, photometric="rgb", compression="zlib"))
    start = encoded.find(b"\x78\x9c")
    encoded[start + 20 : start + 60] = bytes(40)
    result = ImageFileReader(8)([SourceImage("a.tif", {}, bytes(encoded))])[0]
    assert result == UnreadableImage("a.tif", "damaged or cut off")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(READ)), st.lists(st.tuples(st.integers(0, 599), st.integers(0, 255)), max_size=6))
def test_fuzz_damaged_tiff_files_are_pixels_or_unreadable(name, changes):
    content = bytearray(READ[name][0])
    for position, value in changes:
        content[position % len(content)] = value
    result = ImageFileReader(8)([SourceImage("a.tif", {}, bytes(content))])[0]
    if isinstance(result, UnreadableImage):
        assert result.reason
        assert "\n" not in result.reason
    else:
        assert result.pixels.shape == (8, 8, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"extratags": [(281, 3, 1, 65535, True)]},
        {"ome": True, "metadata": {"axes": "YX", "SignificantBits": 16}},
        {"imagej": True, "metadata": {"min": 0.0, "max": 65535.0}},
    ],
    ids=["tag", "OME", "ImageJ"],
)
def test_sixteen_bits_are_what_programs_state_of_every_camera(options):
    with pytest.raises(RefusedPicture, match="16-bit file without values above"):
        decode_whole(tiff(in_bits(first(RGB), 12), **options))
