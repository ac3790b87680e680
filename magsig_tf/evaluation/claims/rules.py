"""One small function a rule of a claims file: from evidence to a finding; docs/claims.md has the rules in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.claims import paper
from magsig_tf.evaluation.claims.evidence import Evidence, NoEvidenceError, metric_title, not_run, train
from magsig_tf.evaluation.claims.verdicts import (
    DIRECTION_LEVEL,
    EQUIVALENCE_LEVEL,
    Estimate,
    Finding,
    Verdict,
    all_of,
    cases_needed,
    how_many,
    judge_agreement,
    judge_direction,
    judge_equivalence,
    negated,
)
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.signature_results import SIGNATURE_COMMAND
from magsig_tf.statistics.significance import bootstrap_p_value, holm


def judge_statement(statement: paper.Statement, evidence: Evidence, margin: float) -> Finding:
    """Judge a claim by its rules.

    Args:
        statement: The claim.
        evidence: What runs and result files say.
        margin: Differences up to this size do not matter.
    """
    findings = [_judged(rule, evidence, margin) for rule in statement.holds_if or statement.holds_unless]
    return all_of(findings) if statement.holds_if else negated(all_of(findings, findings[0]))


def _judged(rule: paper.Rule, evidence: Evidence, margin: float) -> Finding:
    try:
        found = _JUDGES[type(rule)](rule, evidence, margin)
    except NoEvidenceError as error:
        return error.finding
    rests_on_sizes = isinstance(rule, paper.SmallerSignatures) or getattr(rule, "of", "") == "sparse_classifiers"
    return _unless_empty(found, rule, evidence) if rests_on_sizes else found


def _direction(rule: paper.Direction, evidence: Evidence, margin: float) -> Finding:
    sign = 1 if rule.rule == "higher" else -1
    return all_of([judge_direction(estimate, sign) for estimate in _estimates(rule, evidence)])


def _equivalence(rule: paper.Equivalence, evidence: Evidence, margin: float) -> Finding:
    return all_of([judge_equivalence(estimate, rule.margin or margin) for estimate in _estimates(rule, evidence)])


def _estimates(rule: paper.Direction | paper.Equivalence, evidence: Evidence) -> list[Estimate]:
    differences = evidence.differences(rule, rule.holdouts)
    holdouts = rule.holdouts or differences.holdouts
    if rule.over == "each":
        return [differences.at(holdout, rule.metric) for holdout in holdouts]
    return [getattr(differences, rule.over)(holdouts, rule.metric)]


def _largest_gain(rule: paper.LargestGain, evidence: Evidence, margin: float) -> Finding:
    """Judge that a method is better at a holdout, and by more than at every other one."""
    differences = evidence.differences(rule, (rule.holdout, *rule.holdouts))
    others = [other for other in rule.holdouts or differences.holdouts if other != rule.holdout]
    if not others:
        raise not_run("no other holdout to compare with", train(rule))
    sign = -1 if METRICS[rule.metric].better == "lower" else 1
    gains = [differences.at(rule.holdout, rule.metric)]
    gains += [differences.between(rule.holdout, other, rule.metric) for other in others]
    return all_of([judge_direction(gain, sign) for gain in gains])


def _higher_and_lower(rule: paper.HigherAndLower, evidence: Evidence, margin: float) -> Finding:
    """Judge that a difference is above 0 at some holdouts and below 0 at others.

    "Some" is picked from several holdouts, so Holm's p counts them. It is refused where no holdout can have gained, or
    none can have lost, more than the margin.
    """
    differences = evidence.differences(rule, rule.holdouts)
    estimates = {each: differences.at(each, rule.metric) for each in rule.holdouts or differences.holdouts}
    if len(estimates) < 2:
        raise not_run("one holdout only", train(rule))
    values = [estimate.value for estimate in estimates.values()]
    cases = max(sum(estimate.cases) for estimate in estimates.values())
    ours = f"{number(min(values), True)} to {number(max(values), True)}"

    def said(verdict: Verdict, words: str, needed: float = math.nan) -> Finding:
        why = f"{rule.method} minus {rule.reference}, {metric_title(rule.metric)}: {words}."
        return Finding(verdict, why, ours, cases=cases, cases_needed=needed)

    intervals = {holdout: estimate.interval(DIRECTION_LEVEL) for holdout, estimate in estimates.items()}
    if np.isnan(list(intervals.values())).any():
        names = ", ".join(holdout for holdout, ends in intervals.items() if np.isnan(ends).any())
        return said(Verdict.INCONCLUSIVE, f"no interval at {names}, too few test cases in a class")
    p_values = holm([bootstrap_p_value(estimate.values[1:]) for estimate in estimates.values()])
    told = [h for h, p in zip(estimates, p_values, strict=True) if p < 1 - DIRECTION_LEVEL]
    up = [holdout for holdout in told if estimates[holdout].value > 0]
    down = [holdout for holdout in told if estimates[holdout].value < 0]
    if up and down:
        words = f"above 0 at {', '.join(up)} and below 0 at {', '.join(down)}, Holm's p below .05"
        return said(Verdict.HOLDS, words)
    ends = np.array([estimate.interval(EQUIVALENCE_LEVEL) for estimate in estimates.values()])
    for nowhere, word in ((ends[:, 1] <= margin, "raised"), (ends[:, 0] >= -margin, "lowered")):
        if nowhere.all():
            return said(Verdict.DOES_NOT_HOLD, f"nowhere {word} by more than {number(margin)}, by 90 % intervals")
    words = [f"above 0 at {', '.join(up)}"] * bool(up) + [f"below 0 at {', '.join(down)}"] * bool(down)
    found = f"{' and '.join(words) or 'at no holdout'} told from 0 by Holm's p"
    needed = _cases_to_settle(list(estimates.values()), margin)
    return said(Verdict.INCONCLUSIVE, f"{found}; {how_many(needed)} cases would settle it, here are {cases}", needed)


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


def _smaller_signatures(rule: paper.SmallerSignatures, evidence: Evidence, margin: float) -> Finding:
    evidence.pair(rule)
    both = evidence.sizes(rule)
    if both is None:
        raise not_run("no sizes of the signatures of both methods on the same runs", SIGNATURE_COMMAND)
    ours, reference = both["k_method"].to_numpy(float), both["k_reference"].to_numpy(float)
    if rule.more_than:
        agrees, words = reference > rule.more_than * ours, f"more than {rule.more_than:g}"
    else:
        agrees, words = (reference >= rule.at_least * ours) & (reference > 0), f"at least {rule.at_least:g}"
    ratio = reference.mean() / ours.mean() if ours.any() else math.inf
    each = [b / g if g else math.inf for g, b in zip(ours, reference, strict=True) if g or b]
    printed = f"{reference.mean():,.0f} to {ours.mean():,.0f}: {ratio:.1f} times"
    if each:
        printed += f" ({min(each):.1f} to {max(each):.1f}, n {len(both)})"
    value = ratio if math.isfinite(ratio) else math.nan
    return judge_agreement(list(agrees), printed, value, f"signatures of {rule.method} are {words} times smaller")


def _unless_empty(found: Finding, rule: paper.Rule, evidence: Evidence) -> Finding:
    """Take back a verdict that rests on empty signatures: of no dimension nothing is small, and nothing is lost."""
    both = evidence.sizes(rule)
    sizes = np.array([]) if both is None else both[["k_method", "k_reference"]].to_numpy(float).ravel()
    empty = int((sizes == 0).sum())
    if not empty:
        return found
    why = f"{empty} of {len(sizes)} signatures are empty: their classifier says the same of every image."
    return replace(found, verdict=Verdict.INCONCLUSIVE, why=why, cases_needed=math.nan)


def _overlap(rule: paper.Overlap, evidence: Evidence, margin: float) -> Finding:
    rows = evidence.overlaps(rule, rule.whose)
    values = rows["jaccard"].to_numpy()
    if rule.below:
        agrees, words = values < rule.below, f"below {number(rule.below)}"
    else:
        least = rule.at_least - margin
        agrees, words = values >= least, f"at least {number(least)}"
    found = judge_agreement(list(agrees), _ranged(values), values.mean(), f"the index is {words}")
    return replace(found, why=f"{found.why} Random sets of these sizes: {number(rows['expected'].mean())}.")


def _more_overlap(rule: paper.MoreOverlap, evidence: Evidence, margin: float) -> Finding:
    first, reference = (evidence.overlaps(rule, whose) for whose in ("method", "reference"))
    both = first.merge(reference, on=["patient_fold", "seed"], suffixes=("_method", "_reference"))
    if both.empty:
        raise not_run("no overlap of both methods for one patient fold and seed", SIGNATURE_COMMAND)
    gain = (both["jaccard_method"] - both["jaccard_reference"]).to_numpy()
    words = f"the index of {rule.method} is the higher one"
    found = judge_agreement(list(gain > 0), _ranged(gain, True), gain.mean(), words)
    chance = [number(both[f"expected_{whose}"].mean()) for whose in ("method", "reference")]
    random = f"Random sets of these sizes: {chance[0]} {rule.method}, {chance[1]} {rule.reference}."
    return replace(found, why=f"{found.why} {random}")


def _ranged(values: np.ndarray, signed: bool = False) -> str:
    """Write a mean over runs with its range, which is no interval."""
    mean = number(values.mean(), signed)
    if len(values) == 1:
        return f"{mean} (n 1)"
    return f"{mean} ({number(values.min(), signed)} to {number(values.max(), signed)}, n {len(values)})"


_JUDGES: dict[type[paper.Rule], Callable[..., Finding]] = {
    paper.Direction: _direction,
    paper.Equivalence: _equivalence,
    paper.LargestGain: _largest_gain,
    paper.HigherAndLower: _higher_and_lower,
    paper.SmallerSignatures: _smaller_signatures,
    paper.Overlap: _overlap,
    paper.MoreOverlap: _more_overlap,
}
