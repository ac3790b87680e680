"""The paper's statements and criteria of falsification, judged by finished runs: `magsig claims`.

The rules are written in docs/claims.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from magsig_tf.data.sources.breakhis_names import known_breakhis_counts
from magsig_tf.errors import UsageError
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims.claim import Claim
from magsig_tf.evaluation.claims.of_models import ModelClaims
from magsig_tf.evaluation.claims.of_signatures import SignatureClaims
from magsig_tf.evaluation.claims.paper import the_paper
from magsig_tf.runs.finished import LoadedRuns
from magsig_tf.runs.matrix import Matrix, arrange
from magsig_tf.runs.signature_results import SignatureResults, read_signature_results
from magsig_tf.statistics.bootstrap import MANY_CASES
from magsig_tf.statistics_rule import MEANING, MOVING
from magsig_tf.workspace import Workspace

MARGIN = 0.02
FULL_BREAKHIS = "BreaKHis"
OTHER_DATA = "other data"


@dataclass(frozen=True)
class Claims:
    """All claims of the paper with our verdicts.

    Args:
        dataset: Name of the data set.
        data: "BreaKHis", or "other data" where it is not the whole of it.
        claims: In the order of the paper, the criteria of falsification last.
        table: One row a claim; the columns are listed in docs/claims.md.
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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Claims:
    """Judge every claim of the paper.

    Args:
        loaded: Runs of one data set, from `load_runs`.
        workspace: Where its prepared data and its results lie.
        margin: Differences of AUC, F1 or a Jaccard index up to this size count as equivalent, in (0, 1).
        replicates: Number B of bootstrap replicates, at least 1.
        results: Tables of signatures; None reads them from the results of the data set.
        progress: Called with the number of steps done and of all.

    Raises:
        UsageError: the margin is outside its range.
        DataError: a result file of signatures is damaged.
    """
    if not 0 < margin < 1:
        raise UsageError("Expected a margin above 0 and below 1", f"found {margin}", "Use --margin 0.02")
    if results is None:
        results = read_signature_results(workspace.results() / loaded.dataset)
    matrix = arrange(loaded.runs)
    bootstrap = CaseBootstrap(loaded.runs, replicates, loaded.runs[0].dataset_hash)
    models = ModelClaims(matrix, bootstrap, margin, the_paper())
    signatures = SignatureClaims(matrix, bootstrap, margin, the_paper(), results)
    claims: list[Claim] = []
    steps = (models.all, signatures.all, lambda: [models.falsified()], lambda: [signatures.falsified()])
    for done, step in enumerate(steps):
        progress(done, len(steps))
        claims += step()
    progress(len(steps), len(steps))
    data, why = _data_behind(workspace, loaded.dataset)
    table = pd.DataFrame([claim.row() for claim in claims])
    table.insert(0, "dataset", loaded.dataset)
    table.insert(1, "data", data)
    table["margin"] = margin
    notes = [why, *_notes(loaded, matrix, bootstrap)]
    return Claims(loaded.dataset, data, claims, table, margin, replicates, [note for note in notes if note])


def _data_behind(workspace: Workspace, dataset: str) -> tuple[str, str]:
    """Tell by its facts, not by its name, whether a prepared data set is the whole of BreaKHis."""
    path = workspace.data(dataset) / "manifest.parquet"
    if not path.is_file():
        return OTHER_DATA, f"Other data: the prepared data set {dataset} is not there to be counted."
    try:
        manifest = pd.read_parquet(path, columns=["slide", "case", "magnification"])
    except (OSError, ValueError) as error:
        return OTHER_DATA, f"Other data: its manifest cannot be read ({type(error).__name__})."
    axes = ["slide", "case", "magnification"]
    # a CSV manifest may name slides as folders do, with `_` where files have `-`
    known = known_breakhis_counts().assign(slide=lambda frame: frame["slide"].str.replace("-", "_"))
    known = known[known["images"] > 0].set_index(axes)["images"]
    found = manifest.assign(slide=manifest["slide"].astype(str).str.replace("-", "_")).groupby(axes).size()
    if len(found) == len(known) and found.reindex(known.index).eq(known).all():
        return FULL_BREAKHIS, ""
    said = f"{len(manifest):,} images of {manifest['slide'].nunique()} slides"
    whole = f"{known.sum():,} of {known.index.get_level_values('slide').nunique()}"
    return OTHER_DATA, (
        f"Other data: {said}; BreaKHis has {whole}. A verdict here says nothing about the paper's own numbers."
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
    few = f"Below {MANY_CASES} cases an interval is likely too narrow, and a verdict too sure." * (cases < MANY_CASES)
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
