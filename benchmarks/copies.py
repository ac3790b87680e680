"""Planted copies found, false alarms among unrelated pictures, and the time that the search for copies takes.

Tiles are those below `tiles224` of the folder that MAGSIG_REAL_DATA names, or made-up fields. For the time they are
repeated under smooth random warps, which leave their texture and nothing of where things lie.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.options import quick_option
from benchmarks.photographs import REAL_DATA
from benchmarks.timing import report
from magsig_tf.data.copies.search import Copies, find_copies
from magsig_tf.seeding import generator_for

SIZE = 224
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def tiles(count: int) -> tuple[np.ndarray, list[str]]:
    """Return pictures, uint8 [n, SIZE, SIZE, 3], and the case of each."""
    if real := os.environ.get(REAL_DATA):
        from magsig_tf.data.sources.breakhis import parse_name

        files = sorted((Path(real) / "tiles224").rglob("*.png"))[:count]
        names = [parse_name(path.name) for path in files]
        pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])
        return pictures, [name.case if name else "" for name in names]
    from tests.data.copies.changed_pictures import field

    return np.stack([field(("benchmark", number), SIZE) for number in range(count)]), [*map(str, range(count))]


def _turned(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    number = int(random.integers(1, 8))
    return np.rot90(picture, number % 4)[:, :: 1 if number < 4 else -1]


def _cropped(low: float, high: float, alike: bool = True) -> Change:
    def change(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
        shares = random.uniform(low, high, 2)
        height, width = np.round(SIZE * (shares[[0, 0]] if alike else shares)).astype(int)
        top, left = random.integers(0, SIZE - height + 1), random.integers(0, SIZE - width + 1)
        part = Image.fromarray(picture[top : top + height, left : left + width])
        return np.asarray(part.resize((SIZE, SIZE), Image.Resampling.BICUBIC))

    return change


def _shifted(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    down, right = (random.uniform(0.08, 0.2, 2) * SIZE).astype(int) * random.choice([-1, 1], 2)
    padded = np.pad(picture, ((60, 60), (60, 60), (0, 0)))
    return padded[60 - down : 60 - down + SIZE, 60 - right : 60 - right + SIZE]


def _recoloured(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    image = Image.fromarray(picture)
    for enhance, low in ((ImageEnhance.Brightness, 0.8), (ImageEnhance.Contrast, 0.75), (ImageEnhance.Color, 0.6)):
        image = enhance(image).enhance(random.uniform(low, 2 - low))
    hue, saturation, value = (np.asarray(band) for band in image.convert("HSV").split())
    bands = (hue + np.uint8(random.integers(0, 25)) - np.uint8(12), saturation, value)
    return np.asarray(Image.merge("HSV", [Image.fromarray(band) for band in bands]).convert("RGB"))


def _saved(quality: int) -> Change:
    def change(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def _blurred(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))


def _noisy(sd: float) -> Change:
    return lambda picture, random: np.clip(picture + random.normal(0, sd, picture.shape), 0, 255).astype(np.uint8)


CHANGES: dict[str, tuple[Change, ...]] = {
    "one of the eight orientations": (_turned,),
    "crop of 90 %": (_cropped(0.9, 0.9),),
    "crop of 80 %": (_cropped(0.8, 0.8),),
    "crop of 70 %": (_cropped(0.7, 0.7),),
    "crop of 70 to 100 %, each side its own": (_cropped(0.7, 1.0, alike=False),),
    "shift of 8 to 20 % in both directions, black border": (_shifted,),
    "brightness, contrast, saturation, hue": (_recoloured,),
    "JPEG, quality 30": (_saved(30),),
    "JPEG, quality 10": (_saved(10),),
    "blur of 2 pixels": (_blurred,),
    "noise of 15 grey levels": (_noisy(15),),
    "orientation, colour, JPEG 50": (_turned, _recoloured, _saved(50)),
    "crop of 80 %, orientation, JPEG 60": (_cropped(0.8, 0.8), _turned, _saved(60)),
    "crop of 70 %, orientation, colour, noise 8, JPEG 50": (
        *(_cropped(0.7, 0.7), _turned, _recoloured, _noisy(8), _saved(50)),
    ),
    "crop of 70 to 100 %, orientation, blur": (_cropped(0.7, 1.0, alike=False), _turned, _blurred),
    "shift, orientation, colour": (_shifted, _turned, _recoloured),
}


def _searched(pictures: np.ndarray) -> tuple[Copies, float, float]:
    hashes = [hashlib.sha256(np.ascontiguousarray(picture).data).hexdigest() for picture in pictures]
    wall, processor = time.perf_counter(), time.process_time()
    copies = find_copies(pictures, hashes, threads=2)
    return copies, time.perf_counter() - wall, time.process_time() - processor


def planted(pictures: np.ndarray, case: list[str], of_a_kind: int) -> None:
    """Print how many planted copies of each kind are found, and the pairs of different cases that are no copies."""
    random = generator_for("benchmark copies")
    changed, source, kinds = [], [], []
    for kind, changes in CHANGES.items():
        for number in random.choice(len(pictures), min(of_a_kind, len(pictures)), replace=False):
            picture = pictures[number]
            for change in changes:
                picture = np.ascontiguousarray(change(picture, random))
            changed.append(picture)
            source.append(int(number))
            kinds.append(kind)
    copies, _, _ = _searched(np.concatenate([pictures, np.stack(changed)]))
    pairs = set(zip(copies.pairs["first"], copies.pairs["second"], strict=True))
    found = [(number, len(pictures) + place) in pairs for place, number in enumerate(source)]
    for kind in CHANGES:
        places = [place for place, each in enumerate(kinds) if each == kind]
        click.echo(f"| {kind} | {len(places)} | {sum(found[place] for place in places)} |")
    of = np.array([*case, *(case[number] for number in source)])
    alarms = (of[copies.pairs["first"]] != of[copies.pairs["second"]]).sum()
    unrelated = (len(of) ** 2 - (np.unique(of, return_counts=True)[1] ** 2).sum()) // 2
    click.echo(f"| unrelated pairs (different cases) | {unrelated:,} | {alarms} |")


def warped(pictures: np.ndarray, count: int) -> np.ndarray:
    """Return as many pictures, the given ones first and then warped forms of them."""
    grid = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    made = np.empty((count, SIZE, SIZE, 3), np.uint8)
    made[: len(pictures)] = pictures[:count]
    for number in range(len(pictures), count):
        random = generator_for("benchmark copies", "warp", number)
        knots = np.kron(random.normal(0, 1, (2, 8, 8)), np.ones((1, 28, 28)))
        away = np.stack([gaussian_filter(axis, 16) for axis in knots])
        place = grid + 14 * away / away.std()
        picture = pictures[number % len(pictures)]
        made[number] = np.stack(
            [map_coordinates(picture[..., c], place, order=1, mode="reflect") for c in range(3)], -1
        )
    return made


@click.command(help=__doc__)
@quick_option
@click.option("--images", default=7909, show_default=True, help="How many to search for the time.")
@click.option("--of-a-kind", default=40, show_default=True, help="Copies planted of each kind.")
def main(quick: bool, images: int, of_a_kind: int) -> None:
    pictures, case = tiles(20 if quick else 1274)
    planted(pictures, case, 2 if quick else of_a_kind)
    count = 40 if quick else images
    _, wall, processor = _searched(warped(pictures, count))
    facts = {"seconds": round(wall, 1), "processor_seconds": round(processor, 1), "images": count}
    report(f"copies among {count} images", [60 / wall], of="the search", to="60 s", target=1.0, **facts)


if __name__ == "__main__":
    main()
