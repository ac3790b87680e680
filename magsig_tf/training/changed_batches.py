"""Training batches with other images in them: synthetic ones, filtered or not, and real ones at a GAN's resolution.

The filter is that of Xue et al. 2021, Selective synthetic augmentation with HistoGAN, Medical Image Analysis 67: the
fold's own baseline run must recognise the label with confidence, and the image must lie near real ones in the
embedding. Only training images are looked at.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from magsig_tf.checksums import verified
from magsig_tf.data.batches import Batch, Change
from magsig_tf.data.prepared import PreparedDataset, with_images
from magsig_tf.data.resampling import downsampled, upsampled
from magsig_tf.errors import RunError
from magsig_tf.gan.fold import LABELS, SyntheticImages
from magsig_tf.methods.needs import ChangedImages
from magsig_tf.parquet_files import read_parquet, write_parquet
from magsig_tf.registry import registry
from magsig_tf.seeding import generator_for
from magsig_tf.training.planning import Job, method_of

FEWEST = 8
"""Synthetic images of a class (and magnification) below which batches would repeat a handful."""
NEAREST, FARTHEST = 1, 99
"""Percentiles of the distances from each real training image to the nearest other one of its class."""
REASONS = ("wrong", "unsure", "copy", "far")
"""Why an image is dropped, the first that holds: the other label is likelier; its own is not likely enough; it is
nearer to a training image than training images are to one another; it is farther."""
KEPT = "synthetic_kept.parquet"
"""File in a run's folder: what the filter decided on each synthetic image."""


def batch_change(job: Job) -> tuple[Change | None, dict[str, Any]]:
    """Return how the batches of a run are changed, and what `run.json` says of it.

    Args:
        job: The run, with what `provide` gave it.

    Raises:
        RunError: too few synthetic images are there, or are kept.
    """
    settings, split = job.run.config.settings, job.split
    asked = method_of(job.run).changed_images(job.run.config.options[job.run.method])
    if asked is None:
        return None, {}
    usable, record = (None, {}) if job.synthetic is None else _usable(job, job.synthetic, asked)
    batch_size = settings.images_per_magnification * len(split.source_magnifications)
    names = (split.hash, settings.seed[0])
    return ChangedBatches(asked, batch_size, names, split.source_magnifications, job.synthetic, usable), record


def _usable(job: Job, synthetic: SyntheticImages, asked: ChangedImages) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which synthetic images may be used, bool [N], and what `run.json` says of them."""
    assert job.fold is not None, "images are provided with the GANs that drew them"
    by_class: dict[str, Any]
    if asked.filtered:
        kept, by_class = job.workers.from_chief(lambda: _judged(job, synthetic, asked))
        usable = np.isin(np.arange(len(synthetic)), kept)
        for name, found in by_class.items():
            dropped = ", ".join(f"{found[reason]} {reason}" for reason in REASONS)
            job.observer.note(f"Filter: {found['kept']} of {found['available']} {name} images kept; dropped {dropped}")
    else:
        usable = np.ones(len(synthetic), bool)
        counted = zip(LABELS, np.bincount(synthetic.label, minlength=len(LABELS)).tolist(), strict=True)
        by_class = {name: {"available": count, "kept": count, "kept_share": 1.0} for name, count in counted}
    place = {"gan_folder": job.fold.folder.relative_to(job.run.workspace.root).as_posix()}
    numbers = {"available": len(synthetic), "kept": int(usable.sum()), "kept_share": float(usable.mean())}
    options = {"ratio": asked.synthetic_share, "filtered": asked.filtered}
    return usable, {"synthetic": {**place, **numbers, "by_class": by_class, **options}}


def _judged(job: Job, synthetic: SyntheticImages, asked: ChangedImages) -> tuple[list[int], dict[str, Any]]:
    """Return the positions of the kept images, and counts by class; a resumed run reads what it judged before."""
    path, settings = job.run.folder / KEPT, job.run.config.settings
    if not verified(path).exists():
        if "baseline" not in job.runs:
            raise RunError(
                "Expected the fold's baseline run for the filter",
                "found none",
                "Let `needs` of the method ask for RunNeeded('baseline')",
            )
        registry("encoders").load(settings.encoder)  # its own layers must be known before it is read
        model, rows = job.runs["baseline"].folder / "model.keras", job.split.rows["train"]
        table = filtered(synthetic, with_images(job.prepared), rows, model, asked.confidence, settings.inference_batch)
        write_parquet(path, table)
    table = read_kept(path, len(synthetic))
    return np.flatnonzero(table["kept"]).tolist(), counts(table)


def filtered(
    synthetic: SyntheticImages, prepared: PreparedDataset, rows: np.ndarray, model: Path, confidence: float, batch: int
) -> pd.DataFrame:
    """Judge every synthetic image.

    Real images go through the GAN's resolution before they are embedded, so that distances are not of resolution.

    Args:
        synthetic: The images.
        prepared: The data.
        rows: The fold's training rows, int64 [n].
        model: `model.keras` of the fold's baseline run.
        confidence: Least probability of an image's own label, in [0.5, 1).
        batch: Images in a step.

    Returns:
        One row per image, in order: part, label, magnification, own_probability, distance (to the nearest training
        image of its class), kept, and reason ("" or one of `REASONS`).
    """
    real = downsampled(prepared.images[rows], synthetic.images.shape[1])
    logits, embeddings = _classified(model, np.concatenate([synthetic.images, real]), prepared.size, batch)
    count = len(synthetic)
    towards = np.where(synthetic.label == 1, 1.0, -1.0)
    own = 1 / (1 + np.exp(-logits[:count].astype(float) * towards))
    distance, near, far = np.empty(count), np.empty(count), np.empty(count)
    for label in np.unique(synthetic.label):
        drawn = synthetic.label == label
        of_class = embeddings[count:][prepared.labels[rows] == label]
        distance[drawn], among = nearest_distances(embeddings[:count][drawn], of_class)
        near[drawn], far[drawn] = np.percentile(among, [NEAREST, FARTHEST])
    reason = np.select([own < 0.5, own < confidence, distance < near, distance > far], REASONS, "")
    known = {name: getattr(synthetic, name) for name in ("part", "label", "magnification")}
    found = {"own_probability": own, "distance": distance, "kept": reason == "", "reason": reason}
    return pd.DataFrame(known | found)


def nearest_distances(synthetic: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each synthetic image to the nearest real one, and of each real one to the nearest other.

    Args:
        synthetic: Embeddings, shape (m, p).
        real: Embeddings, shape (n, p), n >= 2.
    """
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real.astype(float))
    return search.kneighbors(synthetic.astype(float))[0][:, 0], search.kneighbors()[0][:, 0]


def counts(table: pd.DataFrame) -> dict[str, dict[str, int | float]]:
    """Return how many images of each class there are, how many were kept, and how many were dropped for each reason."""
    found: dict[str, dict[str, int | float]] = {}
    for label, name in enumerate(LABELS):
        rows = table[table["label"] == label]
        dropped = {reason: int((rows["reason"] == reason).sum()) for reason in REASONS}
        kept = int(rows["kept"].sum())
        share = kept / len(rows) if len(rows) else 0.0
        found[name] = {"available": len(rows), "kept": kept, "kept_share": share, **dropped}
    return found


def read_kept(path: Path, available: int) -> pd.DataFrame:
    """Return what a run's filter decided when the run began.

    Raises:
        RunError: the file is damaged or about other images.
    """
    try:
        table = read_parquet(path)
        fits = len(table) == available and {"label", "kept", "reason"} <= set(table)
    except (OSError, ValueError):
        fits = False
    if not fits:
        raise RunError(
            f"Expected what the filter decided on {available} images in {path}",
            "found something else",
            "Move the run's folder aside to train it again",
        )
    return table


class _Upsampled:
    """Small images that appear at the classifier's size when rows are asked for."""

    def __init__(self, images: np.ndarray, size: int):
        self.images, self.shape, self.dtype = images, (len(images), size, size, 3), images.dtype

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return upsampled(self.images[rows], self.shape[1])


def _classified(model: Path, images: np.ndarray, size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.training.evaluated_network import Inference

    return Inference(load_saved_model(model), _Upsampled(images, size), batch)(np.arange(len(images)))


class ChangedBatches:
    """Replaces images of a batch; which ones, and by what, is a pure function of (seed names, epoch, step).

    A synthetic image takes the place of a real one of its class and, where its GAN learned one, its magnification:
    labels and magnifications of a batch stay as they were. Places are numbered in the global batch, so every process
    makes the same choice for its slice.

    Args:
        asked: What the method asks for.
        batch_size: Images in one global batch.
        seed_names: Names that the choice derives from (split and seed, never the method).
        source_magnifications: In the order of the domains.
        synthetic: The images of the fold; None where no share is asked for.
        usable: Which of them may be used, bool [N]; None where all may.

    Raises:
        RunError: fewer than `FEWEST` images of a class (and magnification) are there.
    """

    def __init__(
        self,
        asked: ChangedImages,
        batch_size: int,
        seed_names: tuple[object, ...],
        source_magnifications: tuple[str, ...],
        synthetic: SyntheticImages | None = None,
        usable: np.ndarray | None = None,
    ):
        self.asked, self.batch_size, self.seed_names, self.synthetic = asked, batch_size, seed_names, synthetic
        self.candidates: dict[tuple[int, int], np.ndarray] = {}  # positions of the usable images by label and domain
        if asked.synthetic_share:
            if synthetic is None:
                raise RunError("Expected synthetic images", "found none", "Let `needs` of the method ask for the GANs")
            cells = itertools.product(range(len(LABELS)), enumerate(source_magnifications))
            for label, (domain, magnification) in cells:
                positions = synthetic.positions(label, magnification)
                kept = positions if usable is None else positions[usable[positions]]
                if len(kept) < FEWEST:
                    raise RunError(
                        f"Expected at least {FEWEST} synthetic images that are {LABELS[label]} for {magnification}",
                        f"found {len(kept)} of {len(positions)} usable",
                        "Lower --synthetic-confidence, raise --gan-images or train the GANs longer",
                    )
                self.candidates[label, domain] = kept

    def __call__(self, batch: Batch, epoch: int, step: int, places: slice) -> Batch:
        """Return the batch with its images replaced; where some may be synthetic it says which are.

        Args:
            batch: The slice of a global batch that this process trains on.
            epoch: Epoch index.
            step: Step inside the epoch.
            places: Where in the global batch the slice lies.
        """
        names = (*self.seed_names, epoch, step)
        is_synthetic = self._drawn(self.asked.synthetic_share, "synthetic places", *names)[places]
        is_resampled = self._drawn(self.asked.resampled_share, "resampled places", *names)[places] & ~is_synthetic
        if self.candidates:
            batch = replace(batch, synthetic=is_synthetic)  # in every slice and step, so that one graph serves
        if not (is_synthetic | is_resampled).any():
            return batch
        images = np.array(batch.images)
        small = np.empty((len(images), self.asked.size, self.asked.size, 3), np.uint8)
        small[is_resampled] = downsampled(images[is_resampled], self.asked.size)
        if self.synthetic is not None and is_synthetic.any():
            draw = generator_for("synthetic images", *names).random(self.batch_size)[places]
            small[is_synthetic] = self.synthetic.images[self._chosen(batch, draw)[is_synthetic]]
        changed = is_synthetic | is_resampled
        images[changed] = upsampled(small[changed], images.shape[1])
        return replace(batch, images=images)

    def _drawn(self, share: float, *names: object) -> np.ndarray:
        """Return which places of the global batch are drawn, bool [batch_size]; their number is fixed."""
        return generator_for(*names).permutation(self.batch_size) < int(share * self.batch_size + 0.5)

    def _chosen(self, batch: Batch, draw: np.ndarray) -> np.ndarray:
        """Return the synthetic image of each place, given numbers in [0, 1)."""
        labels = batch.labels[:, 0].astype(int)
        candidates = [self.candidates[cell] for cell in zip(labels, batch.domains.tolist(), strict=True)]
        return np.array([among[int(u * len(among))] for among, u in zip(candidates, draw, strict=True)])
