"""What frozen embeddings hold: sparse signatures and their stability, and probes for magnification and case.

Both read finished runs or files of another model (docs/signatures.md says what an NPZ file must hold); their shared
arguments are those of `magsig_tf.workflows.evaluation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd

from magsig_tf.errors import UsageError
from magsig_tf.evaluation import arrange
from magsig_tf.evaluation.probes.rows import Known, ProbedRows, control_rows, file_rows, plan_controls, run_rows
from magsig_tf.evaluation.probes.summary import probe_notes, summarise_probes
from magsig_tf.evaluation.summary.notes import run_notes
from magsig_tf.locks import short
from magsig_tf.runs.result_files import write_frame
from magsig_tf.signatures.sources import sources_of_files, sources_of_random_encoders, sources_of_runs
from magsig_tf.signatures.study import SignatureStudy, study_signatures, write_study
from magsig_tf.workflows.finished_runs import Numbers, Progress, file_name, load_chosen, silent, with_files
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Signatures(Numbers[SignatureStudy]):
    """The signatures of runs.

    Its frame has one row a run; `found.frames()` has the other tables.

    Args:
        notes: What a reader must know of them.
    """

    notes: list[str] = field(default_factory=list)


def signatures(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    methods: Sequence[str] = (),
    configs: Sequence[str] = (),
    folders: Collection[Path] = (),
    name: str = "",
    files: Sequence[Path] = (),
    names_are_exact: bool = False,
    compare_folds: bool = False,
    bootstraps: int = 0,
    random_encoder: bool | None = None,
    replicates: int = 2000,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Signatures:
    """Fit the sparse signatures of runs, and measure how stable they are.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set, like methods, configs and folders a choice of runs.
        name: What tells the files of a part of the runs from those of all; methods and configs if not given.
        files: NPZ files of other models instead of runs.
        names_are_exact: Whether names in these files that may be one are kept apart.
        compare_folds: Whether to compare the signatures of different holdouts.
        bootstraps: How often to draw the training cases again, for selection frequencies; 0 leaves it out.
        random_encoder: Whether the encoder before training stands beside the runs; None: unless methods are chosen.
        replicates: Bootstrap replicates behind the intervals of scores.
        csv_path: Another place for the table of runs as CSV.
        progress: Told how far the calculation is.

    Returns:
        The tables, with files `signatures` and its neighbours.

    Raises:
        UsageError: files and a choice of runs were given, two files have one name, or there is no such run.
        DataError: a file is damaged.
        RunError: nothing is finished, or files of a run are damaged.
    """
    if files and (dataset or methods or configs or random_encoder):
        remedy = "Leave out --dataset, --method, --config-hash and --random-encoder"
        raise UsageError("Expected either --embeddings or a choice of runs", "found both", remedy)
    notes: list[str] = []
    if files:
        title, sources = f"embeddings-{files[0].stem}", sources_of_files(files, names_are_exact=names_are_exact)
    else:
        loaded = load_chosen(workspace, dataset, methods=methods, configs=configs, folders=folders)
        title, matrix = loaded.dataset, arrange(loaded.runs)
        sources, notes = sources_of_runs(matrix), run_notes(matrix, loaded.unfinished)
        if not methods if random_encoder is None else random_encoder:
            untrained, absent = sources_of_random_encoders(matrix, workspace, title)
            sources += untrained
            notes += [f"Control {text}." for text in absent]
    study = study_signatures(
        title, sources, compare_folds=compare_folds, bootstraps=bootstraps, replicates=replicates, progress=progress
    )
    results, chosen = workspace.results(), short(name or "-".join([*methods, *configs]))

    def write() -> list[Path]:
        return [*write_study(study, results, chosen), *write_frame(study.runs, Path(), "", csv_path)]

    return with_files(Signatures(study, [], notes), results / study.name, write)


@dataclass(frozen=True)
class Probes:
    """What probes found.

    Args:
        title: In words.
        table: Tidy; the columns are listed in docs/probes.md.
        notes: What a reader must know of them.
    """

    title: str
    table: pd.DataFrame = field(repr=False)
    notes: list[str]


def probe(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    methods: Sequence[str] = (),
    configs: Sequence[str] = (),
    folders: Collection[Path] = (),
    name: str = "",
    files: Sequence[Path] = (),
    names_are_exact: bool = False,
    replicates: int = 2000,
    workers: int | None = None,
    csv_path: Path | None = None,
    progress: Progress = silent,
) -> Numbers[Probes]:
    """Measure what frozen embeddings say about the magnification, the case and known factors.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set, like methods, configs and folders a choice of runs.
        name: What tells the files of a part of the runs from those of all.
        files: NPZ files of other models instead of runs.
        names_are_exact: Whether names in these files that may be one are kept apart.
        replicates: Bootstrap replicates over cases.
        workers: Processes; None takes one a core.
        csv_path: Another place for the CSV.
        progress: Told how far the calculation is.

    Returns:
        The table, with files `probes`; those of other models and of a choice of runs are written to `csv_path` alone.

    Raises:
        UsageError: files and a choice of runs were given, two files have one name, or there is no such run.
        DataError: a file is damaged.
        RunError: nothing is finished, or files of a run are damaged.
    """
    rows: Iterable[ProbedRows]
    if files:
        if dataset or methods or configs:
            raise UsageError("Expected files or runs", "found --embeddings and a choice of runs", "Give one of them")
        sources = sources_of_files(files, names_are_exact=names_are_exact)
        sets = [file_rows(each.read(), each.path.stem) for each in sources]
        title, folder, rows, total = "Probes of frozen embeddings of test cases", Path(), sets, len(sets)
        magnifications = {name for each in sets for name in each.magnification.tolist()}
        notes, absent = [], ["random encoder and colours: files of other models bring none"]
    else:
        loaded = load_chosen(workspace, dataset, methods=methods, configs=configs, folders=folders)
        matrix, known = arrange(loaded.runs), Known.of(workspace.data(loaded.dataset))
        controls, absent = plan_controls(matrix, known, workspace, loaded.dataset)
        title = f"{loaded.dataset}: probes of frozen embeddings of test cases"
        folder = workspace.results() / loaded.dataset
        rows = chain(run_rows(matrix, known), control_rows(controls, known))  # drawn as they are needed
        total, notes = len(loaded.runs) + len(controls), run_notes(matrix, loaded.unfinished)
        magnifications = {name for group in matrix.groups for name in group.magnifications}
    with progress("probes") as report:
        table = summarise_probes(
            rows, magnifications, total=total, replicates=replicates, workers=workers, progress=report
        )
    written = file_name("probes", name, methods, configs, folders, files)
    numbers = Numbers(Probes(title, table, [*notes, *probe_notes(table, absent)]), [])
    return with_files(numbers, folder if written else None, partial(write_frame, table, folder, written, csv_path))
