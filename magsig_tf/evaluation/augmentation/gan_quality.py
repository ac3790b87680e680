"""Averages over the GANs behind runs: their quality in one feature space, and what the filter kept of their images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from magsig_tf.checksums import ChangedError, read_signed_json, verified
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.evaluation.augmentation.differences import row_of, said_of
from magsig_tf.evaluation.cells.differences import NO_RUN
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.parquet_files import read_parquet
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
            found[key] = FoldQuality(holdout, fold, *_read(run, place, workspace))
    return list(found.values())


def _read(run: Run, place: str | None, workspace: Workspace) -> tuple[pd.DataFrame, str]:
    """Return the quality table, or an empty one and why."""
    if place is None:
        return _nothing(), "run.json names no GANs"
    folder = _inside(run, place, workspace)
    if not verified(folder / "fold.json").is_file():
        return _nothing(), "GANs not there"
    try:
        record = read_signed_json(folder / "fold.json")
    except ChangedError:
        raise
    except MagsigError:
        return _nothing(), "fold.json damaged"
    for name, wanted in (("split_hash", run.split_hash), ("dataset_hash", run.dataset_hash)):
        if record.get(name) != wanted:
            expected = f"Expected the GANs of {run.name} to have its {name} {wanted}"
            found = f"found {str(record.get(name))[:100]} in {folder / 'fold.json'}"
            remedy = "The GANs were trained again on other rows: move the run's folder aside and train it again"
            raise RunError(expected, found, remedy)
    if record.get("status") != "done":
        return _nothing(), "GANs not finished"
    path = verified(folder / "quality.parquet")
    if not path.is_file():
        return _nothing(), "quality not measured"
    try:
        table = read_parquet(path, columns=[*_TEXT, *_NUMBERS])
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
        expected = f"Expected the GANs of {run.name} inside the workspace"
        found = f"found gan_folder {place[:100]!r} in {run.folder / 'run.json'}"
        raise RunError(expected, found, "Move the run's folder aside and train it again")
    return folder


def common_features(qualities: Iterable[FoldQuality]) -> str:
    """Return the preferred feature space in which every measured fold has a KID, so that folds can be compared."""
    *preferred, last = FEATURES
    tables = [quality.table for quality in qualities if not quality.words]
    measured = [table[(table["kind"] == "synthetic") & (table["metric"] == "kid")] for table in tables]
    spaces = [set(kid.loc[kid["value"].notna(), "features"]) for kid in measured]
    return next((name for name in preferred if spaces and all(name in space for space in spaces)), last)


UNFILTERED = Reason(NOT_FILTERED, "not filtered")
BLIND_WITH_REASON = ("magnification_shift", "label_agreement")
"""Probes that, where they are blind to real images, say nothing of synthetic ones."""


def gans_of(qualities: Iterable[FoldQuality], features: str) -> pd.DataFrame:
    """Return what is known of each GAN in one feature space.

    Args:
        qualities: The quality of the GANs of some folds.
        features: The feature space.

    Returns:
        One row for each GAN and metric: holdout, patient_fold, metric, value with the lower end `low` of its interval,
        `floor` (of real images in its place; each NaN where there is none), and `reason` why a value is absent or
        restricted. A metric without a GAN has a row that says why.
    """
    frames = []
    for quality in qualities:
        table = quality.table[quality.table["features"] == features]
        table = table[table["metric"].isin(METRICS_TOLD)].drop_duplicates(["part", "kind", "metric"])
        floors = table[table["kind"] == "floor"].rename(columns={"value": "floor"})[["part", "metric", "floor"]]
        gans = table[table["kind"] == "synthetic"].merge(floors, "left", on=["part", "metric"])
        gans["value"] = gans["value"].mask(gans["metric"].isin(BLIND_WITH_REASON) & (gans["reason"] != ""))
        gans = gans[gans["value"].notna() | (gans["reason"] != "")]
        silent = [metric for metric in METRICS_TOLD if metric not in set(gans["metric"])]
        gaps = pd.DataFrame({"metric": silent, "reason": quality.words or "not measured"})
        frames.append(pd.concat([gans, gaps]).assign(holdout=quality.holdout, patient_fold=quality.patient_fold))
    return pd.concat(frames, ignore_index=True)


def quality_rows(group: Group, targets: Sequence[str], gans: pd.DataFrame, features: str) -> Iterator[dict]:
    """Yield the quality of a group's GANs at every target, over all patient folds and for each one.

    Args:
        group: The group.
        targets: Its holdouts, perhaps with "pooled".
        gans: From `gans_of`.
        features: The feature space in which they are compared.
    """
    filtered = {key: run.record.synthetic for key, run in group.runs.items()}
    for target in targets:
        chosen = [each for each in targets if each != POOLED] if target == POOLED else [target]
        of_target = gans[gans["holdout"].isin(chosen)]
        for fold in [None, *([] if target == POOLED else sorted(set(of_target["patient_fold"])))]:
            base = row_of(group, target, fold)
            some = of_target if fold is None else of_target[of_target["patient_fold"] == fold]
            for metric in METRICS_TOLD:
                yield from _metric_rows(base | {"features": features}, some[some["metric"] == metric], metric)
            shares = [
                float(record.kept_share)
                for (h, k, _), record in filtered.items()
                if h in chosen and fold in (None, k) and record and record.filtered and record.kept_share is not None
            ]
            reason = NOTHING if shares else UNFILTERED if len(some) else NO_RUN
            yield base | {"quantity": "kept_share", "value": _mean(shares), "n": len(shares)} | said_of(reason)


def _metric_rows(base: dict, gans: pd.DataFrame, metric: str) -> Iterator[dict]:
    """Yield one metric as the mean over all GANs of some folds, each the same weight, and that of their floors.

    Of KID also the share of the GANs with a floor and an interval whose interval lies above the floor.
    """
    known = gans[gans["value"].notna()]
    reason = joined(Reason(GAN_QUALITY, words) for words in gans["reason"] if words) if len(gans) else NO_RUN
    base = base | {"n": len(known)}
    yield base | {"quantity": metric, "value": _mean(known["value"])} | said_of(reason)
    yield base | {"quantity": f"{metric}_floor", "value": _mean(known["floor"].dropna())}
    if metric == "kid":
        beside = known.dropna(subset=["low", "floor"])
        yield base | {"quantity": "kid_above_floor", "value": _mean(beside["low"] > beside["floor"])}


def _mean(values: Sequence[float] | pd.Series) -> float:
    return float(np.mean(np.asarray(values, float))) if len(values) else float("nan")
