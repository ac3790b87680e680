"""`prepare`, `predict` and `explain` read a file of any kind alike: the same pixels, or the same reason."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageCms

from magsig_tf.data.sources.images import DecodedImage, ImageFileReader, SourceImage, UnreadableImage, read_native
from magsig_tf.serving.predicting.input_images import InputImage
from magsig_tf.serving.predicting.prediction import predict_images
from tests.data.made_files import in_bits, pages, picture, png, saved, tiff

RGB = picture(16, 16)
DEEP = RGB.astype(np.uint16) * 257
TURNED = Image.Exif()
TURNED[274] = 6
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
FILES = {
    "plain.png": png(RGB),
    "deep.png": png(DEEP),
    "camera.png": png(in_bits(RGB, 12)),
    "camera_says_so.png": png(in_bits(RGB, 12), (b"sBIT", b"\x0c\x0c\x0c")),
    "deep.tif": tiff(DEEP, photometric="rgb"),
    "camera.tif": tiff(in_bits(RGB, 10), photometric="rgb"),
    "camera_says_so.tif": tiff(in_bits(RGB[..., 0], 14), extratags=[(281, 3, 1, 16383, True)]),
    "white_is_zero.tif": tiff(255 - RGB[..., 0], photometric="miniswhite"),
    "channels.tif": pages(*np.moveaxis(RGB, -1, 0), description="ImageJ=1.53k\nimages=3\nchannels=3\nmode=composite\n"),
    "pages.tif": pages(RGB[::2, ::2], RGB),
    "turned.jpg": saved(Image.fromarray(RGB), "JPEG", exif=TURNED),
    "profile.png": saved(Image.fromarray(RGB), "PNG", icc_profile=LAB),
    "inks.jpg": saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "floats.tif": tiff(RGB.astype(np.float32), photometric="rgb"),
    "slide.ndpi": saved(Image.fromarray(RGB), "TIFF"),
}
READ = {name for name in FILES if name.split(".")[0] in (
    "plain", "deep", "camera_says_so", "white_is_zero", "channels", "turned")}  # fmt: skip


def test_prepare_predict_and_explain_read_alike(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in FILES]
    prepared = ImageFileReader(16)([SourceImage(path.name, {}, path) for path in paths])
    asked: list[np.ndarray] = []

    def answer(pixels):
        asked.extend(pixels)
        return np.zeros(len(pixels)), ["benign"] * len(pixels)

    model = SimpleNamespace(size=16, resize="squash", magnifications=())
    predicted = list(predict_images(model, answer, [InputImage(path.name, path) for path in paths], batch=99))
    explained = [read_native(path) for path in paths]

    assert {each.path for each in prepared if isinstance(each, DecodedImage)} == READ
    given = iter(asked)
    for one, two, three in zip(prepared, predicted, explained, strict=True):
        if isinstance(one, UnreadableImage):
            assert two.error == one.reason == three.reason
        else:
            np.testing.assert_array_equal(one.pixels, next(given))
            # of this size already, so that nothing was resized
            np.testing.assert_array_equal(one.pixels, three[0])
            assert three[1] == one.converted
            assert two.note == (f"converted from {one.converted}" if one.converted else "")
