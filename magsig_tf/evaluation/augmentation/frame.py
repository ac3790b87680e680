"""The explanation table: the effect of GAN augmentation at each holdout, beside the quality of its GANs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from magsig_tf.errors import RunError
from magsig_tf.evaluation.augmentation.differences import BASELINE, EXPLAINED_METRICS, ExplainedDifferences
from magsig_tf.evaluation.augmentation.gan_quality import (
    METRICS_TOLD,
    FoldValues,
    common_features,
    kept_shares,
    mean_quality,
    qualities_of,
)
from magsig_tf.evaluation.augmentation.sentence import explanation_sentence
from magsig_tf.evaluation.cells.drop import NO_RUN
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.comparison.frame import comparison_rows, with_holm
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings
from magsig_tf.reasons import NOT_FILTERED, Reason
from magsig_tf.runs.matrix import Group, Matrix, arrange
from magsig_tf.runs.run import LoadedRuns
from magsig_tf.statistics.intervals import INTERVAL_KIND
from magsig_tf.statistics.replicates import LEVELS
from magsig_tf.workspace import Workspace

ALL_FOLDS = "all"
UNFILTERED = Reason(NOT_FILTERED, "not filtered")
COLUMNS = (
    "config",
    "label",
    "holdout",
    "patient_fold",
    "level",
    "quantity",
    "compared",
    "reference",
    "reference_method",
    "features",
    "value",
    "low",
    "high",
    "p",
    "holm_p",
    "tests",
    "n",
    "words",
    "reason_code",
)


def row_of(group: Group, holdout: str, patient_fold: int | None = None, level: str = "") -> dict[str, object]:
    """Return a row of the table without a number, to be filled in.

    Args:
        group: The augmented group that it is about.
        holdout: A holdout, or "pooled".
        patient_fold: Index of the patient fold; None for all of them.
        level: "image" or "case"; empty where there is no such thing.
    """
    fold = ALL_FOLDS if patient_fold is None else str(patient_fold)
    names = {"config": group.config_hash, "label": group.label, "holdout": holdout, "patient_fold": fold}
    texts = dict.fromkeys(("compared", "reference", "reference_method", "features", "words", "reason_code"), "")
    return names | {"level": level} | texts | {"value": float("nan"), "tests": 0, "n": 0}


def difference_rows(differences: ExplainedDifferences) -> Iterator[dict]:
    """Yield the differences of one augmented group at every target, over all patient folds and for each one."""
    group, expected, settings = differences.group, differences.expected, differences.settings
    for (_, reference), by_level in differences.cells.items():
        pair = by_level[0].pair
        about = {"compared": pair.first.label, "reference": pair.reference.label, "reference_method": reference}
        for cells in by_level:
            for target, fold in _targets(differences, pair.keys):
                base = row_of(group, target, fold, cells.level) | about
                for row in comparison_rows(cells, target, expected, settings, fold):
                    numbers = {name: row[name] for name in ("value", "low", "high", "p")}
                    reason = Reason(row["reason_code"], row["reason"])
                    yield base | numbers | {"quantity": row["metric"], "n": row["pairs"]} | _said(reason)
    for (first, second), reason in differences.absent.items():
        compared = group.label if first == group.method else first
        about = {"compared": compared, "reference": second, "reference_method": second} | _said(reason)
        for target, level, metric in product(differences.targets, LEVELS, EXPLAINED_METRICS):
            yield row_of(group, target, level=level) | about | {"quantity": metric}


def _targets(differences: ExplainedDifferences, keys: set) -> Iterator[tuple[str, int | None]]:
    for target in differences.targets:
        yield target, None
        yield from ((target, fold) for fold in sorted({k for holdout, k, _ in keys if holdout == target}))


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
            yield base | {"quantity": "kept_share", "value": share, "n": len(shares)} | _said(reason)


def _said(reason: Reason) -> dict[str, str]:
    return {"words": str(reason), "reason_code": reason.code}


def _metric_rows(base: dict, folds: Sequence[FoldValues], metric: str) -> Iterator[dict]:
    mean = mean_quality(folds, metric)
    base = base | {"n": mean.gans}
    yield base | {"quantity": metric, "value": mean.value} | _said(mean.reason if folds else NO_RUN)
    yield base | {"quantity": f"{metric}_floor", "value": mean.floor}
    if metric == "kid":
        yield base | {"quantity": "kid_above_floor", "value": mean.above_floor}


METHOD = "gan"
FEWEST_FOLDS = 8
"""With fewer folds no rank correlation between KID and the difference is given."""


@dataclass(frozen=True)
class Explanation:
    """Differences of augmented runs to the baselines, beside the quality of their GANs.

    Args:
        dataset: Name of the data set.
        table: Tidy; the columns are listed in docs/numbers.md.
        groups: The augmented groups.
        features: For each group's label, the feature space in which its GANs are compared.
        matrix: All runs.
        replicates: Number B of bootstrap replicates.
        level: Coverage that the intervals aim at.
    """

    dataset: str
    table: pd.DataFrame = field(repr=False)
    groups: list[Group] = field(repr=False)
    features: dict[str, str]
    matrix: Matrix = field(repr=False)
    replicates: int
    level: float

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()

    def sentences(self, level: str) -> list[str]:
        """Return the conclusion on each group and holdout, one sentence each.

        Args:
            level: "image" or "case".
        """
        rows = self.table[(self.table["quantity"] == "sentence") & (self.table["level"] == level)]
        return rows["words"].tolist()


def augmented_groups(matrix: Matrix) -> list[Group]:
    """Return the groups whose runs used GANs."""
    return [
        group
        for group in matrix.groups
        if group.method == METHOD or any(run.record.synthetic for run in group.runs.values())
    ]


def explain(
    loaded: LoadedRuns,
    workspace: Workspace,
    *,
    replicates: int = 2000,
    level: float = 0.95,
    kind: str = INTERVAL_KIND,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """Put the differences that synthetic images make beside the quality of the GANs that drew them.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        workspace: Where the GANs lie.
        replicates: Number B of bootstrap replicates, at least 1.
        level: Coverage that the intervals aim at, in (0, 1).
        kind: A key of `intervals.INTERVALS`.
        progress: Called with the number of steps done and of all.

    Raises:
        RunError: no run used GANs, or a run's GANs are of another split or data set.
    """
    matrix, settings = arrange(loaded.runs), IntervalSettings(level, kind)
    groups = augmented_groups(matrix)
    if not groups:
        raise RunError(
            "Expected finished runs that used GANs", "found none", "Run `magsig train --method gan --holdout all`"
        )
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    qualities = {group.label: qualities_of(group, workspace) for group in groups}
    # one feature space for all, so that groups can be compared as well
    features = common_features([quality for each in qualities.values() for quality in each])
    rows: list[dict] = []
    for done, group in enumerate(groups):
        progress(done, len(groups))
        differences = ExplainedDifferences(group, matrix, bootstrap, settings)
        rows += difference_rows(differences)
        folds = [FoldValues.of(quality, features, METRICS_TOLD) for quality in qualities[group.label]]
        rows += quality_rows(group, differences.targets, folds, features)
    progress(len(groups), len(groups))
    table = _corrected(pd.DataFrame(rows).reindex(columns=list(COLUMNS)))
    said = [*_correlations(table, groups), *_sentences(table, groups)]
    # rows of text alone have no numbers; without the cast a column of NaN would be one of objects
    table = pd.concat([table, pd.DataFrame(said).reindex(columns=list(COLUMNS)).astype(table.dtypes)])
    table.insert(0, "dataset", loaded.dataset)
    used = {group.label: features for group in groups}
    return Explanation(loaded.dataset, table.reset_index(drop=True), groups, used, matrix, replicates, level)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's p-values over groups, references and holdouts; single folds and the control repeat them."""
    tests = table[(table["patient_fold"] == ALL_FOLDS) & (table["compared"] == table["label"])]
    tested = with_holm(tests.rename(columns={"quantity": "metric"}))
    return table.assign(holm_p=tested["holm_p"], tests=tested["tests"]).fillna({"tests": 0}).astype({"tests": int})


def _correlations(table: pd.DataFrame, groups: list[Group]) -> list[dict]:
    """Return the rank correlation over folds of KID and the difference in AUC, where there are enough folds."""
    rows, folds = [], table[table["patient_fold"] != ALL_FOLDS]
    for group in groups:
        of_group = folds[folds["label"] == group.label]
        keys = ["holdout", "patient_fold"]
        kid = of_group[of_group["quantity"] == "kid"].set_index(keys)["value"]
        differences = of_group[
            (of_group["quantity"] == "auc")
            & (of_group["level"] == "image")
            & (of_group["compared"] == group.label)
            & (of_group["reference_method"] == BASELINE)
        ].set_index(keys)["value"]
        both = pd.concat([kid, differences], axis=1, keys=["kid", "auc"]).dropna()
        if len(both) >= FEWEST_FOLDS and (both.nunique() > 1).all():
            value = float(spearmanr(both["kid"], both["auc"]).statistic)
            found = {"quantity": "kid_auc_correlation", "value": value, "n": len(both)}
            rows.append(row_of(group, POOLED, level="image") | found)
    return rows


def _sentences(table: pd.DataFrame, groups: list[Group]) -> list[dict]:
    whole, rows = table[table["patient_fold"] == ALL_FOLDS], []
    for group in groups:
        of_group = whole[whole["label"] == group.label]
        for holdout in dict.fromkeys(of_group["holdout"]):
            for level in LEVELS:
                told = of_group[(of_group["holdout"] == holdout) & of_group["level"].isin(["", level])]
                words = explanation_sentence(told, group.label, holdout)
                rows.append(row_of(group, holdout, level=level) | {"quantity": "sentence", "words": words})
    return rows
