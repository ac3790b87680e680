"""The explanation table: what GAN augmentation changes at each holdout, beside the quality of its GANs; its notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import pandas as pd
from scipy.stats import spearmanr

from magsig_tf.errors import RunError
from magsig_tf.evaluation.augmentation import differences, gan_quality
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.comparison import with_holm
from magsig_tf.evaluation.summary.frame import POOLED, IntervalSettings, ResultTable
from magsig_tf.evaluation.summary.notes import listed, marked
from magsig_tf.reasons import RUN_IS_MISSING, of_texts
from magsig_tf.runs.matrix import Group, Matrix, arrange, told_apart
from magsig_tf.runs.run import LoadedRuns
from magsig_tf.statistics.intervals import INTERVAL_KIND
from magsig_tf.statistics.replicates import LEVELS
from magsig_tf.workspace import Workspace

COLUMNS = [
    *("config", "label", "holdout", "patient_fold", "level", "quantity", "compared", "reference", "reference_method"),
    *("features", "value", "low", "high", "p", "holm_p", "tests", "n", "words", "reason_code"),
]


METHOD = "gan"
FEWEST_FOLDS = 8
"""With fewer folds no rank correlation between KID and the difference is given."""


@dataclass(frozen=True)
class Explanation(ResultTable):
    """Differences of augmented runs to the baselines, beside the quality of their GANs.

    Args:
        table: Tidy; the columns are listed in docs/numbers.md.
        groups: The augmented groups.
        features: For each group's label, the feature space in which its GANs are compared.
        matrix: All runs.
        level: Coverage that the intervals aim at.
    """

    groups: list[Group] = field(repr=False)
    features: dict[str, str]
    matrix: Matrix = field(repr=False)
    level: float

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
        remedy = "Run `magsig train --method gan --holdout all`"
        raise RunError("Expected finished runs that used GANs", "found none", remedy)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    qualities = {group.label: gan_quality.qualities_of(group, workspace) for group in groups}
    # one feature space for all, so that groups can be compared as well
    features = gan_quality.common_features([quality for each in qualities.values() for quality in each])
    rows: list[dict] = []
    for done, group in enumerate(groups):
        progress(done, len(groups))
        rows += differences.difference_rows(group, matrix, bootstrap, settings)
        gans = gan_quality.gans_of(qualities[group.label], features)
        rows += gan_quality.quality_rows(group, differences.targets_of(group, matrix), gans, features)
    progress(len(groups), len(groups))
    table = _corrected(pd.DataFrame(rows).reindex(columns=COLUMNS))
    said = [*_correlations(table, groups), *_sentences(table, groups)]
    # rows of text alone have no numbers; without the cast a column of NaN would be one of objects
    table = pd.concat([table, pd.DataFrame(said).reindex(columns=COLUMNS).astype(table.dtypes)])
    table.insert(0, "dataset", loaded.dataset)
    used = dict.fromkeys((group.label for group in groups), features)
    return Explanation(loaded.dataset, table.reset_index(drop=True), replicates, groups, used, matrix, level)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Add Holm's p-values over groups, references and holdouts; single folds and the control repeat them."""
    tests = table[(table["patient_fold"] == differences.ALL_FOLDS) & (table["compared"] == table["label"])]
    tested = with_holm(tests.rename(columns={"quantity": "metric"}))
    return table.assign(holm_p=tested["holm_p"], tests=tested["tests"]).fillna({"tests": 0}).astype({"tests": int})


def _correlations(table: pd.DataFrame, groups: list[Group]) -> list[dict]:
    """Return the rank correlation over folds of KID and the difference in AUC, where there are enough folds."""
    rows, folds = [], table[table["patient_fold"] != differences.ALL_FOLDS]
    for group in groups:
        of_group = folds[folds["label"] == group.label]
        keys = ["holdout", "patient_fold"]
        kid = of_group[of_group["quantity"] == "kid"].set_index(keys)["value"]
        auc = of_group[(of_group["quantity"] == "auc") & (of_group["level"] == "image")]
        auc = auc[(auc["compared"] == group.label) & (auc["reference_method"] == differences.BASELINE)]
        both = pd.concat([kid, auc.set_index(keys)["value"]], axis=1, keys=["kid", "auc"]).dropna()
        if len(both) >= FEWEST_FOLDS and (both.nunique() > 1).all():
            value = float(spearmanr(both["kid"], both["auc"]).statistic)
            found = {"quantity": "kid_auc_correlation", "value": value, "n": len(both)}
            rows.append(differences.row_of(group, POOLED, level="image") | found)
    return rows


def _sentences(table: pd.DataFrame, groups: list[Group]) -> list[dict]:
    whole, rows = table[table["patient_fold"] == differences.ALL_FOLDS], []
    for group in groups:
        of_group = whole[whole["label"] == group.label]
        for holdout, level in product(dict.fromkeys(of_group["holdout"]), LEVELS):
            told = of_group[(of_group["holdout"] == holdout) & of_group["level"].isin(["", level])]
            words = differences.explanation_sentence(told, group.label, holdout)
            rows.append(differences.row_of(group, holdout, level=level) | {"quantity": "sentence", "words": words})
    return rows


_CLEAR = 0.05


def explanation_notes(explanation: Explanation, level: str) -> list[str]:
    """Return the notes below one printed explanation table.

    Args:
        explanation: The explanation.
        level: "image" or "case".

    Returns:
        The sentence of each group and holdout first, then notes.
    """
    table, features = explanation.table, set(explanation.features.values())
    whole = table[(table["patient_fold"] == differences.ALL_FOLDS) & table["level"].isin(["", level])]
    return [
        *explanation.sentences(level),
        *marked(explanation.groups),
        *_correlation(whole),
        *_standing(whole),
        *[f"{label}: {words}." for label, words in told_apart(explanation.groups).items() if words],
        *(f"KID and the other measures of the GANs use {gan_quality.FEATURES[name]}." for name in features),
        *_differences(whole),
        *_quality(table),
    ]


def _correlation(whole: pd.DataFrame) -> list[str]:
    return [
        f"{row.label}: over {row.n} folds, KID and the AUC difference to baseline have a rank correlation of "
        f"{row.value:+.2f} (Spearman; the folds share cases, so there is no p-value)."
        for row in whole[whole["quantity"] == "kid_auc_correlation"].itertuples()
    ]


def _standing(whole: pd.DataFrame) -> list[str]:
    """Say how many of the told differences stand when all of them are counted as tests."""
    told = whole[(whole["low"] > 0) | (whole["high"] < 0)]
    told = told[(told["holdout"] != POOLED) & (told["tests"] > 0)]
    if told.empty:
        return []
    stand = int((told["holm_p"] < _CLEAR).sum())
    return [
        f"Intervals are not corrected for the number of tests. Of {len(told)} intervals of single holdouts that "
        f"exclude 0, {stand} also have a Holm p below {_CLEAR:.2f} ({int(told['tests'].max())} tests of a metric)."
    ]


def _differences(whole: pd.DataFrame) -> list[str]:
    """List why differences are absent or rest on less than they should."""
    rows = whole[(whole["reference_method"] != "") & (whole["words"] != "")]
    rows = rows[~rows["reason_code"].isin(RUN_IS_MISSING)]
    return listed(
        (f"{row['compared']} - {row['reference']} {row['holdout']}", words)
        for row in rows.to_dict("records")
        for words in of_texts(row["reason_code"], row["words"])
    )


def _quality(table: pd.DataFrame) -> list[str]:
    """List the folds whose GANs have no quality table, or one with gaps, and why."""
    told: list[tuple[str, str]] = []
    single = table[table["patient_fold"] != differences.ALL_FOLDS]
    rows = single[single["quantity"].isin(gan_quality.METRICS_TOLD) & (single["words"] != "")]
    for (label, holdout, fold), of_fold in rows.groupby(["label", "holdout", "patient_fold"], sort=False):
        words = of_fold.set_index("quantity")["words"]
        everything = len(words) == len(gan_quality.METRICS_TOLD) and words.nunique() == 1
        titles = [str(name).replace("kid", "KID").replace("_", " ") for name in words.index]
        said = words.iloc[:1] if everything else map("{}: {}".format, titles, words)
        told += ((f"{label} {holdout} fold {fold}", each) for each in said)
    return listed(told)
