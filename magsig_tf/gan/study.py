"""All GANs of one fold: trained, sampled, measured, drawn."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import replacing
from magsig_tf.checksums import read_signed_json, signing
from magsig_tf.config import Settings
from magsig_tf.data.plain_text import write_csv
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.resampling import downsampled, resampled, upsampled
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import ResumableFolder
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.fold import IMAGES, RECORD, TABLE, FoldGans, PartSamples, TrainingImages
from magsig_tf.gan.pictures import real_and_synthetic
from magsig_tf.gan.quality.features import feature_spaces, random_features
from magsig_tf.gan.quality.kid import distance_to
from magsig_tf.gan.quality.probes import Sides, spectrum_probe
from magsig_tf.gan.quality.quality_table import quality_table
from magsig_tf.models.gan_options import is_demonstration
from magsig_tf.parquet_files import write_parquet
from magsig_tf.seeding import generator_for

SPECTRUM = "power_spectrum"
"""Name of the feature space of the spectrum probe."""
MOST_SPECTRA = 500
"""Images of each side in the spectrum probe; of more, so many are drawn at random."""


def ensure_fold(
    fold: FoldGans, prepared: PreparedDataset, settings: Settings, observer: Observer, workers: Workers = ALONE
) -> dict[str, Any]:
    """Train the GANs of a fold that are missing, then draw their images and measure them; return at once if done.

    Args:
        fold: Which GANs.
        prepared: The data; only the rows of `fold.parts` are read.
        settings: Those of the run that wants them: precision, strategy, how often to log and to store.
        observer: Who watches.
        workers: The processes that train them; the chief alone writes.

    Returns:
        `fold.json` of the finished fold.

    Raises:
        RunError: another process holds the folder, it belongs to another data set or split, or a GAN diverged or
            collapsed.
        MagsigError: a file could not be written.
        KeyboardInterrupt: after SIGINT, with the state stored.
    """
    folder = ResumableFolder(fold.folder / RECORD, "fold of GANs", f"the GANs of {fold.title}", fold.identity, workers)
    with folder.opened(lambda found: _opening(fold)) as record:
        if record["status"] == "done":
            return record
        from magsig_tf.gan.train import train_gan

        images, space = {}, functools.partial(random_features, fold.options.gan_size)
        for part in fold.parts:
            small = images[part.name] = downsampled(prepared.images[part.rows], fold.options.gan_size)
            distance = distance_to(small, space, *fold.seed_names(part))
            train_gan(part, small, fold, settings, distance, observer, workers)
        return workers.from_chief(lambda: folder.finish(_finish(fold, prepared, images, record["parts"], observer)))


def _opening(fold: FoldGans) -> dict[str, Any]:
    return {
        "dataset": fold.dataset,
        "holdout": fold.split.holdout,
        "patient_fold": fold.split.patient_fold,
        "source_magnifications": list(fold.split.source_magnifications),
        "options": fold.options.model_dump(mode="json"),
        "demonstration": is_demonstration(fold.options),
        "parts": {
            part.name: {"label": part.label, "magnification": part.magnification, "images": len(part.rows)}
            for part in fold.parts
        },
        "warnings": list(fold.split.warnings),
    }


def _finish(
    fold: FoldGans, prepared: PreparedDataset, images: dict[str, np.ndarray], parts: dict[str, Any], observer: Observer
) -> dict[str, Any]:
    """Draw, measure and picture, each file whole or not at all; return what the record says of it."""
    samples, table = _draw(fold, images)
    with signing(fold.folder / IMAGES) as temporary:
        np.save(temporary, np.concatenate([each.images for each in samples]))
    rows = np.concatenate([part.rows for part in fold.parts])
    training = TrainingImages.of(prepared, rows, np.concatenate([images[part.name] for part in fold.parts]))
    names = ("gan quality", fold.split.hash, fold.options.gan_seed)
    spaces, left_out = feature_spaces(fold.options.gan_size, prepared.size)
    quality = quality_table(training, samples, spaces, *names, left_out=left_out, progress=observer.note)
    observer.note("quality: power spectra")
    quality = pd.concat([quality, *(_spectra(fold, prepared, each, names) for each in samples)], ignore_index=True)
    write_parquet(fold.folder / TABLE, table)
    write_parquet(fold.folder / "quality.parquet", quality)
    with replacing(fold.folder / "quality.csv") as temporary:
        write_csv(quality, temporary)
    real_and_synthetic(training, samples, fold, *names).write(fold.folder)
    parts = {name: about | read_signed_json(fold.folder / name / "gan.json") for name, about in parts.items()}
    seconds = round(sum(part.get("seconds", 0.0) for part in parts.values()), 2)
    return {"parts": parts, "synthetic": len(table), "seconds": seconds}


def _draw(fold: FoldGans, images: dict[str, np.ndarray]) -> tuple[list[PartSamples], pd.DataFrame]:
    from magsig_tf.gan.train import load_generator
    from magsig_tf.models.dcgan import sample

    drawn = []
    for part in fold.parts:
        count = fold.options.gan_images or len(images[part.name])
        generator = load_generator(fold.folder / part.name, fold.identity)
        drawn.append(PartSamples(part, sample(generator, count, (*fold.seed_names(part), "samples"))))
    tables = [pd.DataFrame(each.part.about | {"index": np.arange(len(each.images))}) for each in drawn]
    return drawn, pd.concat(tables, ignore_index=True)


def _spectra(fold: FoldGans, prepared: PreparedDataset, samples: PartSamples, names: tuple) -> pd.DataFrame:
    part, size = samples.part, fold.options.gan_size
    names = (*names, "spectra", part.name)
    rows = np.sort(generator_for(*names, "real").permutation(part.rows)[:MOST_SPECTRA])
    chosen = np.sort(generator_for(*names, "synthetic").permutation(len(samples.images))[:MOST_SPECTRA])
    original, cases = np.asarray(prepared.images[rows]), prepared.manifest["case"].to_numpy(str)[rows]
    sides = Sides(resampled(original, size), original, upsampled(samples.images[chosen], prepared.size), cases)
    return pd.DataFrame([part.about | {"features": SPECTRUM} | row for row in spectrum_probe(sides, size, *names)])
