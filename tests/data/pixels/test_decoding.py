"""PNG, JPEG and WebP files: turned upright, in sRGB, one picture; and the names of whole slides."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from magsig_tf.data.pixels.decoding import decode, decode_whole
from magsig_tf.data.pixels.opening import bytes_of
from magsig_tf.data.pixels.refusal import RefusedPicture
from tests.data.made_files import in_bits, picture, png, saved, tiff

RGB = picture()
UPRIGHT = Image.fromarray(RGB)
TURNED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped() -> bytes:
    """Return a profile whose red and blue are those of sRGB exchanged."""
    changed = bytearray(SRGB)
    red, blue = changed.find(b"rXYZ"), changed.find(b"bXYZ")
    changed[red : red + 4], changed[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(changed)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "16-bit TIFF"])
def test_pictures_are_turned_upright_and_it_is_said(kind, orientation):
    stored = UPRIGHT.transpose(TURNED[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    if kind == "16-bit TIFF":
        deep = np.asarray(stored).astype(np.uint16) * 257
        encoded = tiff(deep, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    else:
        encoded = saved(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    image, said = decode_whole(encoded)
    np.testing.assert_array_equal(image, UPRIGHT)
    assert "a turned picture (orientation tag)" in said


def test_a_camera_jpeg_is_turned():
    exif = Image.Exif()
    exif[274] = 6
    encoded = saved(UPRIGHT.transpose(TURNED[6]), "JPEG", exif=exif, quality=95)
    _, width, height, said = decode(encoded, 8)
    assert (width, height, said) == (22, 14, "a turned picture (orientation tag)")


def test_damaged_metadata_leave_the_pixels_alone():
    encoded = saved(UPRIGHT, "PNG", exif=b"Exif\0\0XX*\0junk")
    np.testing.assert_array_equal(decode_whole(encoded)[0], UPRIGHT)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_srgb_profiles_change_nothing_and_others_are_converted(kind):
    image, said = decode_whole(saved(UPRIGHT, kind, icc_profile=SRGB))
    np.testing.assert_array_equal(image, UPRIGHT)
    assert said == ""
    image, said = decode_whole(saved(UPRIGHT, kind, icc_profile=swapped()))
    assert said == "another colour profile than sRGB"
    inner = np.asarray(image, int)[2:, 2:]
    assert np.abs(inner - RGB[2:, 2:, ::-1]).max() <= 4


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), "of another kind"),
        (b"junk" * 50, "cannot be read"),
    ],
)
def test_profiles_that_do_not_fit_are_refused(profile, reason):
    with pytest.raises(RefusedPicture, match=reason):
        decode_whole(saved(UPRIGHT, "PNG", icc_profile=profile))


def test_a_profile_that_is_a_bomb_is_refused():
    bomb = b"icc\0\0" + zlib.compress(bytes(2**25))
    with pytest.raises(ValueError, match="too large"):
        decode_whole(png(RGB, (b"iCCP", bomb)))


@pytest.mark.parametrize(
    ("chunk", "refused"),
    [
        ((b"gAMA", struct.pack(">I", 100_000)), True),
        ((b"gAMA", struct.pack(">I", 45_455)), False),
        ((b"cICP", b"\x09\x10\x00\x01"), True),
        ((b"cICP", b"\x01\x0d\x00\x01"), False),
    ],
)
def test_colours_that_a_png_declares_otherwise(chunk, refused):
    if refused:
        with pytest.raises(RefusedPicture, match="other colours than sRGB"):
            decode_whole(png(RGB, chunk))
    else:
        np.testing.assert_array_equal(decode_whole(png(RGB, chunk))[0], UPRIGHT)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("grey", [False, True])
def test_deep_png_says_its_bits_or_is_refused(bits, grey):
    levels = RGB[..., 0].copy() if grey else RGB
    wanted = np.repeat(levels[..., np.newaxis], 3, -1) if grey else RGB
    said = (b"sBIT", bytes([bits]) * (1 if grey else 3))
    camera = in_bits(levels, bits)
    with pytest.raises(RefusedPicture, match="16-bit file without values above"):
        decode_whole(png(camera))
    image, kind = decode_whole(png(camera, said))
    np.testing.assert_array_equal(image, wanted)
    assert kind.startswith(f"{bits}-bit in 16")
    # as the standard wants it: scaled up, so that the low bits repeat the high ones
    scaled = (camera << (16 - bits)) | (camera >> (2 * bits - 16))
    image, kind = decode_whole(png(scaled, said))
    np.testing.assert_array_equal(image, wanted)
    assert kind.startswith("16-bit")


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_animations_are_refused(kind, options):
    negative = Image.fromarray(255 - RGB)
    with pytest.raises(RefusedPicture, match="an animation of 2 pictures"):
        decode_whole(saved(UPRIGHT, kind, save_all=True, append_images=[negative], **options))


def test_inks_and_glass_without_anything_are_refused():
    with pytest.raises(RefusedPicture, match="printing inks"):
        decode_whole(saved(UPRIGHT.convert("CMYK"), "JPEG"))
    with pytest.raises(RefusedPicture, match="transparent throughout"):
        decode_whole(saved(Image.fromarray(np.dstack([RGB, RGB[..., 0] * 0])), "PNG"))


def test_a_webp_is_measured_before_there_is_room_for_it():
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\x3f\0" * 2 + bytes(16)
    with pytest.raises(RefusedPicture, match="16383 x 16383 pixels could be a decompression bomb"):
        decode_whole(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


@pytest.mark.parametrize("name", ["a/slide.svs", "SLIDE.NDPI", "x.mrxs", "x.scn", "x.vms", "x.bif", "x.czi", "x.vsi"])
def test_whole_slides_are_refused_by_name_with_what_to_do(name, tmp_path):
    with pytest.raises(RefusedPicture, match=r"whole slide .*: cut tiles .* OpenSlide or QuPath .* CSV"):
        bytes_of(saved(UPRIGHT, "JPEG"), name)
    path = tmp_path / name.rsplit("/", maxsplit=1)[-1]
    path.write_bytes(saved(UPRIGHT, "JPEG"))
    with pytest.raises(RefusedPicture, match="whole slide"):
        bytes_of(path)


def test_whole_slides_under_another_name_are_known_by_their_first_bytes(tmp_path):
    for content in (b"ZISRAWFILE" + bytes(300), bytes(128) + b"DICM" + bytes(300)):
        path = tmp_path / "tile.png"
        path.write_bytes(content)
        with pytest.raises(RefusedPicture, match="whole slide"):
            bytes_of(path)
