"""Which synthetic images are worth training on, judged by the fold's own baseline run.

After Xue et al. 2021, Selective synthetic augmentation with HistoGAN, Medical Image Analysis 67: the label must be
recognised with confidence, and the image must lie near real ones in the embedding. Only training images are looked at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.resampling import downsampled, upsampled
from magsig_tf.errors import RunError
from magsig_tf.gan.fold import LABELS, SyntheticImages

NEAREST, FARTHEST = 1, 99
"""Percentiles of the distances from each real training image to the nearest other one of its class."""
REASONS = ("wrong", "unsure", "copy", "far")
"""Why an image is dropped, the first that holds: the other label is likelier; its own is not likely enough; it is
nearer to a training image than training images are to one another; it is farther."""


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
        distance[drawn], among = nearest_distances(
            embeddings[:count][drawn], embeddings[count:][prepared.labels[rows] == label]
        )
        near[drawn], far[drawn] = np.percentile(among, [NEAREST, FARTHEST])
    reason = np.select([own < 0.5, own < confidence, distance < near, distance > far], REASONS, "")
    return pd.DataFrame(
        {
            "part": synthetic.part,
            "label": synthetic.label,
            "magnification": synthetic.magnification,
            "own_probability": own,
            "distance": distance,
            "kept": reason == "",
            "reason": reason,
        }
    )


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
        table = pd.read_parquet(path)
        fits = len(table) == available and {"label", "kept", "reason"} <= set(table)
    except (OSError, ValueError):
        fits = False
    if not fits:
        raise RunError(
            f"Expected what the filter decided on {available} images in {path}",
            "found something else",
            "Remove the run's folder to train it again",
        )
    return table


class _Upsampled:
    """Small images that appear at the classifier's size when rows are asked for."""

    def __init__(self, images: np.ndarray, size: int):
        self.images, self.shape = images, (len(images), size, size, 3)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return upsampled(self.images[rows], self.shape[1])


def _classified(model: Path, images: np.ndarray, size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.training.inference import Inference

    run = Inference(load_saved_model(model), _Upsampled(images, size), batch)
    return run(np.arange(len(images)))
