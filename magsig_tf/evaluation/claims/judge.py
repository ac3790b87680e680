"""A paper's claims, judged by finished runs: `magsig claims`.

The rules are written in docs/claims.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.data.sources.breakhis import is_whole_breakhis
from magsig_tf.errors import UsageError
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims.evidence import Evidence
from magsig_tf.evaluation.claims.paper import DataBehind, Statement, read_paper, the_paper
from magsig_tf.evaluation.claims.rules import judge_statement
from magsig_tf.evaluation.claims.verdicts import Finding, Verdict
from magsig_tf.evaluation.printed import number
from magsig_tf.runs.finished import LoadedRuns
from magsig_tf.runs.matrix import Matrix, arrange
from magsig_tf.runs.signature_results import SignatureResults, read_signature_results
from magsig_tf.statistics.bootstrap import MANY_CASES
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

    stated: Statement
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
        return {
            **self.stated.model_dump(include={"claim", "kind", "paper"}),
            **asdict(self.finding),
            "statement": self.statement,
            "source": self.source,
            "interval_level": self.finding.level,
            "verdict": self.finding.verdict.value,
            "why": self.why,
        }


@dataclass(frozen=True)
class Claims:
    """All claims of a paper with our verdicts.

    Args:
        dataset: Name of the data set.
        data: Name of the paper's data set, or "other data" where this is not the whole of it.
        claims: In the order of the paper, the criteria of falsification last.
        table: One row per claim; the columns are listed in docs/claims.md.
        margin: Differences up to this size count as equivalent.
        replicates: Number B of bootstrap replicates.
        notes: What a reader must know of all of them.
    """

    dataset: str
    data: str
    claims: list[Claim]
    table: pd.DataFrame = field(repr=False)
    margin: float
    replicates: int
    notes: list[str]

    @property
    def of_other_data(self) -> bool:
        """Whether the verdicts rest on other data than the paper's."""
        return self.data == OTHER_DATA

    def frame(self) -> pd.DataFrame:
        """Return a copy of the tidy frame."""
        return self.table.copy()


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
    paper = the_paper() if claims is None else read_paper(claims)
    matrix = arrange(loaded.runs)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    evidence = Evidence(matrix, bootstrap, results)
    judged: list[Claim] = []
    for stated in paper.claims:
        progress(len(judged), len(paper.claims))
        statement = stated.statement.replace("{margin}", number(margin))
        judged.append(Claim(stated, statement, judge_statement(stated, evidence, margin)))
    progress(len(judged), len(paper.claims))
    data, why = _data_behind(workspace, loaded.dataset, paper.data)
    everywhere = {"dataset": loaded.dataset, "data": data, "margin": margin}
    table = pd.DataFrame([claim.row() | everywhere for claim in judged])[COLUMNS]
    whose = f"Claims of {paper.paper}, read from {claims}." if claims else ""
    notes = [note for note in (whose, why, *_notes(loaded, matrix, bootstrap)) if note]
    return Claims(loaded.dataset, data, judged, table, margin, replicates, notes)


def _data_behind(workspace: Workspace, dataset: str, whole: DataBehind) -> tuple[str, str]:
    """Tell by its facts, not by its name, whether a prepared data set is the whole of the paper's."""
    path = workspace.data(dataset) / "manifest.parquet"
    if not path.is_file():
        return OTHER_DATA, f"Other data: the prepared data set {dataset} is missing, so its images cannot be counted."
    try:
        manifest = pd.read_parquet(path, columns=["slide", "case", "magnification"])
    except (OSError, ValueError) as error:
        return OTHER_DATA, f"Other data: its manifest cannot be read ({type(error).__name__})."
    images, slides = len(manifest), manifest["slide"].nunique()
    same = is_whole_breakhis(manifest) if whole.name == BREAKHIS else (images, slides) == (whole.images, whole.slides)
    if same:
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
    counts = [
        _count(len({getattr(run, axis) for run in loaded.runs}), word)
        for axis, word in (("holdout", "holdout"), ("patient_fold", "patient fold"), ("seed", "seed"))
    ]
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
