"""`magsig signatures`: size and accuracy of the sparse signatures of runs, and their overlap beyond chance."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.finished_runs import choose_dataset, progress_bar
from magsig_tf.cli.options import csv_option, json_option, workspace_option
from magsig_tf.errors import UsageError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.signatures.sources import Source


@click.command()
@workspace_option
@click.option("--dataset", help="Data set; the only one with runs if not given.")
@click.option("--method", "methods", multiple=True, help="Only this method (repeat for several).")
@click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins with this (repeatable)."
)
@click.option("--compare-folds", is_flag=True, help="Compare the signatures of different holdouts, beside chance.")
@click.option(
    "--bootstraps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Bootstraps over training cases at fixed lambda, for selection frequencies; 50 or more.",
)
@click.option(
    "--random-encoder/--no-random-encoder",
    default=None,
    help="Also show the encoder before training, once per split and seed.  [default: unless --method chooses]",
)
@click.option(
    "--replicates",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Bootstrap replicates over test cases, for the intervals of scores.",
)
@click.option(
    "--embeddings",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="NPZ file of another model instead of runs (repeat to compare several).",
)
@csv_option
@json_option
def signatures(
    workspace: Workspace,
    dataset: str | None,
    methods: tuple[str, ...],
    configs: tuple[str, ...],
    compare_folds: bool,
    bootstraps: int,
    random_encoder: bool | None,
    replicates: int,
    files: tuple[Path, ...],
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Show the sparse signatures of finished runs, and how stable they are.

    Prints one row for each run and writes tidy tables to results/DATASET/signatures.csv and further files there. With
    --method or --config-hash their names end in the choice; --csv writes the table of runs. Rows of an untrained
    encoder, for comparison, are below those of the methods.
    """
    from magsig_tf.signatures.sources import sources_of_files

    if files and (dataset or methods or configs or random_encoder):
        raise UsageError(
            "Expected either --embeddings or a choice of runs",
            "found both",
            "Leave out --dataset, --method, --config-hash and --random-encoder",
        )
    if files:
        name, sources, missing = f"embeddings-{files[0].stem}", sources_of_files(files), []
    else:
        name = choose_dataset(workspace, dataset)
        controls = not methods if random_encoder is None else random_encoder
        sources, missing = sources_of_finished_runs(workspace, name, methods, configs, controls)
    print_study(
        workspace,
        name,
        sources,
        missing,
        compare_folds=compare_folds,
        bootstraps=bootstraps,
        replicates=replicates,
        chosen="-".join([*methods, *configs]),
        csv_path=csv_path,
        as_json=as_json,
    )


def print_study(
    workspace: Workspace,
    name: str,
    sources: list[Source],
    missing: list[str],
    *,
    compare_folds: bool = False,
    bootstraps: int = 0,
    replicates: int = 2000,
    chosen: str = "",
    csv_path: Path | None = None,
    as_json: bool = False,
) -> None:
    """Study signatures, write the tables and print them; other commands end with it.

    Args:
        workspace: Where results lie.
        name: Of the data set, or of the files of another model.
        sources: Whose signatures.
        missing: Sentences to print below.
        compare_folds: Whether to compare holdouts.
        bootstraps: Bootstraps over cases for the stability within a fold.
        replicates: Bootstrap replicates behind the intervals of scores.
        chosen: What tells the files of a part of the runs from those of all.
        csv_path: Another place for the table of runs as CSV.
        as_json: Print JSON instead of tables.
    """
    from magsig_tf.report.terminal.signatures import print_signatures
    from magsig_tf.report.terminal.summary import output_console
    from magsig_tf.runs.result_files import write_frame
    from magsig_tf.signatures.study import study_signatures, write_study

    study = study_signatures(
        name,
        sources,
        compare_folds=compare_folds,
        bootstraps=bootstraps,
        replicates=replicates,
        progress=progress_bar,
    )
    written = write_study(study, workspace.results(), chosen)
    written += write_frame(study.runs, Path(), "", csv_path)
    if as_json:
        click.echo(_as_json(study.frames(), missing))
        return
    console = output_console()
    print_signatures(study, console, missing)
    console.print(f"All numbers: {', '.join(str(path) for path in written)}", soft_wrap=True, markup=False)


def sources_of_finished_runs(
    workspace: Workspace,
    dataset: str,
    methods: tuple[str, ...] = (),
    configs: tuple[str, ...] = (),
    controls: bool = True,
    folders: Collection[Path] | None = None,
) -> tuple[list[Source], list[str]]:
    """Return the sources of the finished runs and of their controls, and what a reader must know of them.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        methods: Keep these methods only; empty keeps all.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        controls: Whether the encoder before training stands beside them.
        folders: Keep the runs in these folders only; None keeps all.
    """
    from magsig_tf.evaluation import arrange, load_runs
    from magsig_tf.evaluation.summary.notes import run_notes
    from magsig_tf.signatures.sources import sources_of_random_encoders, sources_of_runs

    loaded = load_runs(workspace, dataset, methods=methods, configs=configs, folders=folders)
    matrix = arrange(loaded.runs)
    said = run_notes(matrix, loaded.unfinished)
    sources = sources_of_runs(matrix)
    if controls:
        untrained, absent = sources_of_random_encoders(matrix, workspace, dataset)
        sources += untrained
        said += [f"Control {text}." for text in absent]
    return sources, said


def _as_json(frames: dict, missing: list[str]) -> str:
    """Return every table but the long ones of frequencies and predictions as one JSON document."""
    import json

    parts = [
        f'"{name}": {frame.to_json(orient="records", double_precision=15)}'
        for name, frame in frames.items()
        if name not in ("selection_frequencies", "signature_predictions")
    ]
    return "{" + ", ".join([*parts, f'"missing": {json.dumps(missing)}']) + "}"
