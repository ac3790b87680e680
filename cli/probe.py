"""`magsig probe`: what frozen embeddings still reveal about magnification, case and known factors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.finished_runs import choose_dataset, progress_bar
from magsig_tf.cli.options import csv_option, json_option, workspace_option
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.evaluation.probes.rows import ProbedRows


@click.command()
@workspace_option
@click.option("--dataset", help="Data set; the only one with runs if not given.")
@click.option("--method", "methods", multiple=True, help="Only this method (repeat for several).")
@click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins with this (repeatable)."
)
@click.option(
    "--embeddings",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Probe this NPZ file of another model instead of runs (repeat for several).",
)
@click.option(
    "--replicates", type=click.IntRange(100), default=2000, show_default=True, help="Bootstrap replicates over cases."
)
@click.option("--workers", type=click.IntRange(1), help="Processes to use.  [default: one per core]")
@csv_option
@json_option
def probe(
    workspace: Workspace,
    dataset: str | None,
    methods: tuple[str, ...],
    configs: tuple[str, ...],
    files: tuple[Path, ...],
    replicates: int,
    workers: int | None,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Show what frozen embeddings still reveal about the magnification and the case.

    Prints one row for each method and control, beside chance, with intervals from a bootstrap over cases, and writes
    every number to results/DATASET/probes.csv and probes.parquet. With --method, --config-hash or --embeddings these
    files, which cover all runs, are not changed; --csv writes the chosen runs.
    """
    if files:
        study = _of_files(files, dataset or methods or configs)
        folder, name = Path(), ""
    else:
        dataset = choose_dataset(workspace, dataset)
        study = study_of_runs(workspace, dataset, methods, configs)
        folder, name = workspace.results() / dataset, "" if methods or configs else "probes"
    print_study(study, folder, name, replicates=replicates, workers=workers, csv_path=csv_path, as_json=as_json)


def print_study(
    study: ProbeStudy,
    folder: Path,
    name: str,
    *,
    replicates: int = 2000,
    workers: int | None = None,
    csv_path: Path | None = None,
    as_json: bool = False,
) -> None:
    """Probe embeddings, write the numbers and print them; other commands end with it.

    Args:
        study: What to probe.
        folder: Results folder of the data set.
        name: Name of the files in it, without their ending; empty writes none there.
        replicates: Bootstrap replicates over cases.
        workers: Processes; None takes one per core.
        csv_path: Another place for the CSV.
        as_json: Print JSON instead of tables.
    """
    from magsig_tf.evaluation.probes.notes import probe_notes
    from magsig_tf.evaluation.probes.summary import summarise_probes
    from magsig_tf.report.terminal.probes import print_probes
    from magsig_tf.report.terminal.summary import output_console
    from magsig_tf.runs.result_files import write_frame

    with progress_bar("probes") as report:
        table = summarise_probes(
            study.rows,
            study.magnifications,
            total=study.total,
            replicates=replicates,
            workers=workers,
            progress=report,
        )
    written = write_frame(table, folder, name, csv_path)
    if as_json:
        click.echo(table.to_json(orient="records", double_precision=15))
        return
    console = output_console()
    print_probes(table, study.title, [*study.notes, *probe_notes(table, study.absent)], console)
    if written:
        console.print(f"All numbers: {', '.join(map(str, written))}", soft_wrap=True, markup=False)


@dataclass(frozen=True)
class ProbeStudy:
    """What is probed.

    Args:
        title: In words.
        rows: Sets of rows; drawn as they are needed.
        total: Number of sets.
        magnifications: Every magnification that any row has.
        notes: Sentences on the runs.
        absent: Controls that are not there, with the reason.
    """

    title: str
    rows: Iterable[ProbedRows]
    total: int
    magnifications: set[str]
    notes: list[str]
    absent: list[str]


def study_of_runs(
    workspace: Workspace,
    dataset: str,
    methods: tuple[str, ...] = (),
    configs: tuple[str, ...] = (),
    folders: Collection[Path] | None = None,
) -> ProbeStudy:
    """Return the finished runs of a data set and their controls, to be probed.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        methods: Keep these methods only; empty keeps all.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        folders: Keep the runs in these folders only; None keeps all.
    """
    from magsig_tf.evaluation import arrange, load_runs
    from magsig_tf.evaluation.probes.rows import Known, control_rows, plan_controls, run_rows
    from magsig_tf.evaluation.summary.notes import run_notes

    loaded = load_runs(workspace, dataset, methods=methods, configs=configs, folders=folders)
    matrix, known = arrange(loaded.runs), Known.of(workspace.data(dataset))
    controls, absent = plan_controls(matrix, known, workspace, dataset)
    return ProbeStudy(
        title=f"{dataset}: probes of frozen embeddings of test cases",
        rows=chain(run_rows(matrix, known), control_rows(controls, known)),
        total=len(loaded.runs) + len(controls),
        magnifications={name for group in matrix.groups for name in group.magnifications},
        notes=run_notes(matrix, loaded.unfinished),
        absent=absent,
    )


def _of_files(files: tuple[Path, ...], of_runs: object) -> ProbeStudy:
    from magsig_tf.data.embeddings_file import read_embeddings
    from magsig_tf.errors import UsageError
    from magsig_tf.evaluation.probes.rows import file_rows

    if of_runs:
        raise UsageError("Expected files or runs", "found --embeddings and a choice of runs", "Give one of them")
    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        raise UsageError("Expected files with different names", f"found {', '.join(names)}", "Rename one of them")
    rows = [file_rows(read_embeddings(path), path.stem) for path in files]
    return ProbeStudy(
        title="Probes of frozen embeddings of test cases",
        rows=rows,
        total=len(rows),
        magnifications={name for each in rows for name in each.magnification.tolist()},
        notes=[],
        absent=["random encoder and colours: files of other models bring none"],
    )
