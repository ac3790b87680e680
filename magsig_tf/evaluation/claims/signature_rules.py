"""Rules on the sizes and overlaps of signatures: one number a run, or a pair of runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from magsig_tf.evaluation.claims import paper
from magsig_tf.evaluation.claims.agreement import OverRuns, judge_agreement
from magsig_tf.evaluation.claims.evidence import Evidence, not_run
from magsig_tf.evaluation.claims.verdicts import Finding
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.result_files import SIGNATURE_COMMAND


def smaller_signatures(rule: paper.SmallerSignatures, evidence: Evidence, margin: float) -> list[Finding]:
    """Judge how many times smaller the signatures of a method are; the margin plays no part."""
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
    words = f"signatures of {rule.method} are {words} times smaller"
    drawn, times = evidence.redrawn_sizes(rule, both), rule.more_than or rule.at_least
    over = OverRuns(reference - times * ours, drawn.reference - times * drawn.method, drawn.cases) if drawn else None
    return [judge_agreement(list(agrees), printed, value, words, over)]


def overlap(rule: paper.Overlap, evidence: Evidence, margin: float) -> list[Finding]:
    """Judge whether the index of one method reaches a value, less the margin, or stays below one."""
    rows = evidence.overlaps(rule, rule.whose)
    values, drawn = rows["jaccard"].to_numpy(), evidence.redrawn_overlaps(rule, rows, rule.whose)
    if rule.below:
        agrees, words, sign, bound = values < rule.below, f"below {number(rule.below)}", -1, rule.below
    else:
        sign, bound = 1, rule.at_least - margin
        agrees, words = values >= bound, f"at least {number(bound)}"
    over = OverRuns(sign * (values - bound), sign * (drawn.method - bound), drawn.cases) if drawn else None
    found = judge_agreement(list(agrees), _ranged(values), values.mean(), f"the index is {words}", over)
    return [replace(found, why=f"{found.why} Random sets of these sizes: {number(rows['expected'].mean())}.")]


def more_overlap(rule: paper.MoreOverlap, evidence: Evidence, margin: float) -> list[Finding]:
    """Judge whether the index of a method is higher than that of the reference; the margin plays no part."""
    first, reference = (evidence.overlaps(rule, whose, paired=True) for whose in ("method", "reference"))
    both = first.merge(reference, on=["patient_fold", "seed"], suffixes=("_method", "_reference"))
    if both.empty:
        raise not_run("no overlap of both methods for one patient fold and seed", SIGNATURE_COMMAND)
    gain = (both["jaccard_method"] - both["jaccard_reference"]).to_numpy()
    words = f"the index of {rule.method} is higher"
    drawn = evidence.redrawn_overlaps(rule, both, "method", "reference")
    over = OverRuns(gain, drawn.method - drawn.reference, drawn.cases) if drawn else None
    found = judge_agreement(list(gain > 0), _ranged(gain, True), gain.mean(), words, over)
    chance = [number(both[f"expected_{whose}"].mean()) for whose in ("method", "reference")]
    random = f"Random sets of these sizes: {chance[0]} {rule.method}, {chance[1]} {rule.reference}."
    return [replace(found, why=f"{found.why} {random}")]


def _ranged(values: np.ndarray, signed: bool = False) -> str:
    """Write a mean over runs with its range, which is no interval."""
    reached = f"{number(values.min(), signed)} to {number(values.max(), signed)}, " if len(values) > 1 else ""
    return f"{number(values.mean(), signed)} ({reached}n {len(values)})"
