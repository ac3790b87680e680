"""Rows of the quality table on label noise: samples that look like their class, beside real images of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import Part
from magsig_tf.gan.images import TrainingImages
from magsig_tf.gan.quality.label import LabelProbe

METRIC = "label_agreement"
BLIND = "the probe does not tell real classes apart"


def label_agreement(
    probe: LabelProbe | NotDefinedError, training: TrainingImages, part: Part, drawn: np.ndarray
) -> Iterator[dict[str, object]]:
    """Yield the share of a GAN's samples that look like their label, and the floor: that of its training images.

    Args:
        probe: Fitted on the fold's training images, or why it cannot be.
        training: These images.
        part: The GAN.
        drawn: Features of its samples, shape (m, d).
    """
    own = np.zeros(len(training.label), bool)
    own[training.rows_of(part)] = True
    counts = {"images_real": int(own.sum()), "images_synthetic": len(drawn), "cases": len(set(training.case[own]))}
    row = counts | {"metric": METRIC, "low": np.nan, "high": np.nan}
    if isinstance(probe, NotDefinedError):
        yield row | {"kind": "synthetic", "value": np.nan, "reason": probe.reason}
        return
    reason = "" if probe.sees() else BLIND
    yield row | {"kind": "synthetic", "value": probe.agreement(drawn, part.label), "reason": reason}
    yield row | {"kind": "floor", "value": probe.real_agreement(own), "reason": ""}
