"""Which up-sampling lets the power spectrum tell what a GAN drew from real images of its resolution?

Real images of one half of the cases go down and up. Against them stand images of the other half, changed at the GAN's
size in ways in which a generator can fail. Prints a Markdown table of the balanced accuracy above the GAN's Nyquist
frequency (chance .5), a row a filter: the evidence of docs/decisions/015-band-limited-upsampling.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from magsig_tf.data import resampling
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.gan.quality.probes import ring_powers, told_apart
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace


@click.command(help=__doc__)
@click.option("--workspace", default="workspace", show_default=True, type=click.Path(path_type=Path), help="Its data.")
@click.option("--size", default=64, show_default=True, help="Pixels of a GAN's image.")
@click.option("--images", default=300, show_default=True, help="Most images of each half.")
def main(workspace: Path, size: int, images: int) -> None:
    study = Workspace(workspace)
    prepared = PreparedDataset.open(study.data(study.choose_dataset(None)))
    cases = prepared.manifest["case"].to_numpy(str)
    random = generator_for("up-sampling filters")
    first = np.isin(cases, random.permutation(np.unique(cases))[::2])
    rows, others = (np.sort(random.permutation(np.flatnonzero(half))[:images]) for half in (first, ~first))
    small = resampling.downsampled(np.asarray(prepared.images[rows]), size)
    failures = stand_ins(resampling.downsampled(np.asarray(prepared.images[others]), size))
    click.echo(f"{len(rows)} and {len(others)} images of {prepared.name}, {size} px to {prepared.size} px\n")
    click.echo(f"| filter | {' | '.join(failures)} |\n|---|{'---|' * len(failures)}")
    for name, upsample in filters().items():
        real = above_nyquist(upsample(small, prepared.size), size)
        made_up = (above_nyquist(upsample(changed, prepared.size), size) for changed in failures.values())
        names = ("up-sampling filters", "probe")
        values = [told_apart(real, each, cases[rows], *names, replicates=1)["value"] for each in made_up]
        click.echo(f"| {name} | " + " | ".join(f"{value:.2f}".lstrip("0") for value in values) + " |")


def above_nyquist(images: np.ndarray, size: int) -> np.ndarray:
    """Return the log power in rings above the Nyquist frequency of a GAN's images of that size."""
    return ring_powers(images, size / 2, np.inf)


def filters() -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Return ways to bring uint8 [n, s, s, 3] to another size, by name."""
    return {
        "bicubic": lambda images, size: pillow(images, size, Image.Resampling.BICUBIC),
        "Lanczos": lambda images, size: pillow(images, size, Image.Resampling.LANCZOS),
        "band-limited, rounded and clipped": lambda images, size: band_limited(images, size, noise=False),
        "with noise before rounding": lambda images, size: band_limited(images, size, noise=True),
        "and kept in range (magsig's)": resampling.upsampled,
    }


def pillow(images: np.ndarray, size: int, kind: Image.Resampling) -> np.ndarray:
    """Return the images resized by one of Pillow's filters."""
    return np.stack([np.asarray(Image.fromarray(image).resize((size, size), kind)) for image in images])


def band_limited(images: np.ndarray, size: int, noise: bool) -> np.ndarray:
    """Return the images brought up as magsig does, without keeping them in the range, and without noise if asked so."""
    large = []
    for image in images:
        own = len(image)
        cosines = resampling._cosines(np.moveaxis(image, -1, 0).astype(np.float32), own) * resampling._fade(own)
        fine = resampling._evaluated(cosines, size) + (resampling._noise(image, size) if noise else 0)
        large.append(np.moveaxis(np.clip(np.rint(fine), 0, 255), 0, -1).astype(np.uint8))
    return np.stack(large)


def stand_ins(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return images, uint8 [n, s, s, 3], changed as poor generators change them, by name."""
    pixels, size = images.astype(float), images.shape[1]
    noise = generator_for("up-sampling filters", "noise").normal(0, 12, pixels.shape)
    board = (np.indices((size, size)).sum(axis=0) % 2 * 16 - 8)[..., None]
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    changed = {
        "unchanged": pixels,
        "blurred": gaussian_filter(pixels, (0, 1, 1, 0)),
        "noisy": pixels + noise,
        "half the contrast": mean + (pixels - mean) / 2,
        "brighter by 60": pixels + 60,
        "checkerboard": pixels + board,
        "one colour": np.broadcast_to(mean, pixels.shape),
    }
    return {name: np.clip(np.rint(values), 0, 255).astype(np.uint8) for name, values in changed.items()}


if __name__ == "__main__":
    main()
