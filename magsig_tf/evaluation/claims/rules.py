"""One small function per rule of a claims file: from evidence to a finding; docs/claims.md has the rules in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.claims import paper
from magsig_tf.evaluation.claims.evidence import Evidence, NoEvidenceError, not_run, train
from magsig_tf.evaluation.claims.verdicts import (
    Estimate,
    Finding,
    Verdict,
    all_of,
    judge_agreement,
    judge_both_ways,
    judge_direction,
    judge_equivalence,
    negated,
)
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.result_files import SIGNATURE_COMMAND


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
    of_sparse = isinstance(rule, paper.DifferenceRule) and rule.of == "sparse_classifiers"
    rests_on_sizes = of_sparse or isinstance(rule, paper.SmallerSignatures)
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
        return [differences.at(holdout) for holdout in holdouts]
    return [differences.mean(holdouts) if rule.over == "mean" else differences.pooled(holdouts)]


def _largest_gain(rule: paper.LargestGain, evidence: Evidence, margin: float) -> Finding:
    """Judge that a method is better at a holdout, and by more than at every other one."""
    differences = evidence.differences(rule, (rule.holdout, *rule.holdouts))
    others = [other for other in rule.holdouts or differences.holdouts if other != rule.holdout]
    if not others:
        raise not_run("no other holdout to compare with", train(rule))
    sign = -1 if METRICS[rule.metric].better == "lower" else 1
    gains = [differences.at(rule.holdout), *(differences.between(rule.holdout, other) for other in others)]
    return all_of([judge_direction(gain, sign) for gain in gains])


def _higher_and_lower(rule: paper.HigherAndLower, evidence: Evidence, margin: float) -> Finding:
    differences = evidence.differences(rule, rule.holdouts)
    estimates = {holdout: differences.at(holdout) for holdout in rule.holdouts or differences.holdouts}
    if len(estimates) < 2:
        raise not_run("one holdout only", train(rule))
    return judge_both_ways(estimates, margin, differences.words)


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
    why = f"{empty} of {len(sizes)} signatures are empty: their classifier gives every image the same probability."
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
    words = f"the index of {rule.method} is higher"
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
