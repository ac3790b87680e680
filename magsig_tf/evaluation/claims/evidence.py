"""What rules rest on: paired differences, and the sizes and overlaps of signatures, of one pair of configs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.cells.differences import Pair, PairedCells, RunKey, largest_pair, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap, CellValue, average, difference
from magsig_tf.evaluation.claims.paper import DifferenceRule, OverlapRule, Rule
from magsig_tf.evaluation.claims.verdicts import Estimate, Finding, Verdict
from magsig_tf.evaluation.summary.frame import count_behind
from magsig_tf.runs.matrix import Group, Matrix, differing
from magsig_tf.runs.result_files import SIGNATURE_COMMAND, SignatureResults
from magsig_tf.runs.run import Run

_AXES = ["holdout", "patient_fold", "seed"]


@dataclass(frozen=True)
class Redrawn:
    """A number of each run with the training cases drawn again; all runs share the draws.

    Args:
        method: Of the method's runs, shape (B, runs); of a rule about one method, of that one.
        reference: Of the reference's runs, shape (B, runs).
        cases: Benign and malignant training cases that were drawn.
    """

    method: np.ndarray
    reference: np.ndarray
    cases: tuple[int, int]


class NoEvidenceError(Exception):
    """A rule lacks what it rests on; `finding` says what is missing and what supplies it."""

    def __init__(self, finding: Finding):
        super().__init__(finding.why)
        self.finding = finding


def not_run(reason: str, command: str) -> NoEvidenceError:
    """Return the error to raise where something is missing.

    Args:
        reason: What is missing, as a clause.
        command: The command that supplies it.
    """
    return NoEvidenceError(Finding(Verdict.NOT_RUN, f"{reason}: run `{command}`."))


def train(rule: Rule, holdouts: Sequence[str] = ("all",)) -> str:
    """Return the command that trains both methods of a rule."""
    return f"magsig train --method {rule.method} {rule.reference} --holdout {' '.join(holdouts)}"


class Differences:
    """The differences of one metric of one pair at image level, as the paper counts.

    Args:
        pair: The two groups.
        metric: Name of the metric.
        bootstrap: The common cases and draws.
        order: Holdouts in the order of tables.
        of: Whose predictions, put before the metric in sentences; empty for the models' own.
    """

    def __init__(self, pair: Pair, metric: str, bootstrap: CaseBootstrap, order: Sequence[str], of: str = ""):
        self.pair, self.metric = pair, METRICS[metric]
        self.holdouts = [holdout for holdout in order if holdout in pair.holdouts]
        title = {"brier": "Brier score"}.get(metric, self.metric.title)
        self.words = f"{pair.first.method} minus {pair.reference.method}, {of}{title}"
        self._cells = PairedCells(pair, "image", [self.metric], bootstrap)

    def at(self, holdout: str) -> Estimate:
        """Return the difference at one holdout."""
        return self._estimate(self._difference([holdout]), [holdout], f" at {holdout}")

    def mean(self, holdouts: Sequence[str]) -> Estimate:
        """Return the unweighted mean of the holdouts' differences, which never mixes scores of different models."""
        words = f", mean of {len(holdouts)} holdout{'s' * (len(holdouts) > 1)}"
        return self._estimate(average([self._difference([holdout]) for holdout in holdouts]), holdouts, words)

    def pooled(self, holdouts: Sequence[str]) -> Estimate:
        """Return the difference on the joined predictions of holdouts."""
        return self._estimate(self._difference(holdouts), holdouts, f", pooled over {', '.join(holdouts)}")

    def between(self, holdout: str, other: str) -> Estimate:
        """Return by how much the difference at one holdout exceeds that at another."""
        cell = difference(self._difference([holdout]), self._difference([other]))
        found = self._estimate(cell, [holdout, other], f" at {holdout} minus that at {other}")
        low, high = found.bounds
        # a difference of two differences reaches twice as far
        return replace(found, bounds=(low - high, high - low))

    def _difference(self, holdouts: Sequence[str]) -> CellValue:
        return self._cells.values(holdouts)[self.metric.name].difference

    def _estimate(self, cell: CellValue, holdouts: Sequence[str], where: str) -> Estimate:
        counts = count_behind(self.pair.runs_at(holdouts), "test")
        cases = counts["cases_benign"], counts["cases_malignant"]
        return Estimate(f"{self.words}{where}", cell.values, cases, self.metric.bounds_of_difference)


class Evidence:
    """What finished runs and result files of signatures say of pairs of methods.

    Args:
        matrix: All runs.
        bootstrap: The common cases and draws.
        results: The tables of `magsig signatures --compare-folds`.
    """

    def __init__(self, matrix: Matrix, bootstrap: CaseBootstrap, results: SignatureResults):
        self.matrix, self._bootstrap, self._results = matrix, bootstrap, results
        self._pairs: dict[tuple[str, str], Pair] = {}

    def pair(self, rule: Rule) -> Pair:
        """Return the pair of configs that agree in all settings but the method; of several, that with the most runs.

        Only groups that compete are paired.

        Raises:
            NoEvidenceError: a method has no finished runs, or no two groups can be paired.
        """
        names = rule.method, rule.reference
        if names in self._pairs:
            return self._pairs[names]
        sides = {name: [group for group in self.matrix.competing if group.method == name] for name in names}
        for name, groups in sides.items():
            if not groups:
                raise not_run(f"no finished runs of {name}", f"magsig train --method {name} --holdout all")
        first, reference = sides.values()
        pair = largest_pair(first, reference)
        if pair is None or not pair.keys:
            keys = sorted({key for group in first for other in reference for key in differing(group, other)})
            apart = f"they differ in {', '.join(keys)}" if keys else "they share no split, patient fold and seed"
            raise not_run(f"runs of {names[0]} and {names[1]} cannot be paired, {apart}", train(rule))
        self._pairs[names] = pair
        return pair

    def differences(self, rule: DifferenceRule, named: Sequence[str] = ()) -> Differences:
        """Return the differences that a rule is about.

        Args:
            rule: The rule.
            named: Holdouts that must be among them.

        Raises:
            NoEvidenceError: there is no pair, or none at a named holdout, or sparse classifiers have no predictions.
        """
        pair, of = self.pair(rule), ""
        _need(rule, pair, named)
        if rule.of == "sparse_classifiers":
            answers, of = self._results.predictions, "sparse classifiers, "
            if answers is None:
                raise not_run("no predictions of sparse classifiers", SIGNATURE_COMMAND)
            pair = pair_groups(_answered(pair.first, answers), _answered(pair.reference, answers))
            if not pair.keys or set(named) - pair.holdouts:
                raise not_run("no predictions of sparse classifiers for these runs", SIGNATURE_COMMAND)
        return Differences(pair, rule.metric, self._bootstrap, self.matrix.holdouts, of)

    def sizes(self, rule: Rule) -> pd.DataFrame | None:
        """Return the sizes of both methods' signatures as `k_method` and `k_reference`; None without a pair of them."""
        if self._results.sizes is None:
            return None
        pair = self.pair(rule)
        sides = [_at_seeds(_of(self._results.sizes, group), group) for group in (pair.first, pair.reference)]
        both = sides[0].merge(sides[1], on=_AXES, suffixes=("_method", "_reference"))
        both = both.dropna(subset=["k_method", "k_reference"])
        both = both[[key in pair.keys for key in both[_AXES].itertuples(index=False, name=None)]]
        return both if len(both) else None

    def overlaps(self, rule: OverlapRule, whose: str, paired: bool = False) -> pd.DataFrame:
        """Return the overlaps of the signatures of two holdouts, one per patient fold and seed.

        Args:
            rule: The rule.
            whose: "method" or "reference".
            paired: Whether those of an exact method are repeated for each seed of the other one.

        Raises:
            NoEvidenceError: there is no pair at both holdouts, no table of overlaps, or no overlap in it.
        """
        pair, at = self.pair(rule), " and ".join(rule.holdouts)
        _need(rule, pair, rule.holdouts)
        if self._results.pairs is None:
            raise not_run("signatures of different holdouts were not compared", SIGNATURE_COMMAND)
        group = pair.first if whose == "method" else pair.reference
        rows = _of(self._results.pairs, group)
        rows = rows[rows["first"].isin(rule.holdouts) & rows["second"].isin(rule.holdouts)]
        compared, rows = len(rows), rows.dropna(subset=["jaccard"])
        if compared and rows.empty:
            why = f"both signatures of {group.method} are empty at {at}: they have no overlap."
            raise NoEvidenceError(Finding(Verdict.INCONCLUSIVE, why))
        if rows.empty:
            raise not_run(f"no overlap of {group.method} between {at}", SIGNATURE_COMMAND)
        return _at_seeds(rows, group) if paired else rows

    def redrawn_sizes(self, rule: Rule, both: pd.DataFrame) -> Redrawn | None:
        """Return the sizes with the training cases drawn again; None where one of them was not drawn.

        Args:
            rule: The rule.
            both: From `sizes`.
        """
        pair = self.pair(rule)
        return _redrawn(self._results.draws, (pair.first, pair.reference), both[_AXES], "k")

    def redrawn_overlaps(self, rule: OverlapRule, rows: pd.DataFrame, *whose: str) -> Redrawn | None:
        """Return the overlaps with the training cases drawn again; None where one of them was not drawn.

        Args:
            rule: The rule.
            rows: Columns patient_fold and seed: from `overlaps`.
            whose: "method", "reference", or both.
        """
        pair, drawn = self.pair(rule), self._results.pair_draws
        groups = [pair.first if each == "method" else pair.reference for each in whose]
        if drawn is not None:
            drawn = drawn[drawn["first"].isin(rule.holdouts) & drawn["second"].isin(rule.holdouts)]
        return _redrawn(drawn, groups, rows[["patient_fold", "seed"]], "jaccard")


def _redrawn(drawn: pd.DataFrame | None, groups: Sequence[Group], runs: pd.DataFrame, value: str) -> Redrawn | None:
    if drawn is None:
        return None
    keys, sides = pd.MultiIndex.from_frame(runs), []
    for group in groups:
        rows = _of(drawn, group)
        rows = _at_seeds(rows, group) if len(groups) > 1 else rows
        wide = rows.pivot_table(index="draw", columns=list(runs.columns), values=value, dropna=False)
        if not keys.isin(wide.columns).all():
            return None
        sides.append(wide[keys])
    if len(sides) == 2 and not sides[0].index.equals(sides[1].index):
        return None
    first = drawn.iloc[0]
    cases = int(first["cases_benign"]), int(first["cases_malignant"])
    return Redrawn(sides[0].to_numpy(float), sides[-1].to_numpy(float), cases)


def _need(rule: Rule, pair: Pair, holdouts: Sequence[str]) -> None:
    absent = [holdout for holdout in holdouts if holdout not in pair.holdouts]
    if absent:
        raise not_run(f"no pair of runs at holdout {', '.join(absent)}", train(rule, absent))


def _of(frame: pd.DataFrame, group: Group) -> pd.DataFrame:
    return frame[(frame["method"] == group.method) & (frame["config"] == group.config_hash)]


def _at_seeds(rows: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Return rows of a group's runs, those of an exact method under every seed that its runs are paired with."""
    return pd.concat([rows.assign(seed=seed) for seed in group.seeds]) if group.seedless else rows


def _answered(group: Group, predictions: pd.DataFrame) -> Group:
    runs: dict[RunKey, Run] = {}
    for key, rows in _at_seeds(_of(predictions, group), group).groupby(_AXES):
        if key not in group.runs:
            continue
        tested = group.runs[key].part("test")
        answers = rows.set_index("row")["probability"].reindex(tested["row"]).to_numpy()
        # tables of other runs in the same place must not pass for these
        if len(rows) == len(tested) and np.isfinite(answers).all():
            runs[key] = group.runs[key].with_predictions(tested.assign(probability=answers))
    return replace(group, runs=runs)
