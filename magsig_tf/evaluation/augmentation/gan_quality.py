"""Averages over the GANs behind runs: their quality in one feature space, and what the filter kept of their images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from magsig_tf.atomic_files import read_json
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.evaluation.augmentation.differences import row_of, said_of
from magsig_tf.evaluation.cells.differences import NO_RUN, RunKey
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.reasons import GAN_QUALITY, NOT_FILTERED, NOTHING, Reason, joined
from magsig_tf.runs.matrix import Group
from magsig_tf.runs.run import Run
from magsig_tf.workspace import Workspace

METRICS_TOLD = ("kid", "coverage", "copied", "magnification_shift", "label_agreement")
"""Those that the explanation table shows, each beside its floor: real images of other patients."""
FEATURES = {"efficientnet_lite0": "EfficientNet-Lite0 features (ImageNet)", "random_cnn": "features of a random CNN"}
"""Feature spaces in which GANs are compared, the preferred one first, each in words."""

_TEXT = ("part", "features", "kind", "metric", "reason")
_NUMBERS = ("value", "low", "high")


@dataclass(frozen=True)
class FoldQuality:
    """The quality table of the GANs of one (holdout, patient fold), as read.

    Args:
        holdout: The magnification left out.
        patient_fold: Index of the tested patient fold.
        table: The tidy quality table; empty where there is none.
        words: Why there is none; else empty.
    """

    holdout: str
    patient_fold: int
    table: pd.DataFrame = field(repr=False)
    words: str = ""


def qualities_of(group: Group, workspace: Workspace) -> list[FoldQuality]:
    """Read the quality of the GANs behind a group's runs, each fold once; seeds share their fold's GANs.

    Raises:
        RunError: a run names GANs outside the workspace, or of another split or data set than its own.
    """
    found: dict[tuple, FoldQuality] = {}
    for (holdout, fold, _), run in sorted(group.runs.items()):
        place = run.record.synthetic.gan_folder if run.record.synthetic else None
        key = (holdout, fold, place)
        if key not in found:
            table, words = _read(run, place, workspace)
            found[key] = FoldQuality(holdout, fold, table, words)
    return list(found.values())


def _read(run: Run, place: str | None, workspace: Workspace) -> tuple[pd.DataFrame, str]:
    """Return the quality table, or an empty one and why."""
    if place is None:
        return _nothing(), "run.json names no GANs"
    folder = _inside(run, place, workspace)
    if not (folder / "fold.json").is_file():
        return _nothing(), "GANs not there"
    try:
        record = read_json(folder / "fold.json")
    except MagsigError:
        return _nothing(), "fold.json damaged"
    _check_identity(run, record, folder)
    if record.get("status") != "done":
        return _nothing(), "GANs not finished"
    path = folder / "quality.parquet"
    if not path.is_file():
        return _nothing(), "quality not measured"
    try:
        table = pd.read_parquet(path, columns=[*_TEXT, *_NUMBERS])
    except Exception:  # pyarrow raises many kinds: ArrowInvalid, KeyError, OSError
        return _nothing(), "quality.parquet damaged"
    sound = all(is_numeric_dtype(table[name]) and not is_bool_dtype(table[name]) for name in _NUMBERS)
    texts = all(pd.api.types.infer_dtype(table[name], skipna=False) in ("string", "empty") for name in _TEXT)
    if not (sound and texts) or np.isinf(table[list(_NUMBERS)].to_numpy(float)).any():
        return _nothing(), "quality.parquet damaged"
    return table, ""


def _nothing() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object if name in _TEXT else float) for name in [*_TEXT, *_NUMBERS]})


def _inside(run: Run, place: str, workspace: Workspace) -> Path:
    root = workspace.root.resolve()
    folder = (root / place).resolve() if "\0" not in place else root.parent
    if not folder.is_relative_to(root):
        raise RunError(
            f"Expected the GANs of {run.name} inside the workspace",
            f"found gan_folder {place[:100]!r} in {run.folder / 'run.json'}",
            "Remove the run's folder and train it again",
        )
    return folder


def _check_identity(run: Run, record: dict, folder: Path) -> None:
    for name, wanted in (("split_hash", run.split_hash), ("dataset_hash", run.dataset_hash)):
        if record.get(name) != wanted:
            raise RunError(
                f"Expected the GANs of {run.name} to have its {name} {wanted}",
                f"found {str(record.get(name))[:100]} in {folder / 'fold.json'}",
                "The GANs were trained again on other rows: remove the run's folder and train it again",
            )


def common_features(qualities: Iterable[FoldQuality]) -> str:
    """Return the preferred feature space in which every measured fold has a KID, so that folds can be compared."""
    tables = [quality.table for quality in qualities if not quality.words]
    for name in FEATURES:
        if tables and all(_has_kid(table, name) for table in tables):
            return name
    return next(reversed(FEATURES))


def _has_kid(table: pd.DataFrame, features: str) -> bool:
    kid = (table["features"] == features) & (table["kind"] == "synthetic") & (table["metric"] == "kid")
    return bool(table.loc[kid, "value"].notna().any())


UNFILTERED = Reason(NOT_FILTERED, "not filtered")
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
        real = table[table["kind"] == "floor"].to_dict("records")
        floors = {(row["part"], row["metric"]): row["value"] for row in real}
        for row in table[table["kind"] == "synthetic"].to_dict("records"):
            metric, reason = row["metric"], row["reason"]
            words[metric] += [reason] if reason else []
            # a probe that is blind to real images says nothing of synthetic ones
            blind = metric in ("magnification_shift", "label_agreement") and reason
            if np.isfinite(row["value"]) and not blind:
                floor = floors.get((row["part"], metric), float("nan"))
                found[metric].append(GanValue(float(row["value"]), float(row["low"]), float(floor)))
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
        reason: Why a value is absent, or what is to be said of it.
    """

    value: float
    floor: float
    above_floor: float
    gans: int
    reason: Reason = NOTHING


def mean_quality(folds: Sequence[FoldValues], metric: str) -> MeanQuality:
    """Return one metric as the mean over all GANs of some folds, each GAN the same weight."""
    gans = [gan for fold in folds for gan in fold.values[metric]]
    floors = [gan.floor for gan in gans if np.isfinite(gan.floor)]
    above = [gan.low > gan.floor for gan in gans if np.isfinite(gan.low) and np.isfinite(gan.floor)]
    reason = joined(Reason(GAN_QUALITY, words) for fold in folds for words in fold.words[metric])
    return MeanQuality(_mean([gan.value for gan in gans]), _mean(floors), _mean(above), len(gans), reason)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def kept_shares(group: Group) -> dict[RunKey, float]:
    """Return the share of synthetic images that the filter kept in each run of a group; empty where none filtered."""
    records = {key: run.record.synthetic for key, run in group.runs.items()}
    return {
        key: float(record.kept_share)
        for key, record in records.items()
        if record is not None and record.filtered and record.kept_share is not None
    }


def quality_rows(group: Group, targets: Sequence[str], folds: Sequence[FoldValues], features: str) -> Iterator[dict]:
    """Yield the quality of a group's GANs at every target, over all patient folds and for each one.

    Args:
        group: The group.
        targets: Its holdouts, perhaps with "pooled".
        folds: Its GANs.
        features: The feature space in which they are compared.
    """
    holdouts, kept = [target for target in targets if target != POOLED], kept_shares(group)
    for target in targets:
        chosen = holdouts if target == POOLED else [target]
        of_target = [fold for fold in folds if fold.holdout in chosen]
        numbers = [] if target == POOLED else sorted({fold.patient_fold for fold in of_target})
        for number in [None, *numbers]:
            base = row_of(group, target, number)
            some = [fold for fold in of_target if number in (None, fold.patient_fold)]
            for metric in METRICS_TOLD:
                yield from _metric_rows(base | {"features": features}, some, metric)
            shares = [share for (h, k, _), share in kept.items() if h in chosen and number in (None, k)]
            reason = Reason() if shares else UNFILTERED if some else NO_RUN
            share = float(np.mean(shares)) if shares else float("nan")
            yield base | {"quantity": "kept_share", "value": share, "n": len(shares)} | said_of(reason)


def _metric_rows(base: dict, folds: Sequence[FoldValues], metric: str) -> Iterator[dict]:
    mean = mean_quality(folds, metric)
    base = base | {"n": mean.gans}
    yield base | {"quantity": metric, "value": mean.value} | said_of(mean.reason if folds else NO_RUN)
    yield base | {"quantity": f"{metric}_floor", "value": mean.floor}
    if metric == "kid":
        yield base | {"quantity": "kid_above_floor", "value": mean.above_floor}
