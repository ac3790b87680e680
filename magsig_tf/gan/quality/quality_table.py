"""The quality of the GANs of a fold as a tidy table: samples, and beside them real images of other patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import LABELS
from magsig_tf.gan.images import PartSamples, TrainingImages
from magsig_tf.gan.quality.features import PIXELS, Features, pixel_features
from magsig_tf.gan.quality.part_quality import REPLICATES, PartRows, measured
from magsig_tf.gan.quality.probes import LabelProbe, label_agreement
from magsig_tf.seeding import generator_for

MOST_IMAGES = 5000
"""Training images of a class, and samples of a GAN, that are compared; of more, so many are drawn at random."""
COLUMNS = (
    "part",
    "label",
    "magnification",
    "features",
    "kind",
    "metric",
    "value",
    "low",
    "high",
    "images_real",
    "images_synthetic",
    "cases",
    "reason",
)


def quality_table(
    training: TrainingImages,
    samples: Sequence[PartSamples],
    spaces: Sequence[Features],
    *names: object,
    left_out: Mapping[str, str] | None = None,
    replicates: int = REPLICATES,
    progress: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Measure what the GANs of a fold drew.

    Args:
        training: The fold's training images at the GAN's size, both classes, all source magnifications.
        samples: What each GAN drew.
        spaces: Features in which they are compared; pixels are added for the nearest neighbours.
        names: Names that every draw derives from.
        left_out: Names of feature spaces that are not there, each with the reason.
        replicates: Bootstrap replicates over cases.
        progress: Told what is measured next.

    Returns:
        A tidy frame with `COLUMNS`, one row for each GAN, feature space, kind ("synthetic", or "floor": half of the
        cases in place of the samples) and metric. `value`, `low` and `high` are NaN where they are not defined, and
        then `reason` says why.
    """
    training = training.of_rows(_compared(training, names))
    samples = [PartSamples(each.part, _capped(each.images, *names, each.part.name)) for each in samples]
    found = []
    for space in [*spaces, pixel_features()]:
        progress(f"quality in {space.title}")
        features = space(training.images)
        probe = None if space.name == PIXELS else _label_probe(training, features, names)
        found += [
            record | {"features": space.name}
            for each in samples
            for record in _of_part(training, features, each, space, names, replicates, probe)
        ]
    for name, reason in (left_out or {}).items():
        empty = {"features": name, "kind": "synthetic", "metric": "kid", "reason": reason}
        found += [_about(each) | empty | dict.fromkeys(("value", "low", "high"), np.nan) for each in samples]
    counts = dict.fromkeys(("images_real", "images_synthetic", "cases"), 0)
    frame = pd.DataFrame([counts | record for record in found], columns=list(COLUMNS))
    order = [each.part.name for each in samples]
    return frame.sort_values("part", key=lambda part: part.map(order.index), kind="stable", ignore_index=True)


def _of_part(
    training: TrainingImages,
    features: np.ndarray,
    samples: PartSamples,
    space: Features,
    names: tuple[object, ...],
    replicates: int,
    probe: LabelProbe | NotDefinedError | None,
) -> Iterator[dict[str, object]]:
    part = samples.part
    of_class = np.flatnonzero(training.label == part.label)
    rows = PartRows(
        features[of_class],
        training.magnification[of_class],
        training.case[of_class],
        np.isin(of_class, training.rows_of(part)),
        part.magnification,
        (*names, LABELS[part.label]),
    )
    drawn = space(samples.images)
    found = measured(rows, drawn, *names, part.name, pixels=space.name == PIXELS, replicates=replicates)
    yield from (_about(samples) | record for record in found)
    if probe is not None:
        yield from (_about(samples) | record for record in label_agreement(probe, training, part, drawn))


def _label_probe(
    training: TrainingImages, features: np.ndarray, names: tuple[object, ...]
) -> LabelProbe | NotDefinedError:
    try:
        return LabelProbe.fitted(features, training.label, training.case, *names)
    except NotDefinedError as error:
        return error


def _about(samples: PartSamples) -> dict[str, object]:
    part = samples.part
    return {"part": part.name, "label": part.label, "magnification": part.magnification}


def _compared(training: TrainingImages, names: tuple[object, ...]) -> np.ndarray:
    rows = [_capped(np.flatnonzero(training.label == label), *names, label) for label in np.unique(training.label)]
    return np.sort(np.concatenate(rows))


def _capped(images: np.ndarray, *names: object) -> np.ndarray:
    if len(images) <= MOST_IMAGES:
        return images
    return images[np.sort(generator_for("gan quality rows", *names).permutation(len(images))[:MOST_IMAGES])]
