"""The held-out predictions of a group's runs, joined so that no image is scored twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from magsig_tf.errors import RunError
from magsig_tf.evaluation.cells.catalogue import Metric
from magsig_tf.runs.matrix import Group
from magsig_tf.runs.run import Run
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.metrics import ratio
from magsig_tf.statistics.replicates import Replicates, Units, case_units, choose_threshold, image_units, join

TESTED_PARTS = ("test", "in_domain_test")


@dataclass(frozen=True)
class CellValue:
    """One metric of one cell.

    Args:
        values: The value followed by its replicates, shape (R,).
        fold_mean: Mean of the patient folds' values, undefined ones left out.
        fold_joined: Value of the joined predictions of all patient folds; NaN where folds share test images.
        undefined_folds: Patient folds in which the metric is not defined.
        partial: Replicates that leave a fold without the metric although the sample has it, shape (R,).
    """

    values: np.ndarray
    fold_mean: float
    fold_joined: float
    undefined_folds: tuple[int, ...]
    partial: np.ndarray

    @property
    def value(self) -> float:
        """The value of the sample."""
        return float(self.values[0])


class CaseBootstrap:
    """The common list of test cases and the draws that every number shares.

    Args:
        runs: All runs that will be summarised.
        replicates: Number B of replicates.
        dataset_hash: Seeds the draws, so that a study always gets the same ones.
    """

    def __init__(self, runs: Sequence[Run], replicates: int, dataset_hash: str):
        tested = [run.predictions.loc[run.predictions["part"].isin(TESTED_PARTS), ["case", "label"]] for run in runs]
        seen = pd.concat([frame.drop_duplicates() for frame in tested]).drop_duplicates()
        # a case with both labels (a study split by slide) is a stratum of its own
        stratum = seen.groupby("case")["label"].agg(lambda labels: 2 if labels.nunique() > 1 else labels.iloc[0])
        self.cases = pd.Index(stratum.index)
        self.multiplicities = case_multiplicities(stratum.to_numpy(np.int64), replicates, dataset_hash)


def known_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis without NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(0), known.sum(0))


def average(cells: Sequence[CellValue]) -> CellValue:
    """Return the mean of several cells (seeds, or runs with other holdouts); undefined values are left out."""
    return CellValue(
        known_mean(np.stack([cell.values for cell in cells])),
        float(known_mean(np.array([[cell.fold_mean] for cell in cells]))[0]),
        float(known_mean(np.array([[cell.fold_joined] for cell in cells]))[0]),
        tuple(sorted({fold for cell in cells for fold in cell.undefined_folds})),
        np.any([cell.partial for cell in cells], axis=0),
    )


def averaged(values: Sequence[Mapping[str, CellValue]]) -> dict[str, CellValue]:
    """Return the mean of several cells for every metric by name; empty where there are none."""
    return {name: average([each[name] for each in values]) for name in values[0]} if values else {}


def mean_values(values: Sequence[Mapping[str, CellValue]]) -> dict[str, float]:
    """Return the unweighted mean of several samples' values for every metric by name.

    Over holdouts, this never ranks the answers of different models together.
    """
    return {name: float(np.mean([each[name].value for each in values])) for name in values[0]} if values else {}


def count_cases(predictions: Sequence[pd.DataFrame]) -> dict[str, int]:
    """Count the distinct cases of each class and the distinct images of some predictions, at least one frame."""
    seen = pd.concat([frame[["row", "case", "label"]] for frame in predictions]).drop_duplicates("row")
    cases = seen.groupby("label")["case"].nunique()
    return {"cases_benign": int(cases.get(0, 0)), "cases_malignant": int(cases.get(1, 0)), "images": len(seen)}


def difference(first: CellValue, second: CellValue) -> CellValue:
    """Return `first` minus `second`, replicate by replicate."""
    return CellValue(
        first.values - second.values,
        first.fold_mean - second.fold_mean,
        first.fold_joined - second.fold_joined,
        tuple(sorted({*first.undefined_folds, *second.undefined_folds})),
        first.partial | second.partial,
    )


class GroupCells:
    """Cells of one group at one level.

    Args:
        group: The runs.
        level: "image" or "case".
        metrics: The metrics to calculate.
        bootstrap: The common cases and draws.
        threshold: Decision threshold, or "validation" to choose it on each run's validation part.
    """

    def __init__(
        self,
        group: Group,
        level: str,
        metrics: Sequence[Metric],
        bootstrap: CaseBootstrap,
        threshold: float | str = 0.5,
    ):
        self.group, self.level, self.bootstrap, self.threshold = group, level, bootstrap, threshold
        self.metrics = [metric for metric in metrics if level in metric.levels]
        self._cells: dict[tuple, dict[str, CellValue]] = {}
        self._units: dict[tuple, Units] = {}
        self._thresholds: dict[tuple, float] = {}

    def values(
        self, seed: int, holdouts: Sequence[str], folds: Sequence[int], part: str, magnification: str | None = None
    ) -> dict[str, CellValue]:
        """Return every metric of the joined predictions of some holdouts, for one seed; empty without predictions.

        Where patient folds test the same images (a fixed test cohort), a fold is a repeat as a seed is: every metric is
        taken for each fold and then averaged, since joining would mix several models' scores of one image.

        Args:
            seed: Seed of the runs.
            holdouts: Holdouts whose runs are joined.
            folds: Patient folds to use.
            part: "test" or "in_domain_test".
            magnification: Limit the part to this one.
        """
        found = {
            fold: [self.group.runs[h, fold, seed] for h in holdouts if (h, fold, seed) in self.group.runs]
            for fold in folds
        }
        # by runs and not by their keys, since that of an exact method stands under several seeds
        key = (tuple(run.folder for runs in found.values() for run in runs), part, magnification)
        if key not in self._cells:
            per_fold, images = {}, []
            for fold, runs in found.items():
                units = [self.units_of(run, part, magnification) for run in runs]
                if sum(map(len, units)):
                    per_fold[fold] = join(units)
                    images.append(np.unique(np.concatenate([run.part(part, magnification)["row"] for run in runs])))
            repeats = bool(images) and len(np.unique(np.concatenate(images))) < sum(map(len, images))
            self._cells[key] = self._evaluate(per_fold, repeats) if per_fold else {}
        return self._cells[key]

    def _evaluate(self, per_fold: dict[int, Units], repeats: bool) -> dict[str, CellValue]:
        drawn = self.bootstrap.multiplicities
        joined_units = join(list(per_fold.values()))
        joined, joined_sample = Replicates(joined_units, drawn), Replicates(joined_units, drawn[:1])
        each = [Replicates(units, drawn) for units in per_fold.values()]
        each_sample = [Replicates(units, drawn[:1]) for units in per_fold.values()]
        result = {}
        for metric in self.metrics:
            if repeats or metric.over_folds == "mean":
                by_fold = np.stack([metric.values(replicates) for replicates in each])
                values, at_joined = known_mean(by_fold), np.nan if repeats else metric.values(joined_sample)[0]
                partial = (np.isnan(by_fold) & ~np.isnan(by_fold[:, :1])).any(0)
            else:
                # a calibration error is corrected by what the replicates show
                folds = each if metric.corrected else each_sample
                by_fold = np.stack([metric.of_sample(replicates) for replicates in folds])
                values = metric.values(joined)
                at_joined, partial = values[0], np.isnan(values) & ~np.isnan(values[0])
            undefined = tuple(fold for fold, sample in zip(per_fold, by_fold[:, 0], strict=True) if np.isnan(sample))
            at_mean = float(known_mean(by_fold[:, :1])[0])
            result[metric.name] = CellValue(values, at_mean, float(at_joined), undefined, partial)
        return result

    def units_of(self, run: Run, part: str, magnification: str | None) -> Units:
        key = (run.folder, part, magnification)
        if key not in self._units:
            rows = run.part(part, magnification)
            case = self.bootstrap.cases.get_indexer(rows["case"])
            threshold = self._threshold(run, "image")
            images = image_units(case, rows["label"].to_numpy(), rows["probability"].to_numpy(), threshold)
            self._units[key] = images if self.level == "image" else case_units(images, self._threshold(run, "case"))
        return self._units[key]

    def _threshold(self, run: Run, level: str) -> float:
        if self.threshold != "validation":
            return float(self.threshold)
        key = (run.folder, level)
        if key not in self._thresholds:
            rows = run.part("validation")
            classes = rows["label"].nunique()
            if classes < 2:
                expected = f"Expected validation predictions of both classes in {run.folder}"
                raise RunError(expected, f"found {classes} class(es)", "Use --threshold 0.5")
            units = image_units(pd.factorize(rows["case"])[0], rows["label"].to_numpy(), rows["probability"].to_numpy())
            units = units if level == "image" else case_units(units)
            self._thresholds[key] = choose_threshold(units.label, units.probability)
        return self._thresholds[key]
