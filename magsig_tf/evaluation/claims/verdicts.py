"""From an interval to a verdict and one sentence why, and from parts to a whole; docs/claims.md has the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import repeat

import numpy as np

from magsig_tf.evaluation.printed import number
from magsig_tf.statistics.cases import FEWEST_CASES
from magsig_tf.statistics.intervals import DIFFERENCE, Bootstrapped, holm, interval, p_value


class Verdict(Enum):
    """A verdict; its value are the words that are printed.

    Of several parts that must all hold, the first of these that any part has is that of the whole.
    """

    DOES_NOT_HOLD = "does not hold"
    NOT_RUN = "not run"
    INCONCLUSIVE = "inconclusive"
    HOLDS = "holds"


DIRECTION_LEVEL = 0.95
EQUIVALENCE_LEVEL = 0.90
"""A 90 % interval inside the margin is two one-sided tests at 5 %."""

ALPHA = 0.05
"""How often a claim may be refuted by chance, whatever the number of its parts."""

MOST_CASES = 100_000


@dataclass(frozen=True)
class Estimate:
    """A paired difference with its replicates.

    Args:
        words: What it is, as a sentence begins.
        values: The value followed by its replicates, shape (B + 1,).
        cases: Distinct benign and malignant test cases behind it.
        bounds: Between which values it lies.
    """

    words: str
    values: np.ndarray = field(repr=False)
    cases: tuple[int, int]
    bounds: tuple[float, float] = DIFFERENCE

    @property
    def value(self) -> float:
        """The value of the sample."""
        return float(self.values[0])

    def interval(self, level: float) -> tuple[float, float]:
        """Return the interval over cases; NaN where a class has too few of them or the value is not defined."""
        return interval(self._number, level).ends if self._tells else (math.nan, math.nan)

    def p_value(self, against: float = 0.0) -> float:
        """Return the p-value that belongs to the interval; NaN where there is none.

        Args:
            against: The value that is tested.
        """
        return p_value(self._number, against) if self._tells else math.nan

    @property
    def _tells(self) -> bool:
        return min(self.cases) >= FEWEST_CASES and bool(np.isfinite(self.value))

    @property
    def _number(self) -> Bootstrapped:
        return Bootstrapped(self.value, self.values[1:], self.cases, self.bounds)


@dataclass(frozen=True)
class Finding:
    """What the evidence says of a claim or of a part of one.

    Args:
        verdict: The verdict.
        why: One sentence.
        ours: Our number, as printed.
        value: Our number; NaN where there is none or more than one.
        low: Lower end of its interval.
        high: Upper end of its interval.
        level: Coverage that the interval aims at; NaN without one.
        cases: Test cases behind it; 0 where it rests on runs or on none.
        cases_needed: About how many cases a verdict would need; NaN where there is one, or no estimate.
        refuted: Where it does not hold: the p-value of the test that says so; 0 where no test is behind it.
    """

    verdict: Verdict
    why: str
    ours: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    cases: int = 0
    cases_needed: float = math.nan
    refuted: float = 0.0


def judge_direction(estimate: Estimate, sign: int) -> Finding:
    """Judge whether a difference lies on the claimed side of 0, by its 95 % interval.

    Args:
        estimate: The difference.
        sign: 1 where it should be above 0, -1 where below.
    """
    known = _measured(estimate, DIRECTION_LEVEL)
    if math.isnan(known.low):
        return known
    if known.low <= 0 <= known.high:
        return _untold(estimate, known, "includes 0", [0.0])
    side, so = ("above", sign > 0) if known.low > 0 else ("below", sign < 0)
    why = f"{estimate.words}: the 95 % interval lies {side} 0."
    return replace(known, verdict=told(so), why=why, refuted=0.0 if so else _known_p(estimate.p_value()))


def judge_equivalence(estimate: Estimate, margin: float) -> Finding:
    """Judge whether a difference is too small to matter, by its 90 % interval (Schuirmann 1987: two one-sided tests).

    Args:
        estimate: The difference.
        margin: Differences up to this size do not matter; above 0.
    """
    known = _measured(estimate, EQUIVALENCE_LEVEL)
    low, high, value = known.low, known.high, estimate.value
    if math.isnan(low):
        return known
    bounds = f"-{number(margin)} to {number(margin)}"
    inside = -margin <= low and high <= margin
    if inside or low > margin or high < -margin:
        why = f"{estimate.words}: the 90 % interval lies {'inside' if inside else 'outside'} {bounds}."
        # one-sided, as each of the two tests is
        refuted = 0.0 if inside else _known_p(estimate.p_value(math.copysign(margin, value))) / 2
        return replace(known, verdict=told(inside), why=why, refuted=refuted)
    nearest = [-margin, margin] if abs(value) < margin else [math.copysign(margin, value)]
    return _untold(estimate, known, f"crosses a bound of {bounds}", nearest)


def judge_both_ways(estimates: Mapping[str, Estimate], margin: float, words: str) -> Finding:
    """Judge whether a difference is above 0 at some holdouts and below 0 at others.

    "Some" is picked from several holdouts, so Holm's p counts them. It is refused where no holdout can have gained, or
    none can have lost, more than the margin. Either would do, so each is asked of 95 % intervals: one-sided tests at
    2.5 %.

    Args:
        estimates: The difference by holdout, two or more.
        margin: Differences up to this size do not matter.
        words: What is compared, as a sentence begins.
    """
    values = [estimate.value for estimate in estimates.values()]
    cases = max(sum(estimate.cases) for estimate in estimates.values())
    ours = f"{number(min(values), True)} to {number(max(values), True)}"

    def said(verdict: Verdict, found: str, needed: float = math.nan) -> Finding:
        return Finding(verdict, f"{words}: {found}.", ours, cases=cases, cases_needed=needed)

    unknown = [h for h, e in estimates.items() if min(e.cases) < FEWEST_CASES or not math.isfinite(e.value)]
    if unknown:
        return said(Verdict.INCONCLUSIVE, f"no interval at {', '.join(unknown)}, too few test cases in a class")
    # a holdout at which all replicates are the same is no test, and neither gains nor loses
    everywhere = len(estimates)
    estimates = {h: e for h, e in estimates.items() if math.isfinite(e.interval(DIRECTION_LEVEL)[0])}
    if not estimates:
        return said(Verdict.INCONCLUSIVE, "at no holdout an interval, since all replicates are the same")
    p_values = holm([estimate.p_value() for estimate in estimates.values()])
    told = [(h, e.value) for (h, e), p in zip(estimates.items(), p_values, strict=True) if p < 1 - DIRECTION_LEVEL]
    sides = {"above": [h for h, value in told if value > 0], "below": [h for h, value in told if value < 0]}
    found = " and ".join(f"{side} 0 at {', '.join(holdouts)}" for side, holdouts in sides.items() if holdouts)
    if all(sides.values()):
        return said(Verdict.HOLDS, f"{found}, Holm's p below .05")
    ends = np.array([estimate.interval(DIRECTION_LEVEL) for estimate in estimates.values()])
    for nowhere, word, bound in ((ends[:, 1] <= margin, "raised", margin), (ends[:, 0] >= -margin, "lowered", -margin)):
        if nowhere.all() and len(estimates) == everywhere:
            refuted = max(_known_p(estimate.p_value(bound)) for estimate in estimates.values())
            so = f"at no holdout {word} by more than {number(margin)}, by 95 % intervals"
            return replace(said(Verdict.DOES_NOT_HOLD, so), refuted=refuted)
    needed = _cases_to_settle(list(estimates.values()), margin)
    settle = f"{_how_many(needed)} cases would be needed, there are {cases}"
    significant = f"{found}, Holm's p below .05" if found else "at no holdout significantly different from 0 (Holm's p)"
    return said(Verdict.INCONCLUSIVE, f"{significant}; {settle}", needed)


def all_of(findings: Sequence[Finding], shown: Finding | None = None) -> Finding:
    """Return the finding of a claim whose parts must all hold.

    That all hold needs no correction: each passes its own test (Berger 1982, intersection-union). That one does not
    would be found by chance the more often, the more parts there are, so its p-value counts them (Bonferroni, which is
    the first step of Holm's procedure; of any one part the others do not matter).

    Args:
        findings: Those of its parts, not of parts of parts.
        shown: Whose number is shown; by default the first, or the first that does not hold.
    """
    findings = [_counting(finding, len(findings)) for finding in findings]
    verdict = min((finding.verdict for finding in findings), key=list(Verdict).index)
    deciding = [finding for finding in findings if finding.verdict == verdict]
    needed = [finding.cases_needed for finding in deciding]
    unknown = verdict != Verdict.INCONCLUSIVE or np.isnan(needed).any()
    first = deciding[0] if verdict == Verdict.DOES_NOT_HOLD else findings[0]
    why = " ".join(dict.fromkeys(finding.why for finding in deciding))
    return replace(shown or first, verdict=verdict, why=why, cases_needed=math.nan if unknown else max(needed))


def _counting(finding: Finding, parts: int) -> Finding:
    """Return the finding of one of several parts, any of which would refute the whole."""
    if finding.verdict != Verdict.DOES_NOT_HOLD or finding.refuted * parts < ALPHA:
        return finding
    why = f"{finding.why} As one of {parts} parts that is not enough: {p_in_words(finding.refuted)}, times {parts}."
    return replace(finding, verdict=Verdict.INCONCLUSIVE, why=why)


def negated(finding: Finding) -> Finding:
    """Return the finding of the opposite claim."""
    opposite = {Verdict.HOLDS: Verdict.DOES_NOT_HOLD, Verdict.DOES_NOT_HOLD: Verdict.HOLDS}
    return replace(finding, verdict=opposite.get(finding.verdict, finding.verdict))


def cases_needed(cases: int, reach: float, distance: float) -> float:
    """Return about how many cases shrink an interval so that it no longer reaches a bound.

    Half-widths fall as 1 / sqrt(cases), so n = cases * (reach / distance)^2, with the shares of classes as now.

    Args:
        cases: Cases behind the interval now.
        reach: From the value to the end of the interval that crosses the bound.
        distance: From the value to the bound.

    Returns:
        At least one more than now, rounded up to two digits; infinite where the value lies on the bound.
    """
    if distance <= reach * 1e-9:
        return math.inf
    exact = max(cases + 1.0, cases * (reach / distance) ** 2)
    unit = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return float(math.ceil(exact / unit - 1e-9) * unit)


def _cases_to_settle(estimates: Sequence[Estimate], margin: float) -> float:
    """Return the cases that show the largest gain and the largest loss, or that rule out one of them at any holdout."""
    highest, lowest = max(estimates, key=lambda e: e.value), min(estimates, key=lambda e: e.value)
    if lowest.value < 0 < highest.value:
        return max(_needed(each, DIRECTION_LEVEL, [0.0]) for each in (highest, lowest))
    bound = -margin if lowest.value >= 0 else margin
    return max(_needed(each, EQUIVALENCE_LEVEL, [bound]) for each in estimates)


def _needed(estimate: Estimate, level: float, bounds: Sequence[float]) -> float:
    """Return about how many cases keep the interval from reaching any of some bounds."""
    (low, high), value = estimate.interval(level), estimate.value
    reaches = [value - low if value > bound else high - value for bound in bounds]
    distances = [abs(value - bound) for bound in bounds]
    return max(map(cases_needed, repeat(sum(estimate.cases)), reaches, distances))


def _how_many(needed: float) -> str:
    return f"about {needed:,.0f}" if needed <= MOST_CASES else f"more than {MOST_CASES:,}"


def told(so: bool) -> Verdict:
    """Return the verdict of what is decided."""
    return Verdict.HOLDS if so else Verdict.DOES_NOT_HOLD


def p_in_words(p: float) -> str:
    """Return a p-value as sentences write it."""
    return "p below .001" if p < 0.001 else f"p {number(p)}"


def _known_p(p: float) -> float:
    """Return a p-value; 0 where it has none, since its replicates are all the same."""
    return 0.0 if math.isnan(p) else p


def _measured(estimate: Estimate, level: float) -> Finding:
    """Return our number with its interval, as yet without a verdict; why there is no interval, where there is none."""
    (low, high), (benign, malignant) = estimate.interval(level), estimate.cases
    ours = "" if math.isnan(estimate.value) else number(estimate.value, True)
    if not math.isnan(low):
        ours += f" [{number(low, True)} {number(high, True)}]"
        return Finding(Verdict.INCONCLUSIVE, "", ours, estimate.value, low, high, level, benign + malignant)
    reason = f"not defined with {benign} benign and {malignant} malignant test cases"
    if math.isfinite(estimate.value):
        few = f"no interval with fewer than {FEWEST_CASES} test cases in a class"
        reason = f"{few} ({benign} benign, {malignant} malignant)"
        if min(estimate.cases) >= FEWEST_CASES:
            reason = "no interval, since all replicates are the same"
    why = f"{estimate.words}: {reason}."
    return Finding(Verdict.INCONCLUSIVE, why, ours, estimate.value, cases=benign + malignant)


def _untold(estimate: Estimate, known: Finding, what: str, bounds: Sequence[float]) -> Finding:
    needed = _needed(estimate, known.level, bounds)
    tell = f"{_how_many(needed)} cases would be needed, there are {known.cases}"
    why = f"{estimate.words}: the {round(100 * known.level)} % interval {what}; {tell}."
    return replace(known, why=why, cases_needed=needed)
