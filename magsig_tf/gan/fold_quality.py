"""What is measured and drawn of a fold's synthetic images, from its training images and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.resampling import resampled, upsampled
from magsig_tf.gan.fold import FoldGans
from magsig_tf.gan.images import PartSamples, TrainingImages
from magsig_tf.gan.pictures import Picture, real_and_synthetic
from magsig_tf.gan.quality.features import feature_spaces
from magsig_tf.gan.quality.quality_table import quality_table
from magsig_tf.gan.quality.spectra import Sides, spectrum_probe
from magsig_tf.seeding import generator_for

SPECTRUM = "power_spectrum"
"""Name of the feature space of the spectrum probe."""
MOST_SPECTRA = 500
"""Images of each side in the spectrum probe; of more, so many are drawn at random."""


def measure_fold(
    fold: FoldGans,
    prepared: PreparedDataset,
    images: Mapping[str, np.ndarray],
    samples: Sequence[PartSamples],
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[pd.DataFrame, Picture]:
    """Return the quality table of a fold and the picture of real beside synthetic images.

    Args:
        fold: Its GANs.
        prepared: The data; only the fold's training rows are read.
        images: By part, its training images at the GAN's size.
        samples: What each GAN drew.
        progress: Told what is measured next.
    """
    rows = np.concatenate([part.rows for part in fold.parts])
    training = TrainingImages.of(prepared, rows, np.concatenate([images[part.name] for part in fold.parts]))
    names = ("gan quality", fold.split.hash, fold.options.gan_seed)
    spaces, left_out = feature_spaces(fold.options.gan_size, prepared.size)
    table = quality_table(training, samples, spaces, *names, left_out=left_out, progress=progress)
    progress("quality: power spectra")
    spectra = [_spectra(fold, prepared, each, names) for each in samples]
    table = pd.concat([table, *spectra], ignore_index=True)
    return table, real_and_synthetic(training, samples, fold.options, fold.title, *names)


def _spectra(fold: FoldGans, prepared: PreparedDataset, samples: PartSamples, names: tuple) -> pd.DataFrame:
    part, size = samples.part, fold.options.gan_size
    names = (*names, "spectra", part.name)
    rows = np.sort(generator_for(*names, "real").permutation(part.rows)[:MOST_SPECTRA])
    chosen = np.sort(generator_for(*names, "synthetic").permutation(len(samples.images))[:MOST_SPECTRA])
    original = np.asarray(prepared.images[rows])
    sides = Sides(
        resampled(original, size),
        original,
        upsampled(samples.images[chosen], prepared.size),
        prepared.manifest["case"].to_numpy(str)[rows],
    )
    about = {"part": part.name, "label": part.label, "magnification": part.magnification, "features": SPECTRUM}
    return pd.DataFrame([about | row for row in spectrum_probe(sides, size, *names)])
