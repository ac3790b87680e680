"""Folders of image files as a microscope's camera writes them: real ones repeated, or made-up ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from magsig_tf.seeding import generator_for

REAL_DATA = "MAGSIG_REAL_DATA"
WIDTH, HEIGHT = 700, 460


def write_photographs(folder: Path, repeats: int, made_up: int = 48) -> tuple[list[Path], str]:
    """Fill a folder with BreaKHis-like PNG files of 700x460 pixels.

    Args:
        folder: Where to write; hard links to one copy of each file.
        repeats: How often each file appears, each time under a sequence number of its own.
        made_up: How many different files to make up where there are no real ones.

    Returns:
        The files, and in words what they are: the images below `native` of the folder that MAGSIG_REAL_DATA names, or
        made-up ones where the variable is not set.
    """
    folder.mkdir(parents=True)
    real = os.environ.get(REAL_DATA)
    originals = sorted((Path(real) / "native").rglob("*.png")) if real else []
    kept = folder / "originals"
    kept.mkdir()
    if originals:
        originals = [Path(shutil.copyfile(path, kept / path.name)) for path in originals]
    else:
        originals = list(_made_up(kept, made_up))
    files = []
    for path in originals:
        start, _, sequence = path.stem.rpartition("-")
        for repeat in range(repeats):
            # beyond the sequence numbers of the originals, so that no name comes twice
            name = f"{start}-{int(sequence) + 1000 * (repeat + 1):03d}.png"
            target = folder / "images" / name
            target.parent.mkdir(exist_ok=True)
            os.link(path, target)
            files.append(target)
    shutil.rmtree(kept)
    return sorted(files), f"{len(originals)} {'real' if real else 'made-up'} images"


def _made_up(folder: Path, count: int) -> Iterator[Path]:
    for number in range(count):
        label = "M_DC" if number // 4 % 2 else "B_A"
        path = folder / f"SOB_{label}-14-{10000 + number // 4}-{(40, 100, 200, 400)[number % 4]}-{number:03d}.png"
        _photograph(number).save(path, compress_level=6)
        yield path


def _photograph(number: int) -> Image.Image:
    """Return an image that compresses about as little as a photograph: smooth tissue, dark blobs, camera noise."""
    random = generator_for("photograph", number)
    smooth = Image.fromarray(random.integers(120, 255, (12, 18, 3), np.uint8)).resize((WIDTH, HEIGHT), Image.BICUBIC)
    blobs = Image.fromarray((random.random((HEIGHT, WIDTH)) < 0.002).astype(np.uint8) * 255)
    blobs = np.asarray(blobs.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    pixels = np.asarray(smooth, np.float32) * (1 - 0.5 * blobs[..., None])
    return Image.fromarray(np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))
