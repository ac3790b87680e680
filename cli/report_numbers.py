"""Gathers what a report is made of: numbers from finished runs, tables of earlier commands, prepared images."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from magsig_tf.cli.comparison import comparison_name
from magsig_tf.cli.explanation import explain_if_augmented
from magsig_tf.cli.finished_runs import progress_bar
from magsig_tf.errors import MagsigError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.evaluation import LoadedRuns
    from magsig_tf.evaluation.comparison.frame import Comparison
    from magsig_tf.report.page.material import Material, Tile

REFERENCE = "baseline"


def gather(
    workspace: Workspace,
    dataset: str,
    *,
    configs: tuple[str, ...] = (),
    folders: Collection[Path] | None = None,
    chosen: str = "",
    replicates: int = 2000,
    margin: float | None = None,
) -> Material:
    """Return everything that a report of a data set's finished runs is made of.

    What rests on predictions is calculated anew, so that it is of these runs; signatures and probes, which take
    minutes, are read from the results folder and held against the runs.

    Args:
        workspace: Where runs, results, GANs and prepared data lie.
        dataset: Name of the data set.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        folders: Keep the runs in these folders only; None keeps all.
        chosen: What tells the result files of a part of the runs from those of all.
        replicates: Bootstrap replicates.
        margin: Differences up to this size count as equivalent; None takes `equivalence_margin` of the runs' configs.
    """
    from magsig_tf.evaluation import load_runs, summarise
    from magsig_tf.evaluation.claims.judge import judge_claims
    from magsig_tf.evaluation.summary.worst_images import worst_images
    from magsig_tf.report.page.material import Material
    from magsig_tf.report.page.result_tables import read_result_tables
    from magsig_tf.runs.settings import margin_of

    loaded = load_runs(workspace, dataset, configs=configs, folders=folders)
    margin = margin_of([run.folder for run in loaded.runs]) if margin is None else margin
    with progress_bar("bootstrap") as report:
        summary = summarise(loaded, replicates=replicates, progress=report)
    tables = read_result_tables(workspace.results() / dataset, summary.matrix, chosen)
    comparisons, remarks = _compare_all(loaded, replicates)
    with progress_bar("claims") as report:
        claims = judge_claims(
            loaded, workspace, margin=margin, replicates=replicates, results=tables.for_claims(), progress=report
        )
    explanation, said = _explain(loaded, workspace, replicates)
    worst = worst_images(summary.matrix)
    tiles, absent = _tiles(workspace, dataset, worst["row"])
    return Material(
        loaded=loaded,
        summary=summary,
        comparisons=comparisons,
        reference=REFERENCE,
        claims=claims,
        explanation=explanation,
        tables=tables,
        worst=worst,
        tiles=tiles,
        gan_folder=workspace.gan(dataset),
        remarks=[*remarks, *said, *absent],
    )


def write_numbers(material: Material, workspace: Workspace, chosen: str = "") -> list[Path]:
    """Write the numbers that were calculated anew to the results folder, as `magsig evaluate` does.

    Args:
        material: What was gathered.
        workspace: Its results folder receives the files.
        chosen: What tells the files of a part of the runs from those of all.

    Returns:
        The files written.
    """
    from magsig_tf.runs.result_files import write_frame

    frames = {"summary": material.summary.table, "claims": material.claims.table}
    frames |= {comparison_name(each.method, each.reference): each.table for each in material.comparisons}
    if material.explanation:
        frames["explanation"] = material.explanation.table
    folder, ending = workspace.results() / material.dataset, f"-{chosen}" if chosen else ""
    return [path for name, frame in frames.items() for path in write_frame(frame, folder, f"{name}{ending}")]


def damaged_numbers(workspace: Workspace, dataset: str) -> list[str]:
    """Return the names of result files of `magsig evaluate` that cannot be read; a report writes them anew.

    Args:
        workspace: Where the results lie.
        dataset: Name of the data set.
    """
    from magsig_tf.errors import DataError
    from magsig_tf.runs.result_files import read_result

    damaged = []
    for pattern in ("summary*.parquet", "claims*.parquet", "comparison-*.parquet", "explanation*.parquet"):
        for path in sorted((workspace.results() / dataset).glob(pattern)):
            try:
                read_result(path, (), "magsig report")
            except DataError:
                damaged.append(path.name)
    return damaged


def _compare_all(loaded: LoadedRuns, replicates: int) -> tuple[list[Comparison], list[str]]:
    """Compare every method with the reference; those that cannot be paired are named."""
    from magsig_tf.evaluation.comparison.frame import compare

    methods = list(dict.fromkeys(run.method for run in loaded.runs))
    if REFERENCE not in methods:
        return [], [f"No method is compared: there are no finished runs of {REFERENCE}."]
    found, remarks = [], []
    for method in methods:
        if method == REFERENCE:
            continue
        try:
            with progress_bar(f"{method} - {REFERENCE}") as report:
                found.append(compare(loaded, method, REFERENCE, replicates=replicates, progress=report))
        except MagsigError as error:
            remarks.append(f"{method} is not compared with {REFERENCE}: {error.found}.")
    return found, remarks


def _explain(loaded: LoadedRuns, workspace: Workspace, replicates: int):
    """Explain augmented runs; GANs that are damaged or of another split cost this part alone."""
    try:
        return explain_if_augmented(loaded, workspace, replicates), []
    except MagsigError as error:
        return None, [f"Not explained what synthetic images did: {error}"]


def _tiles(workspace: Workspace, dataset: str, rows) -> tuple[dict[int, Tile], list[str]]:
    """Return prepared images by their row, or why there are none."""
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.report.page.material import Tile, as_data_address

    try:
        prepared = PreparedDataset.open(workspace.data(dataset))
    except MagsigError as error:
        return {}, [f"Images are not shown: {error.found or error}."]
    wanted = sorted({int(row) for row in rows if 0 <= row < len(prepared.manifest)})
    paths = prepared.manifest["path"]
    return {row: Tile(str(paths.iloc[row]), as_data_address(prepared.images[row])) for row in wanted}, []
