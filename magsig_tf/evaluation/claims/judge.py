"""A paper's claims, judged by finished runs: `magsig claims`; docs/claims.md has the rules in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.data.sources.breakhis import is_whole_breakhis
from magsig_tf.errors import UsageError
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims import paper, signature_rules, verdicts
from magsig_tf.evaluation.claims.evidence import Evidence, NoEvidenceError, not_run, train
from magsig_tf.evaluation.claims.verdicts import Finding, Verdict, all_of
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.summary.frame import ResultTable
from magsig_tf.parquet_files import read_parquet
from magsig_tf.runs.matrix import Matrix, arrange
from magsig_tf.runs.result_files import SignatureResults, read_signature_results
from magsig_tf.runs.run import LoadedRuns
from magsig_tf.statistics.cases import MANY_CASES
from magsig_tf.statistics_rule import MEANING, MOVING
from magsig_tf.workspace import Workspace

MARGIN = 0.02
BREAKHIS = "BreaKHis"
OTHER_DATA = "other data"
COLUMNS = ["dataset", "data", "claim", "kind", "statement", "source", "paper", "ours", "value", "low", "high"]
COLUMNS += ["interval_level", "verdict", "why", "cases", "cases_needed", "margin"]


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, judged.

    Args:
        stated: What the paper says.
        statement: What is judged, with the margin in its place.
        finding: What our runs say.
    """

    stated: paper.Statement
    statement: str
    finding: Finding

    @property
    def falsifies(self) -> bool:
        """Whether it counts against the paper where it holds."""
        return self.stated.kind == "falsification"

    @property
    def source(self) -> str:
        """The paper's sentence that it is taken from."""
        return self.stated.source or self.statement

    @property
    def why(self) -> str:
        """Why the verdict is what it is; of a criterion of falsification also what it means for the paper."""
        means = {Verdict.HOLDS: "met, against the paper", Verdict.DOES_NOT_HOLD: "not met"}.get(self.finding.verdict)
        return f"The criterion is {means}. {self.finding.why}" if self.falsifies and means else self.finding.why

    def row(self) -> dict[str, object]:
        """Return what the claim gives to `COLUMNS`."""
        finding = asdict(self.finding) | {"interval_level": self.finding.level, "verdict": self.finding.verdict.value}
        told = {"statement": self.statement, "source": self.source, "why": self.why}
        return self.stated.model_dump(include={"claim", "kind", "paper"}) | finding | told


@dataclass(frozen=True)
class Claims(ResultTable):
    """All claims of a paper with our verdicts.

    Args:
        table: One row per claim; the columns are listed in docs/claims.md.
        data: Name of the paper's data set, or "other data" where this is not the whole of it.
        claims: In the order of the paper, the criteria of falsification last.
        margin: Differences up to this size count as equivalent.
        notes: What a reader must know of all of them.
    """

    data: str
    claims: list[Claim]
    margin: float
    notes: list[str]

    @property
    def of_other_data(self) -> bool:
        """Whether the verdicts rest on other data than the paper's."""
        return self.data == OTHER_DATA


def judge_claims(
    loaded: LoadedRuns,
    workspace: Workspace,
    *,
    margin: float = MARGIN,
    replicates: int = 2000,
    results: SignatureResults | None = None,
    claims: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Claims:
    """Judge every claim of a paper.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        workspace: Where its prepared data and its results lie.
        margin: Differences of AUC, F1 or a Jaccard index up to this size count as equivalent, in (0, 1).
        replicates: Number B of bootstrap replicates, at least 1.
        results: Tables of signatures; None reads them from the results of the data set.
        claims: A file of claims; None takes those of arXiv 2604.25817, which come with magsig.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: the margin is outside its range, or the file of claims cannot be used.
        DataError: a result file of signatures is damaged.
    """
    if not 0 < margin < 1:
        raise UsageError("Expected a margin above 0 and below 1", f"found {margin}", "Use --margin 0.02")
    if results is None:
        results = read_signature_results(workspace.results() / loaded.dataset)
    judged_paper = paper.the_paper() if claims is None else paper.read_paper(claims)
    matrix, bootstrap = arrange(loaded.runs), CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    evidence = Evidence(matrix, bootstrap, results)
    judged: list[Claim] = []
    for stated in judged_paper.claims:
        progress(len(judged), len(judged_paper.claims))
        statement = stated.statement.replace("{margin}", number(margin))
        judged.append(Claim(stated, statement, judge_statement(stated, evidence, margin)))
    progress(len(judged), len(judged_paper.claims))
    data, why = _data_behind(workspace, loaded.dataset, judged_paper.data)
    everywhere = {"dataset": loaded.dataset, "data": data, "margin": margin}
    table = pd.DataFrame([claim.row() | everywhere for claim in judged])[COLUMNS]
    whose = f"Claims of {judged_paper.paper}, read from {claims}." if claims else ""
    notes = [note for note in (whose, why, *_notes(loaded, matrix, bootstrap)) if note]
    return Claims(loaded.dataset, table, replicates, data, judged, margin, notes)


def _data_behind(workspace: Workspace, dataset: str, whole: paper.DataBehind) -> tuple[str, str]:
    """Tell by its facts, not by its name, whether a prepared data set is the whole of the paper's."""
    path = verified(workspace.data(dataset) / "manifest.parquet")
    if not path.is_file():
        return OTHER_DATA, f"Other data: the prepared data set {dataset} is missing, so its images cannot be counted."
    try:
        manifest = read_parquet(path, columns=["slide", "case", "magnification"])
    except (OSError, ValueError) as error:
        return OTHER_DATA, f"Other data: its manifest cannot be read ({type(error).__name__})."
    images, slides = len(manifest), manifest["slide"].nunique()
    if is_whole_breakhis(manifest) if whole.name == BREAKHIS else (images, slides) == (whole.images, whole.slides):
        return whole.name, ""
    return OTHER_DATA, (
        f"Other data: {images:,} images of {slides} slides; {whole.name} has {whole.images:,} of {whole.slides}. "
        "A verdict here says nothing about the paper's own numbers."
    )


def _notes(loaded: LoadedRuns, matrix: Matrix, bootstrap: CaseBootstrap) -> list[str]:
    oracles = sorted({run.method for run in loaded.runs if run.selection == "oracle"})
    left = f"Runs chosen by looking at the holdout are left out: {', '.join(oracles)}." if oracles else ""
    unfinished = f"Not finished and left out: {_count(len(loaded.unfinished), 'run')}." if loaded.unfinished else ""
    cases = len(bootstrap.cases)
    axes = {"holdout": "holdout", "patient_fold": "patient fold", "seed": "seed"}
    found = {axis: {getattr(run, axis) for run in loaded.runs} for axis in ("holdout", "patient_fold")}
    found["seed"] = {run.seed for run in loaded.runs if not run.seedless}
    counts = [_count(len(found[axis]), word) for axis, word in axes.items() if found[axis]]
    rests = f"The runs: {', '.join(counts)}, {cases} test cases."
    few = f"Below {MANY_CASES} cases intervals are likely too narrow and verdicts overconfident." * (cases < MANY_CASES)
    return [rests, few, left, _moving(matrix), unfinished]


def _moving(matrix: Matrix) -> str:
    """Say of runs with moving statistics that they are left out, or, where there are no others, what they are."""
    groups = [group for group in matrix.groups if group.batch_statistics == MOVING and group.selection != "oracle"]
    if not groups:
        return ""
    methods = ", ".join(sorted({group.method for group in groups}))
    if groups[0] in matrix.competing:
        return f"{methods}: {MEANING}."
    return f"Runs evaluated with moving averages of the batch statistics are left out: {methods}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def judge_statement(statement: paper.Statement, evidence: Evidence, margin: float) -> Finding:
    """Judge a claim by its rules.

    Args:
        statement: The claim.
        evidence: What runs and result files say.
        margin: Differences up to this size do not matter.
    """
    rules = statement.holds_if or statement.holds_unless
    findings = [finding for rule in rules for finding in _judged(rule, evidence, margin)]
    return all_of(findings) if statement.holds_if else verdicts.negated(all_of(findings, findings[0]))


def _judged(rule: paper.Rule, evidence: Evidence, margin: float) -> list[Finding]:
    """Return the finding of each part of a rule."""
    try:
        found = _JUDGES[type(rule)](rule, evidence, margin)
    except NoEvidenceError as error:
        return [error.finding]
    of_sparse = isinstance(rule, paper.DifferenceRule) and rule.of == "sparse_classifiers"
    if not (of_sparse or isinstance(rule, paper.SmallerSignatures)):
        return found
    # of no dimension nothing is small, and nothing is lost: a verdict on empty signatures is taken back
    both = evidence.sizes(rule)
    sizes = np.array([]) if both is None else both[["k_method", "k_reference"]].to_numpy(float).ravel()
    empty = int((sizes == 0).sum())
    why = f"{empty} of {len(sizes)} signatures are empty: their classifier gives every image the same probability."
    emptied = [replace(each, verdict=Verdict.INCONCLUSIVE, why=why, cases_needed=math.nan) for each in found]
    return emptied if empty else found


def _over_holdouts(rule: paper.Direction | paper.Equivalence, evidence: Evidence, margin: float) -> list[Finding]:
    """Judge the side or the size of a difference: at each holdout, of their mean, or of their joined predictions."""
    differences = evidence.differences(rule, rule.holdouts)
    holdouts = rule.holdouts or differences.holdouts
    if rule.over == "each":
        estimates = [differences.at(holdout) for holdout in holdouts]
    else:
        estimates = [differences.mean(holdouts) if rule.over == "mean" else differences.pooled(holdouts)]
    if isinstance(rule, paper.Equivalence):
        return [verdicts.judge_equivalence(estimate, rule.margin or margin) for estimate in estimates]
    return [verdicts.judge_direction(estimate, 1 if rule.rule == "higher" else -1) for estimate in estimates]


def _largest_gain(rule: paper.LargestGain, evidence: Evidence, margin: float) -> list[Finding]:
    """Judge that a method is better at a holdout, and by more than at every other one."""
    differences = evidence.differences(rule, (rule.holdout, *rule.holdouts))
    others = [other for other in rule.holdouts or differences.holdouts if other != rule.holdout]
    if not others:
        raise not_run("no other holdout to compare with", train(rule))
    sign = -1 if METRICS[rule.metric].better == "lower" else 1
    gains = [differences.at(rule.holdout), *(differences.between(rule.holdout, other) for other in others)]
    return [verdicts.judge_direction(gain, sign) for gain in gains]


def _higher_and_lower(rule: paper.HigherAndLower, evidence: Evidence, margin: float) -> list[Finding]:
    differences = evidence.differences(rule, rule.holdouts)
    estimates = {holdout: differences.at(holdout) for holdout in rule.holdouts or differences.holdouts}
    if len(estimates) < 2:
        raise not_run("one holdout only", train(rule))
    return [verdicts.judge_both_ways(estimates, margin, differences.words)]


_JUDGES: dict[type[paper.Rule], Callable[..., list[Finding]]] = {
    paper.Direction: _over_holdouts,
    paper.Equivalence: _over_holdouts,
    paper.LargestGain: _largest_gain,
    paper.HigherAndLower: _higher_and_lower,
    paper.SmallerSignatures: signature_rules.smaller_signatures,
    paper.Overlap: signature_rules.overlap,
    paper.MoreOverlap: signature_rules.more_overlap,
}
