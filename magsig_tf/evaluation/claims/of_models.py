"""Claims about the models' own predictions: discrimination, synthetic images, Brier score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims.claim import Claim
from magsig_tf.evaluation.claims.evidence import AUGMENTED, BASELINE, PROPOSED, Differences, Missing, chosen_pair
from magsig_tf.evaluation.claims.paper import Paper
from magsig_tf.evaluation.claims.verdicts import (
    CANNOT_BE_TOLD,
    DIRECTION_LEVEL,
    DOES_NOT_HOLD,
    EQUIVALENCE_LEVEL,
    HOLDS,
    MOST_CASES,
    Estimate,
    Finding,
    all_of,
    cases_needed,
    judge_direction,
    negated,
    not_run,
)
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.matrix import Matrix
from magsig_tf.statistics.significance import bootstrap_p_value, holm

CLEAREST = "200X"
DEGRADED = "400X"
RIVALS = (BASELINE, AUGMENTED)


class ModelClaims:
    """The claims that predictions of finished runs answer.

    Args:
        matrix: All runs.
        bootstrap: The common cases and draws.
        margin: Differences of AUC up to this size do not matter.
        paper: What the paper states.
    """

    def __init__(self, matrix: Matrix, bootstrap: CaseBootstrap, margin: float, paper: Paper):
        self.matrix, self.bootstrap, self.margin, self.paper = matrix, bootstrap, margin, paper
        self._found: dict[tuple[str, str], Differences | Missing] = {}

    def all(self) -> list[Claim]:
        """Return the claims, in the order of the paper."""
        strongest, inconsistent, lowest = self.paper.statements[:3]
        brier = self.paper.numbers["brier"]
        numbers = f"{number(brier[PROPOSED])} against {number(brier[BASELINE])}"
        pair = (PROPOSED, BASELINE)
        augmented = (AUGMENTED, BASELINE)
        return [
            Claim(
                "auc_strongest",
                "statement",
                "grl has a higher AUC than baseline and gan, mean over holdouts",
                strongest,
                "",
                self._against_rivals(lambda d: d.mean("auc"), 1),
            ),
            Claim(
                "auc_gain_200X",
                "statement",
                "the gain of grl over baseline in AUC is largest at holdout 200X",
                strongest,
                "",
                self._with(pair, lambda d: _clearest(d, CLEAREST)),
            ),
            Claim(
                "gan_inconsistent",
                "statement",
                "gan raises AUC at some holdouts and lowers it at others",
                inconsistent,
                "",
                self._with(augmented, lambda d: _inconsistent(d, self.margin)),
            ),
            Claim(
                "gan_degrades_400X",
                "statement",
                "gan lowers AUC at holdout 400X",
                inconsistent,
                "",
                self._with(augmented, lambda d: _at(d, DEGRADED, -1)),
            ),
            Claim(
                "brier_lowest",
                "statement",
                "grl has a lower Brier score than baseline and gan, holdouts pooled",
                lowest,
                numbers,
                self._against_rivals(lambda d: d.pooled("brier"), -1),
            ),
        ]

    def falsified(self) -> Claim:
        """Return the criterion of falsification that predictions answer."""
        source = self.paper.falsified_if[0]
        brier = self.paper.numbers["brier"]
        finding = self._with((PROPOSED, BASELINE), lambda d: negated(judge_direction(d.pooled("brier"), -1)))
        stated = number(brier[PROPOSED] - brier[BASELINE], True)
        return Claim("falsified_by_brier", "falsification", source, source, stated, finding)

    def _differences(self, pair: tuple[str, str]) -> Differences | Missing:
        if pair not in self._found:
            found = chosen_pair(self.matrix, *pair)
            if not isinstance(found, Missing):
                found = Differences(found, self.bootstrap, self.matrix.holdouts)
            self._found[pair] = found
        return self._found[pair]

    def _with(self, pair: tuple[str, str], judge: Callable[[Differences], Finding]) -> Finding:
        found = self._differences(pair)
        return not_run(found.reason, found.command) if isinstance(found, Missing) else judge(found)

    def _against_rivals(self, estimate: Callable[[Differences], Estimate], sign: int) -> Finding:
        """Judge that grl beats every rival; each part is judged at its own level, since all of them must hold."""
        judged = [self._with((PROPOSED, rival), lambda d: judge_direction(estimate(d), sign)) for rival in RIVALS]
        return all_of(judged)


def _at(differences: Differences, holdout: str, sign: int) -> Finding:
    if holdout not in differences.holdouts:
        return _no_holdout(differences, holdout)
    return judge_direction(differences.at(holdout, "auc"), sign)


def _no_holdout(differences: Differences, holdout: str) -> Finding:
    methods = f"{differences.pair.first.method} {differences.pair.reference.method}"
    return not_run(f"no pair of runs at holdout {holdout}", f"magsig train --method {methods} --holdout {holdout}")


def _clearest(differences: Differences, holdout: str) -> Finding:
    """Judge that the gain at a holdout is above 0 and above that at every other holdout."""
    others = [other for other in differences.holdouts if other != holdout]
    if holdout not in differences.holdouts:
        return _no_holdout(differences, holdout)
    if not others:
        methods = f"{differences.pair.first.method} {differences.pair.reference.method}"
        return not_run("no other holdout to compare with", f"magsig train --method {methods} --holdout all")
    gain = _at(differences, holdout, 1)
    more = [judge_direction(differences.between(holdout, other, "auc"), 1) for other in others]
    return all_of([gain, *more])


def _inconsistent(differences: Differences, margin: float) -> Finding:
    """Judge that a difference is above 0 at some holdouts and below 0 at others.

    "Some" is picked from several holdouts, so Holm's p counts them. It is refused where no holdout can have gained, or
    none can have lost, more than the margin.
    """
    estimates = {holdout: differences.at(holdout, "auc") for holdout in differences.holdouts}
    values = [estimate.value for estimate in estimates.values()]
    ours = f"{number(min(values), True)} to {number(max(values), True)}"
    known = Finding(CANNOT_BE_TOLD, "", ours, cases=max(sum(estimate.cases) for estimate in estimates.values()))
    if len(estimates) < 2:
        return not_run("one holdout only", "magsig train --method gan baseline --holdout all")
    intervals = {holdout: estimate.interval(DIRECTION_LEVEL) for holdout, estimate in estimates.items()}
    if np.isnan(list(intervals.values())).any():
        names = ", ".join(holdout for holdout, ends in intervals.items() if np.isnan(ends).any())
        return _said(known, CANNOT_BE_TOLD, f"no interval at {names}, too few test cases in a class")
    p_values = holm([bootstrap_p_value(estimate.values[1:]) for estimate in estimates.values()])
    told = [h for h, p in zip(estimates, p_values, strict=True) if p < 1 - DIRECTION_LEVEL]
    up = [holdout for holdout in told if estimates[holdout].value > 0]
    down = [holdout for holdout in told if estimates[holdout].value < 0]
    if up and down:
        return _said(known, HOLDS, f"above 0 at {', '.join(up)} and below 0 at {', '.join(down)}, Holm's p below .05")
    ends = np.array([estimate.interval(EQUIVALENCE_LEVEL) for estimate in estimates.values()])
    for nowhere, word in ((ends[:, 1] <= margin, "raised"), (ends[:, 0] >= -margin, "lowered")):
        if nowhere.all():
            return _said(known, DOES_NOT_HOLD, f"nowhere {word} by more than {number(margin)}, by 90 % intervals")
    words = [f"above 0 at {', '.join(up)}"] * bool(up) + [f"below 0 at {', '.join(down)}"] * bool(down)
    needed = _cases_to_settle(list(estimates.values()), margin)
    how_many = f"about {needed:,.0f}" if needed <= MOST_CASES else f"more than {MOST_CASES:,}"
    found = f"{' and '.join(words) or 'at no holdout'} told from 0 by Holm's p"
    said = _said(known, CANNOT_BE_TOLD, f"{found}; {how_many} cases would settle it, here are {known.cases}")
    return replace(said, cases_needed=needed)


def _cases_to_settle(estimates: Sequence[Estimate], margin: float) -> float:
    """Return the cases that tell the largest gain and the largest loss, or that rule out one of them at any holdout."""
    highest, lowest = max(estimates, key=lambda e: e.value), min(estimates, key=lambda e: e.value)
    if lowest.value < 0 < highest.value:
        ends = [(e, e.interval(DIRECTION_LEVEL), 0.0) for e in (highest, lowest)]
    else:
        bound = -margin if lowest.value >= 0 else margin
        ends = [(e, e.interval(EQUIVALENCE_LEVEL), bound) for e in estimates]
    needed = []
    for estimate, (low, high), bound in ends:
        reach = estimate.value - low if estimate.value > bound else high - estimate.value
        needed.append(cases_needed(sum(estimate.cases), reach, abs(estimate.value - bound)))
    return max(needed)


def _said(known: Finding, verdict: str, words: str) -> Finding:
    return replace(known, verdict=verdict, why=f"gan minus baseline, AUC: {words}.")
