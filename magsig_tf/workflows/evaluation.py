"""The numbers of finished runs: their summary, two methods compared, the paper's claims, what synthetic images did.

Each function reads the finished runs of a data set and writes its numbers to the results folder of the workspace. They
share these arguments: `dataset` is the name of the data set, None for the only one with runs. `methods` keeps these
methods, `configs` the configs whose hash begins with one of these, `folders` the runs in these folders; empty keeps
all.
`evaluate` and `compare` take several data sets of the same images too: their runs stand side by side, paired by image,
and the numbers are written to the folder that has their names, joined by "+".
Numbers of a part of the runs are written where the part has a `name`, and never in place of those of all runs.
`csv_path` is another place for the CSV. `progress` is told how far the calculation is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from magsig_tf.evaluation import LoadedRuns, Summary, arrange, summarise
from magsig_tf.evaluation.augmentation.explanation import Explanation, augmented_groups, explain
from magsig_tf.evaluation.claims.judge import Claims, judge_claims
from magsig_tf.evaluation.comparison import Comparison
from magsig_tf.evaluation.comparison import compare as compare_methods
from magsig_tf.locks import short
from magsig_tf.runs.matrix import margin_of
from magsig_tf.runs.result_files import read_signature_results, write_frame
from magsig_tf.workflows.finished_runs import (
    Found,
    Numbers,
    Progress,
    choose_dataset,
    file_name,
    load_chosen,
    load_side_by_side,
    several,
    silent,
    with_files,
)
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Evaluated(Numbers[Summary]):
    """The summary of finished runs.

    Args:
        augmentation: What synthetic images did; None where no run used them.
    """

    augmentation: Explanation | None = None


def evaluate(
    workspace: Workspace,
    dataset: str | Sequence[str] | None = None,
    *,
    methods: Sequence[str] = (),
    configs: Sequence[str] = (),
    folders: Collection[Path] = (),
    name: str = "",
    replicates: int = 2000,
    threshold: float | str = 0.5,
    augmentation: bool = True,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Evaluated:
    """Summarise finished runs: every method at every holdout, with intervals, and what synthetic images did.

    Args:
        workspace: Where runs, GANs and results lie.
        dataset: As above, like methods, configs, folders, name, csv_path and progress.
        replicates: Bootstrap replicates.
        threshold: Decision threshold, or "validation".
        augmentation: Whether to calculate what synthetic images did, where runs of one data set used them.

    Returns:
        The summary, with files `summary` and, where runs used synthetic images, `explanation`.

    Raises:
        UsageError: a method or config was asked for that has no run.
        RunError: nothing is finished, files of a run are damaged, or data sets are split in different ways.
        DataError: two data sets share no image, or a manifest is missing.
    """
    names = several(dataset)
    if len(names) > 1:
        loaded = load_side_by_side(workspace, names, methods=methods, configs=configs, folders=folders)
    else:
        loaded = load_chosen(workspace, next(iter(names), None), methods=methods, configs=configs, folders=folders)
    with progress("bootstrap") as report:
        summary = summarise(loaded, replicates=replicates, threshold=threshold, progress=report)
    augmentation = augmentation and len(names) < 2
    explained = explain_if_augmented(loaded, workspace, replicates, progress) if augmentation else None
    folder, chosen = workspace.results() / loaded.dataset, (methods, configs, folders)
    files_of = [file_name(kind, name, *chosen) for kind in ("summary", "explanation")]

    def write() -> list[Path]:
        files = write_frame(summary.table, folder, files_of[0], csv_path)
        return files + (write_frame(explained.table, folder, files_of[1]) if explained else [])

    return with_files(Evaluated(summary, [], explained), folder if files_of[0] else None, write)


def compare(
    workspace: Workspace,
    method: str,
    reference: str,
    dataset: str | Sequence[str] | None = None,
    *,
    reference_dataset: str | Sequence[str] | None = None,
    configs: Sequence[str] = (),
    replicates: int = 2000,
    threshold: float | str = 0.5,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Numbers[Comparison]:
    """Compare two methods on the same runs, cases and draws.

    Args:
        workspace: Where runs and results lie.
        method: Whose numbers come first in a difference.
        reference: Whose numbers are subtracted.
        dataset: As above, like configs, csv_path and progress. Of several, two methods are compared within each; the
            same method twice is compared across them.
        reference_dataset: Where the reference is taken from, if not from the data set of the method.
        replicates: Bootstrap replicates.
        threshold: Decision threshold, or "validation".

    Returns:
        The comparison, with files `comparison-METHOD-REFERENCE`.

    Raises:
        UsageError: a method or config has no run.
        RunError: nothing is finished, no two runs can be paired, files of a run are damaged, or data sets are split in
            different ways.
        DataError: two data sets share no image, or a manifest is missing.
    """
    names, others = several(dataset), several(reference_dataset)
    if others and not names:
        names = [choose_dataset(workspace, None)]
    together = list(dict.fromkeys([*names, *others]))
    # all methods are read: the draws of cases, and the names of the rows, are those of the summary
    if len(together) > 1:
        loaded = load_side_by_side(workspace, together, configs=configs)
    else:
        loaded = load_chosen(workspace, next(iter(together), None), configs=configs)
    sides = (names, others) if others and len(together) > 1 else None
    with progress("bootstrap") as report:
        comparison = compare_methods(
            loaded, method, reference, sides=sides, replicates=replicates, threshold=threshold, progress=report
        )
    name = file_name(comparison_name(method, reference), "", configs)
    return _with_files(comparison, workspace.results() / loaded.dataset, name, csv_path)


def claims(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    configs: Sequence[str] = (),
    folders: Collection[Path] = (),
    name: str = "",
    file: Path | None = None,
    margin: float | None = None,
    replicates: int = 2000,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Numbers[Claims]:
    """Judge a paper's claims by finished runs.

    Args:
        workspace: Where runs and results lie.
        dataset: As above, like configs, folders, name, csv_path and progress.
        file: A file of claims (docs/claims.md); None takes those of the paper that magsig grew from.
        margin: Differences up to this size count as equivalent; None takes `equivalence_margin` of the runs' configs.
        replicates: Bootstrap replicates.

    Returns:
        The claims with verdicts, with files `claims`, or `claims-of-<file>`.

    Raises:
        UsageError: a config has no run, or runs name different margins.
        RunError: nothing is finished, or files of a run are damaged.
        DataError: a result table of `magsig signatures` is damaged.
    """
    loaded = load_chosen(workspace, dataset, configs=configs, folders=folders)
    margin = margin_of([run.folder for run in loaded.runs]) if margin is None else margin
    folder = workspace.results() / loaded.dataset
    results = read_signature_results(folder, name)
    with progress("claims") as report:
        judged = judge_claims(
            loaded, workspace, margin=margin, replicates=replicates, results=results, claims=file, progress=report
        )
    kind = f"claims-of-{file.stem}" if file else "claims"
    return _with_files(judged, folder, file_name(kind, name, configs, folders), csv_path)


def augmentation(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    methods: Sequence[str] = (),
    configs: Sequence[str] = (),
    replicates: int = 2000,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Numbers[Explanation]:
    """Calculate what synthetic images did to each holdout, beside the quality of their GANs.

    Args:
        workspace: Where runs, GANs and results lie.
        dataset: As above, like methods, configs, csv_path and progress.
        replicates: Bootstrap replicates.

    Returns:
        The table, with files `explanation`.

    Raises:
        UsageError: a method or config has no run.
        RunError: no finished run used synthetic images, or files of a run or its GANs are damaged.
    """
    loaded = load_chosen(workspace, dataset, methods=methods, configs=configs)
    with progress("augmentation") as report:
        explained = explain(loaded, workspace, replicates=replicates, progress=report)
    name = file_name("explanation", "", methods, configs)
    return _with_files(explained, workspace.results() / loaded.dataset, name, csv_path)


def _with_files(found: Found, folder: Path, name: str, csv_path: Path | None) -> Numbers[Found]:
    write = partial(write_frame, found.table, folder, name, csv_path)
    return with_files(Numbers(found, []), folder if name else None, write)


def comparison_name(method: str, reference: str) -> str:
    """Return the name of the result files of a comparison, without their ending."""
    return short(f"comparison-{quote(method, safe='')}-{quote(reference, safe='')}")


def explain_if_augmented(
    loaded: LoadedRuns, workspace: Workspace, replicates: int, progress: Progress
) -> Explanation | None:
    """Return what synthetic images did; None where no run used them.

    Args:
        loaded: The runs.
        workspace: Where their GANs lie.
        replicates: Bootstrap replicates.
        progress: Told how far it is.
    """
    if not augmented_groups(arrange(loaded.runs)):
        return None
    with progress("augmentation") as report:
        return explain(loaded, workspace, replicates=replicates, progress=report)
