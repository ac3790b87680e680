"""Claims about sparse signatures: their size, what it costs, and their overlap between holdouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from magsig_tf.evaluation.cells.paired import Pair, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims.claim import Claim
from magsig_tf.evaluation.claims.evidence import BASELINE, PROPOSED, Differences, Missing, chosen_pair
from magsig_tf.evaluation.claims.paper import Paper
from magsig_tf.evaluation.claims.verdicts import (
    CANNOT_BE_TOLD,
    Finding,
    all_of,
    judge_agreement,
    judge_equivalence,
    negated,
    not_run,
)
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.matrix import Group, Matrix
from magsig_tf.runs.run import Run
from magsig_tf.runs.signature_results import SIGNATURE_COMMAND, SignatureResults

OVERLAPPING = ("100X", "200X")
NEAR_ZERO = 0.1
"""A Jaccard index below this counts as near zero; a convention."""

STATED_RATIO = 3.0
FALSIFYING_RATIO = 2.0


class SignatureClaims:
    """The claims that result files of signatures answer, on the same pair of configs as the other claims.

    Args:
        matrix: All runs.
        bootstrap: The common cases and draws.
        margin: Differences of AUC, F1 or a Jaccard index up to this size do not matter.
        paper: What the paper states.
        results: The tables of `magsig signatures --compare-folds`.
    """

    def __init__(
        self, matrix: Matrix, bootstrap: CaseBootstrap, margin: float, paper: Paper, results: SignatureResults
    ):
        self.matrix, self.bootstrap, self.margin, self.paper = matrix, bootstrap, margin, paper
        self.results = results
        self._pair = chosen_pair(matrix, PROPOSED, BASELINE)

    def all(self) -> list[Claim]:
        """Return the claims, in the order of the paper."""
        smaller, overlap = self.paper.statements[3:5]
        sizes = self.paper.numbers["signature_size_mean"]
        ratio = f"{sizes[BASELINE]} to {sizes[PROPOSED]}: {self.paper.size_ratio:.1f} times"
        size = "signatures of grl are more than three times smaller, on average"
        claims = [("signature_size", size, smaller, ratio, self._size(STATED_RATIO))]
        for metric, title in (("auc", "AUC"), ("f1", "F1")):
            of = self.paper.numbers[f"signature_{metric}"]
            paper = f"{number(of[PROPOSED] - of[BASELINE], True)} ({number(of[BASELINE])} to {number(of[PROPOSED])})"
            words = f"the sparse classifiers have equivalent {title}, margin {number(self.margin)}"
            claims.append((f"signature_{metric}", words, smaller, paper, self._equivalent(metric)))
        claims += [(name, words, overlap, *rest) for name, words, *rest in self._overlap_claims()]
        return [Claim(name, "statement", *rest) for name, *rest in claims]

    def _overlap_claims(self) -> list[tuple[str, str, str, Finding]]:
        stated = self.paper.numbers["jaccard_100X_200X"][PROPOSED]
        least, at = stated - self.margin, f"between {' and '.join(OVERLAPPING)}"
        grl = self._overlap(PROPOSED, lambda j: j >= least, f"at least {number(least)}")
        baseline = self._overlap(BASELINE, lambda j: j < NEAR_ZERO, f"below {number(NEAR_ZERO)}")
        raised = f"signatures of grl overlap more {at}"
        nearly_all = f"overlap of grl {at} is {number(stated)}"
        return [
            ("overlap_raised", raised, f"near 0 to {number(stated)}", self._raised()),
            ("overlap_grl", nearly_all, number(stated), grl),
            ("overlap_baseline", f"overlap of baseline {at} is near 0", "near 0", baseline),
        ]

    def falsified(self) -> Claim:
        """Return the criterion of falsification that signatures answer."""
        source = self.paper.falsified_if[1]
        size = self._size(FALSIFYING_RATIO)
        met = negated(all_of([size, self._equivalent("auc"), self._equivalent("f1")], size))
        return Claim("falsified_by_size", "falsification", source, source, f"{self.paper.size_ratio:.1f} times", met)

    def _size(self, times: float) -> Finding:
        """Judge whether signatures of baseline are more than `times` (two: at least) those of grl."""
        if isinstance(self._pair, Missing):
            return not_run(self._pair.reason, self._pair.command)
        both = self._paired_sizes
        if both is None:
            return not_run("no sizes of the signatures of both methods on the same runs", SIGNATURE_COMMAND)
        ours, reference = both["k_grl"].to_numpy(float), both["k_baseline"].to_numpy(float)
        strictly = times == STATED_RATIO
        agrees = (reference > times * ours) if strictly else (reference >= times * ours) & (reference > 0)
        ratio = reference.mean() / ours.mean() if ours.any() else math.inf
        each = [b / g if g else math.inf for g, b in zip(ours, reference, strict=True) if g or b]
        printed = f"{reference.mean():,.0f} to {ours.mean():,.0f}: {ratio:.1f} times"
        if each:
            printed += f" ({min(each):.1f} to {max(each):.1f}, n {len(both)})"
        words = f"{'more than' if strictly else 'at least'} {times:.0f} times smaller"
        value = ratio if math.isfinite(ratio) else math.nan
        found = judge_agreement(list(agrees), printed, value, f"signatures of grl are {words}")
        return self._unless_empty(found)

    def _unless_empty(self, found: Finding) -> Finding:
        """Take back a verdict that rests on empty signatures: of no dimension nothing is small, and nothing is lost."""
        both = self._paired_sizes
        if both is None:
            return found
        sizes = both[["k_grl", "k_baseline"]].to_numpy(float).ravel()
        empty = int((sizes == 0).sum())
        if not empty:
            return found
        why = f"{empty} of {len(sizes)} signatures are empty: their classifier says the same of every image."
        return replace(found, verdict=CANNOT_BE_TOLD, why=why, cases_needed=math.nan)

    @cached_property
    def _paired_sizes(self) -> pd.DataFrame | None:
        if self.results.sizes is None:
            return None
        keys = ["holdout", "patient_fold", "seed"]
        sides = [_of(self.results.sizes, group) for group in (self._pair.first, self._pair.reference)]
        both = sides[0].merge(sides[1], on=keys, suffixes=("_grl", "_baseline")).dropna(subset=["k_grl", "k_baseline"])
        paired = [key in self._pair.keys for key in both[keys].itertuples(index=False, name=None)]
        both = both[paired]
        return both if len(both) else None

    def _equivalent(self, metric: str) -> Finding:
        if isinstance(self._pair, Missing):
            return not_run(self._pair.reason, self._pair.command)
        if self.results.predictions is None:
            return not_run("no predictions of sparse classifiers", SIGNATURE_COMMAND)
        pair = self._sparse_pair(self._pair, self.results.predictions)
        if not pair.keys:
            return not_run("no predictions of sparse classifiers for these runs", SIGNATURE_COMMAND)
        differences = Differences(pair, self.bootstrap, self.matrix.holdouts, "sparse classifiers,")
        return self._unless_empty(judge_equivalence(differences.mean(metric), self.margin))

    def _sparse_pair(self, pair: Pair, predictions: pd.DataFrame) -> Pair:
        """Return the pair with the sparse classifiers' answers in place of the models' own."""
        return pair_groups(*(_answered(side, predictions) for side in (pair.first, pair.reference)))

    def _jaccard(self, method: str) -> pd.DataFrame | Finding:
        """Return the pairs of signatures of the two holdouts, one a patient fold and seed."""
        if isinstance(self._pair, Missing):
            return not_run(self._pair.reason, self._pair.command)
        absent = sorted(set(OVERLAPPING) - self._pair.holdouts)
        if absent:
            command = f"magsig train --method {PROPOSED} {BASELINE} --holdout {' '.join(absent)}"
            return not_run(f"no pair of runs at holdout {', '.join(absent)}", command)
        if self.results.pairs is None:
            return not_run("signatures of different holdouts were not compared", SIGNATURE_COMMAND)
        group = self._pair.first if method == PROPOSED else self._pair.reference
        rows = _of(self.results.pairs, group)
        rows = rows[rows["first"].isin(OVERLAPPING) & rows["second"].isin(OVERLAPPING)]
        compared, rows = len(rows), rows.dropna(subset=["jaccard"])
        if compared and rows.empty:
            at = " and ".join(OVERLAPPING)
            return Finding(CANNOT_BE_TOLD, f"both signatures of {method} are empty at {at}: they have no overlap.")
        if rows.empty:
            return not_run(f"no overlap of {method} between {' and '.join(OVERLAPPING)}", SIGNATURE_COMMAND)
        return rows

    def _overlap(self, method: str, agrees: Callable[[float], bool], words: str) -> Finding:
        rows = self._jaccard(method)
        if isinstance(rows, Finding):
            return rows
        values = rows["jaccard"].to_numpy()
        found = judge_agreement([agrees(j) for j in values], _ranged(values), values.mean(), f"the index is {words}")
        return replace(found, why=f"{found.why} Random sets of these sizes: {number(rows['expected'].mean())}.")

    def _raised(self) -> Finding:
        rows = [self._jaccard(method) for method in (PROPOSED, BASELINE)]
        for found in rows:
            if isinstance(found, Finding):
                return found
        both = rows[0].merge(rows[1], on=["patient_fold", "seed"], suffixes=("_grl", "_baseline"))
        if both.empty:
            return not_run("no overlap of both methods for one patient fold and seed", SIGNATURE_COMMAND)
        gain = (both["jaccard_grl"] - both["jaccard_baseline"]).to_numpy()
        chance = [number(both[f"expected_{method}"].mean()) for method in (PROPOSED, BASELINE)]
        found = judge_agreement(list(gain > 0), _ranged(gain, True), gain.mean(), "the index of grl is the higher one")
        return replace(found, why=f"{found.why} Random sets of these sizes: {chance[0]} grl, {chance[1]} baseline.")


def _ranged(values: np.ndarray, signed: bool = False) -> str:
    """Write a mean over runs with its range, which is no interval."""
    mean = number(values.mean(), signed)
    if len(values) == 1:
        return f"{mean} (n 1)"
    return f"{mean} ({number(values.min(), signed)} to {number(values.max(), signed)}, n {len(values)})"


def _of(frame: pd.DataFrame, group: Group) -> pd.DataFrame:
    return frame[(frame["method"] == group.method) & (frame["config"] == group.config_hash)]


def _answered(group: Group, predictions: pd.DataFrame) -> Group:
    runs: dict[tuple[str, int, int], Run] = {}
    for key, rows in _of(predictions, group).groupby(["holdout", "patient_fold", "seed"]):
        if key not in group.runs:
            continue
        tested = group.runs[key].part("test")
        answers = rows.set_index("row")["probability"].reindex(tested["row"]).to_numpy()
        # tables of other runs in the same place must not pass for these
        if len(rows) == len(tested) and np.isfinite(answers).all():
            runs[key] = group.runs[key].with_predictions(tested.assign(probability=answers))
    return replace(group, runs=runs)
