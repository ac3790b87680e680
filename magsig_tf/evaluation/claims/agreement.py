"""From the numbers of runs that share their training cases to a verdict: sizes and overlaps of signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtr

from magsig_tf.evaluation.claims.verdicts import ALPHA, Finding, Verdict, p_in_words, told
from magsig_tf.runs.result_files import DRAWS_COMMAND
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import degrees_of_freedom, widening

FEWEST_RUNS = 5
"""Fewer runs are no verdict: they say too little of what patient folds and seeds do."""

FEWEST_DRAWS = 50
"""Fewer draws of training cases are no verdict: they say too little of what other cases would do."""

ROUNDING = 1e-9


@dataclass(frozen=True)
class OverRuns:
    """By how much a claim is true of each run, as it is and with the training cases drawn again.

    Args:
        values: Above 0 where the claim is true of the run, shape (runs,).
        redrawn: The same in every draw of cases, which all runs share, shape (B, runs); NaN where it is not defined.
        cases: Benign and malignant training cases that were drawn.
    """

    values: np.ndarray = field(repr=False)
    redrawn: np.ndarray = field(repr=False)
    cases: tuple[int, int]

    def contrary(self) -> float:
        """Return the two-sided p-value of the mean over runs being 0; NaN where nothing varies.

        Runs share their cases, so what cases do to all of them does not average out: it is the variance of the mean
        over draws, which have too little of it by the factor of `widening`. To it comes the variance of the runs' own
        noise, which no draw shows, over their number. Each is known with degrees of freedom of its own.

        Source: Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
        """
        means, runs = self.redrawn.mean(1), len(self.values)
        by_cases = float(np.var(means[np.isfinite(means)], ddof=1)) * widening(self.cases, 0.95)[1] ** 2
        own = float(self.values.var(ddof=1)) / runs
        if by_cases + own <= (ROUNDING * np.abs(self.values).max()) ** 2:
            return math.nan
        freedom = degrees_of_freedom([by_cases, own], [min(self.cases) - 1, runs - 1])
        return 2 * float(stdtr(freedom, -abs(self.values.mean()) / math.sqrt(by_cases + own)))


def judge_agreement(agrees: Sequence[bool], ours: str, value: float, words: str, over: OverRuns | None) -> Finding:
    """Judge a claim about every run: decided where all agree, and would with other training cases.

    Agreement alone decides nothing: runs share their cases, so where one is wrong by chance of the cases, others are.

    Args:
        agrees: For each run (or pair of runs), whether the claim is true of it; not empty.
        ours: Our number with its range.
        value: Our number.
        words: What is claimed of each run, as a clause.
        over: By how much it is true of each; None where the training cases were not drawn again.
    """
    count, runs = sum(agrees), len(agrees)
    known = Finding(Verdict.INCONCLUSIVE, "", ours, value)
    if 0 < count < runs:
        return replace(known, why=f"{words} in {count} of {runs} comparisons of runs; they do not agree.")
    said = f"{words} in {'all' if count else 'none'} of {runs} comparison{'s' * (runs > 1)} of runs"
    if runs < FEWEST_RUNS:
        few = f"fewer than {FEWEST_RUNS} comparisons are too few, train more patient folds or seeds"
        return replace(known, why=f"{said}; {few}.")
    if over is None or np.isfinite(over.redrawn).all(1).sum() < FEWEST_DRAWS:
        why = f"{said}; they share their training cases, so that other cases must be tried: run `{DRAWS_COMMAND}`."
        return replace(known, why=why)
    if min(over.cases) < FEWEST_CASES:
        return replace(known, why=f"{said}; fewer than {FEWEST_CASES} training cases in a class say nothing of others.")
    p = over.contrary()
    if math.isnan(p):
        return replace(known, verdict=told(count > 0), why=f"{said}, whichever training cases are drawn.")
    if p >= ALPHA:
        unsure = "but with other training cases the mean could lie on the other side"
        return replace(known, why=f"{said}, {unsure} ({p_in_words(p)}).")
    why = f"{said}, and would with other training cases ({p_in_words(p)})."
    return replace(known, verdict=told(count > 0), why=why, refuted=0.0 if count else p)
