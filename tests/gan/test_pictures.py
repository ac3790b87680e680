"""The sheet of real and synthetic tiles, and a caption that says which tile is what."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magsig_tf.data.splits import Split
from magsig_tf.gan.fold import FoldGans, Part, PartSamples, TrainingImages
from magsig_tf.gan.pictures import real_and_synthetic
from magsig_tf.models.gan_options import GanOptions

SIDE = 8
MAGNIFICATIONS = np.array(["40X", "100X", "1000X"])


def fold_with(**options):
    split = Split("400X", 0, ("40X", "100X", "1000X"), {}, "s")
    return FoldGans(Path(), "made-up", split, "d", GanOptions(**options), ())


@pytest.fixture
def training():
    """Images whose grey says which they are."""
    rows = np.arange(60)
    images = np.full((60, SIDE, SIDE, 3), rows[:, None, None, None] + 50, np.uint8)
    paths = np.array([f"tile-{row:02d}.png" for row in rows])
    return TrainingImages(images, rows % 2, MAGNIFICATIONS[rows // 2 % 3], np.array(["case"] * 60), paths)


def samples(pooled, count=30):
    parts = [Part(label, name, np.arange(1)) for label in (0, 1) for name in ([""] if pooled else MAGNIFICATIONS)]
    grey = np.arange(count, dtype=np.uint8)[:, None, None, None] + 180
    return [PartSamples(part, np.broadcast_to(grey, (count, SIDE, SIDE, 3)).copy()) for part in parts]


def greys(picture):
    """Return the greys of the tiles, row by row, from the middle of every tile."""
    pixels = np.asarray(picture.image)
    plain = (pixels == pixels[..., :1]).all(-1) & (pixels[..., 0] >= 50) & (pixels[..., 0] < 215)
    solid = [(y, x) for y, x in zip(*np.nonzero(plain), strict=True) if plain[y : y + 96, x : x + 96].all()]
    corners = [(y, x) for y, x in solid if not plain[y - 1, x] and not plain[y, x - 1]]
    found = {}
    for y, x in corners:
        found.setdefault(y, []).append(int(pixels[y, x, 0]))
    return list(found.values())


@pytest.mark.parametrize("pooled", [True, False])
def test_the_caption_names_the_tiles_that_are_shown(training, pooled, tmp_path):
    picture = real_and_synthetic(training, samples(pooled), fold_with(), "test", tiles=3)
    path, words = picture.write(tmp_path)
    lines = words.read_text().splitlines()
    real = [line.removeprefix("  real: ").split(", ") for line in lines if line.startswith("  real: ")]
    drawn = [line.partition(": ")[2].split(", ") for line in lines if line.startswith("  synthetic")]
    shown = greys(picture)
    assert [row[:3] for row in shown] == [[int(name[5:7]) + 50 for name in row] for row in real]
    assert [row[3:] for row in shown] == [[int(index) + 180 for index in row] for row in drawn]
    titles = [line for line in lines if line.endswith("left to right")]
    assert titles[:3] == [f"benign {name}, left to right" for name in MAGNIFICATIONS]
    for title, row in zip(titles, real, strict=True):
        label, name = title.removesuffix(", left to right").split()
        numbers = np.array([int(each[5:7]) for each in row])
        assert (training.label[numbers] == (label == "malignant")).all()
        assert (training.magnification[numbers] == name).all()
    if pooled:
        assert len({index for row in drawn[:3] for index in row}) == 9, "rows of one GAN show different samples"
    assert Image.open(path).size == picture.image.size


def test_the_same_names_draw_the_same_tiles(training):
    first, again, other = (real_and_synthetic(training, samples(True), fold_with(), name).caption for name in "aab")
    assert first == again
    assert first.splitlines()[5:] != other.splitlines()[5:]


def test_demonstration_quality_is_said_in_picture_and_caption(training):
    small = real_and_synthetic(training, samples(True), fold_with(gan_width=16), "a")
    full = real_and_synthetic(training, samples(True), fold_with(), "a")
    assert "demonstration quality" in small.caption
    assert "demonstration quality" not in full.caption
    assert not np.array_equal(np.asarray(small.image)[:40], np.asarray(full.image)[:40])


def test_fewer_images_than_tiles_are_shown_again(training):
    few = training.of_rows(np.arange(6))
    picture = real_and_synthetic(few, samples(True, count=2), fold_with(), "a", tiles=4)
    assert all(len(row) == 8 for row in greys(picture))
