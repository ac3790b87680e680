"""The report of a study: gathers numbers, tables of earlier commands and prepared images, and writes the page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import DataError, MagsigError
from magsig_tf.evaluation import LoadedRuns, load_runs, summarise
from magsig_tf.evaluation.augmentation.frame import Explanation
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.evaluation.comparison.frame import Comparison, compare
from magsig_tf.evaluation.summary.worst_images import worst_images
from magsig_tf.report.page.material import Material, Tile, as_data_address, read_result_tables
from magsig_tf.report.page.report import Report, build_report
from magsig_tf.runs.result_files import read_result, write_frame
from magsig_tf.runs.settings import margin_of
from magsig_tf.workflows.evaluation import comparison_name, explain_if_augmented
from magsig_tf.workflows.finished_runs import Progress, choose_dataset, file_name, silent
from magsig_tf.workspace import Workspace

REFERENCE = "baseline"


@dataclass(frozen=True)
class StudyReport(Report):
    """A report that was written.

    Args:
        numbers: The files of numbers that were calculated for it.
    """

    numbers: list[Path]


def report(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    configs: Sequence[str] = (),
    folders: Collection[Path] = (),
    name: str = "",
    replicates: int = 2000,
    margin: float | None = None,
    output: Path | None = None,
    progress: Progress = silent,
) -> StudyReport:
    """Write the report of finished runs: the page, its figures and its tables.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set; None takes the only one with runs.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        folders: Keep the runs in these folders only; empty keeps all.
        name: What tells the files of a part of the runs from those of all: `report-<name>.html`; configs if not given.
        replicates: Bootstrap replicates.
        margin: Differences up to this size count as equivalent; None takes `equivalence_margin` of the runs' configs.
        output: Folder for the page; None takes the results folder of the data set.
        progress: Told how far it is.

    Raises:
        UsageError: a config has no run, or runs name different margins.
        RunError: nothing is finished, or files of a run are damaged.
        MagsigError: a folder cannot be written.
    """
    dataset = choose_dataset(workspace, dataset)
    name = quote(name or "-".join(configs), safe="")
    damaged = _damaged_numbers(workspace, dataset)
    loaded = load_runs(workspace, dataset, configs=configs, folders=folders or None)
    margin = margin_of([run.folder for run in loaded.runs]) if margin is None else margin
    material = _gathered(loaded, workspace, name, replicates, margin, progress)
    numbers = _write_numbers(material, workspace, name)
    anew = {path.name for path in numbers}
    said = [
        f"{each} was damaged and has been written anew." if each in anew else f"{each} is damaged and is not used."
        for each in damaged
    ]
    material = replace(material, remarks=[*material.remarks, *said])
    folder = output or workspace.results() / dataset
    with progress("figures") as show:
        built = build_report(material, folder, f"-{name}" if name else "", show)
    return StudyReport(**vars(built), numbers=numbers)


def _gathered(
    loaded: LoadedRuns, workspace: Workspace, chosen: str, replicates: int, margin: float, progress: Progress
) -> Material:
    """Return everything that a report of finished runs is made of.

    What rests on predictions is calculated anew, so that it is of these runs; signatures and probes, which take
    minutes, are read from the results folder and held against the runs.
    """
    with progress("bootstrap") as show:
        summary = summarise(loaded, replicates=replicates, progress=show)
    tables = read_result_tables(workspace.results() / loaded.dataset, summary.matrix, chosen)
    comparisons, remarks = _compare_all(loaded, replicates, progress)
    with progress("claims") as show:
        claims = judge_claims(
            loaded, workspace, margin=margin, replicates=replicates, results=tables.for_claims(), progress=show
        )
    explanation, said = _explain(loaded, workspace, replicates, progress)
    worst = worst_images(summary.matrix)
    tiles, absent = _tiles(workspace, loaded.dataset, worst["row"])
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
        gan_folder=workspace.gan(loaded.dataset),
        remarks=[*remarks, *said, *absent],
    )


def _write_numbers(material: Material, workspace: Workspace, chosen: str = "") -> list[Path]:
    """Write the numbers that were calculated anew to the results folder, as their commands do.

    Args:
        material: What was gathered.
        workspace: Its results folder receives the files.
        chosen: What tells the files of a part of the runs from those of all.

    Returns:
        The files written.
    """
    frames = {"summary": material.summary.table, "claims": material.claims.table}
    frames |= {comparison_name(each.method, each.reference): each.table for each in material.comparisons}
    if material.explanation:
        frames["explanation"] = material.explanation.table
    folder = workspace.results() / material.dataset
    return [path for kind, frame in frames.items() for path in write_frame(frame, folder, file_name(kind, chosen))]


def _damaged_numbers(workspace: Workspace, dataset: str) -> list[str]:
    """Return the names of result files of earlier commands that cannot be read; a report writes them anew.

    Args:
        workspace: Where the results lie.
        dataset: Name of the data set.
    """
    damaged = []
    for pattern in ("summary*.parquet", "claims*.parquet", "comparison-*.parquet", "explanation*.parquet"):
        for path in sorted((workspace.results() / dataset).glob(pattern)):
            try:
                read_result(path, (), "magsig report")
            except DataError:
                damaged.append(path.name)
    return damaged


def _compare_all(loaded: LoadedRuns, replicates: int, progress: Progress) -> tuple[list[Comparison], list[str]]:
    """Compare every method with the reference; those that cannot be paired are named."""
    methods = list(dict.fromkeys(run.method for run in loaded.runs))
    if REFERENCE not in methods:
        return [], [f"No method is compared: there are no finished runs of {REFERENCE}."]
    found, remarks = [], []
    for method in methods:
        if method == REFERENCE:
            continue
        try:
            with progress(f"{method} - {REFERENCE}") as show:
                found.append(compare(loaded, method, REFERENCE, replicates=replicates, progress=show))
        except MagsigError as error:
            remarks.append(f"{method} is not compared with {REFERENCE}: {error.found}.")
    return found, remarks


def _explain(
    loaded: LoadedRuns, workspace: Workspace, replicates: int, progress: Progress
) -> tuple[Explanation | None, list[str]]:
    """Explain augmented runs; GANs that are damaged or of another split cost this part alone."""
    try:
        return explain_if_augmented(loaded, workspace, replicates, progress), []
    except MagsigError as error:
        return None, [f"Not explained what synthetic images did: {error}"]


def _tiles(workspace: Workspace, dataset: str, rows: Iterable[int]) -> tuple[dict[int, Tile], list[str]]:
    """Return prepared images by their row, or why there are none."""
    try:
        prepared = PreparedDataset.open(workspace.data(dataset))
    except MagsigError as error:
        return {}, [f"Images are not shown: {error.found or error}."]
    wanted = sorted({int(row) for row in rows if 0 <= row < len(prepared.manifest)})
    paths = prepared.manifest["path"]
    return {row: Tile(str(paths.iloc[row]), as_data_address(prepared.images[row])) for row in wanted}, []
