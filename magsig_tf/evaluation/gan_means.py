"""Averages over the GANs behind runs: their quality in one feature space, and what the filter kept of their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from magsig_tf.evaluation.drop import RunKey
from magsig_tf.evaluation.gan_quality import FoldQuality
from magsig_tf.evaluation.matrix import Group

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class GanValue:
    """One metric of one GAN.

    Args:
        value: Of its samples; never NaN.
        low: Lower end of its interval; NaN where it has none.
        floor: Of real images in their place; NaN where there is none.
    """

    value: float
    low: float
    floor: float


@dataclass(frozen=True)
class FoldValues:
    """The GANs of one (holdout, patient fold) in one feature space.

    Args:
        holdout: The magnification left out.
        patient_fold: Index of the tested patient fold.
        values: Of each GAN that has a value, by metric.
        words: For each metric, what is to be said of values that are absent or restricted.
    """

    holdout: str
    patient_fold: int
    values: dict[str, list[GanValue]] = field(repr=False)
    words: dict[str, list[str]] = field(repr=False)

    @classmethod
    def of(cls, quality: FoldQuality, features: str, metrics: Sequence[str]) -> FoldValues:
        """Take the values of one feature space out of a fold's quality table."""
        found: dict[str, list[GanValue]] = {metric: [] for metric in metrics}
        words: dict[str, list[str]] = {metric: [] for metric in metrics}
        table = quality.table[quality.table["features"] == features]
        table = table[table["metric"].isin(metrics)].drop_duplicates(["part", "kind", "metric"])
        floors = {(row.part, row.metric): row.value for row in table[table["kind"] == "floor"].itertuples()}
        for row in table[table["kind"] == "synthetic"].itertuples():
            words[row.metric] += [row.reason] if row.reason else []
            # a probe that is blind to real images says nothing of synthetic ones
            blind = row.metric in ("magnification_shift", "label_agreement") and row.reason
            if np.isfinite(row.value) and not blind:
                floor = floors.get((row.part, row.metric), float("nan"))
                found[row.metric].append(GanValue(float(row.value), float(row.low), float(floor)))
        for metric in metrics:
            if not found[metric] and not words[metric]:
                words[metric].append(quality.words or NOT_MEASURED)
        return cls(quality.holdout, quality.patient_fold, found, words)


@dataclass(frozen=True)
class MeanQuality:
    """One quality metric averaged over the GANs of some folds.

    Args:
        value: Of the samples; NaN where there is none.
        floor: Of real images in their place; NaN where there is none.
        above_floor: Share of the GANs with a floor and an interval whose interval lies above the floor.
        gans: Number of GANs with a value.
        words: Why a value is absent, or what is to be said of it.
    """

    value: float
    floor: float
    above_floor: float
    gans: int
    words: str = ""


def mean_quality(folds: Sequence[FoldValues], metric: str) -> MeanQuality:
    """Return one metric as the mean over all GANs of some folds, each GAN the same weight."""
    gans = [gan for fold in folds for gan in fold.values[metric]]
    floors = [gan.floor for gan in gans if np.isfinite(gan.floor)]
    above = [gan.low > gan.floor for gan in gans if np.isfinite(gan.low) and np.isfinite(gan.floor)]
    words = dict.fromkeys(words for fold in folds for words in fold.words[metric])
    return MeanQuality(_mean([gan.value for gan in gans]), _mean(floors), _mean(above), len(gans), "; ".join(words))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def kept_shares(group: Group) -> dict[RunKey, float]:
    """Return the share of synthetic images that the filter kept in each run of a group; empty where none filtered."""
    records = {key: run.info.get("synthetic") or {} for key, run in group.runs.items()}
    return {
        key: float(record["kept_share"])
        for key, record in records.items()
        if record.get("filtered", True) and record.get("kept_share") is not None
    }
