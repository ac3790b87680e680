"""The report of a study: gathers numbers, tables of earlier commands and prepared images, and writes the page."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from magsig_tf.checksums import ChangedError, verified
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import DataError, MagsigError
from magsig_tf.evaluation import LoadedRuns, summarise
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.evaluation.comparison import Comparison, compare
from magsig_tf.evaluation.curves import worst_images
from magsig_tf.locks import holding_folder, short
from magsig_tf.report.figures.pictures import PICTURE
from magsig_tf.report.page.material import Material, Tile, as_data_address, read_result_tables
from magsig_tf.report.page.report import Report, build_report
from magsig_tf.report.page.sections import status_of
from magsig_tf.runs.matrix import margin_of
from magsig_tf.runs.result_files import read_result, write_frame
from magsig_tf.workflows.evaluation import comparison_name, explain_if_augmented
from magsig_tf.workflows.finished_runs import NotWrittenError, Progress, file_name, load_chosen, silent
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
        NotWrittenError: a folder cannot be written; the error has how much of the study is there.
    """
    name = short(quote(name or "-".join(configs), safe=""))
    loaded = load_chosen(workspace, dataset, configs=configs, folders=folders)
    _refuse_changed(loaded, workspace)
    results = workspace.results() / loaded.dataset
    damaged = _damaged_numbers(results)
    margin = margin_of([run.folder for run in loaded.runs]) if margin is None else margin
    material = _gathered(loaded, workspace, name, replicates, margin, progress)
    frames = {"summary": material.summary.table, "claims": material.claims.table}
    frames |= {comparison_name(each.method, each.reference): each.table for each in material.comparisons}
    if material.explanation:
        frames["explanation"] = material.explanation.table
    place, ending = output or results, f"-{name}" if name else ""
    try:
        with contextlib.ExitStack() as held:
            for folder in sorted({os.path.realpath(results), os.path.realpath(place)}):  # in one order, whoever comes
                held.enter_context(holding_folder(Path(folder)))
            # the numbers that were calculated anew, as their commands write them
            numbers = [
                path for kind, table in frames.items() for path in write_frame(table, results, file_name(kind, name))
            ]
            for path in damaged:
                state = "was damaged and has been written anew" if path in numbers else "is damaged and is not used"
                material.remarks.append(f"{path.name} {state}.")
            with progress("figures") as show:
                built = build_report(material, place, ending, show)
    except MagsigError as error:
        nothing = StudyReport(place / f"report{ending}.html", [], [], status_of(material), [])
        raise NotWrittenError(error, nothing) from error
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
    remarks: list[str] = []
    comparisons = _compare_all(loaded, replicates, progress, remarks)
    with progress("claims") as show:
        claims = judge_claims(
            loaded, workspace, margin=margin, replicates=replicates, results=tables.for_claims(), progress=show
        )
    explanation = None
    try:
        explanation = explain_if_augmented(loaded, workspace, replicates, progress)
    except MagsigError as error:  # GANs that are damaged or of another split cost this part alone
        remarks.append(f"Not explained what synthetic images did: {error}")
    worst = worst_images(summary.matrix)
    return Material(
        loaded=loaded,
        summary=summary,
        comparisons=comparisons,
        reference=REFERENCE,
        claims=claims,
        explanation=explanation,
        tables=tables,
        worst=worst,
        tiles=_tiles(workspace.data(loaded.dataset), worst["row"], remarks),
        gan_folder=workspace.gan(loaded.dataset),
        remarks=remarks,
    )


def _refuse_changed(loaded: LoadedRuns, workspace: Workspace) -> None:
    """Refuse files that changed which only the figures read, before minutes of calculation.

    Raises:
        ChangedError: naming the file.
    """
    for run in loaded.runs:
        for name in ("config.yaml", "log.jsonl"):
            verified(run.folder / name)
    for folder in sorted({path.parent for path in workspace.gan(loaded.dataset).glob("*/*/fold.json")}):
        for path in (folder / "fold.json", folder / PICTURE, (folder / PICTURE).with_suffix(".txt")):
            verified(path)


def _damaged_numbers(folder: Path) -> list[Path]:
    """Return the result files of earlier commands that cannot be read; a report writes them anew."""
    damaged = []
    for pattern in ("summary*.parquet", "claims*.parquet", "comparison-*.parquet", "explanation*.parquet"):
        for path in sorted(folder.glob(pattern)):
            try:
                read_result(path, (), "magsig report")
            except (ChangedError, DataError):
                damaged.append(path)
    return damaged


def _compare_all(loaded: LoadedRuns, replicates: int, progress: Progress, remarks: list[str]) -> list[Comparison]:
    """Compare every method with the reference; those that cannot be paired are named in the remarks."""
    methods = list(dict.fromkeys(run.method for run in loaded.runs))
    if REFERENCE not in methods:
        remarks.append(f"No method is compared: there are no finished runs of {REFERENCE}.")
        return []
    methods.remove(REFERENCE)
    found = []
    for method in methods:
        try:
            with progress(f"{method} - {REFERENCE}") as show:
                found.append(compare(loaded, method, REFERENCE, replicates=replicates, progress=show))
        except MagsigError as error:
            remarks.append(f"{method} is not compared with {REFERENCE}: {error.found}.")
    return found


def _tiles(folder: Path, rows: Iterable[int], remarks: list[str]) -> dict[int, Tile]:
    """Return prepared images by their row; the remarks say why there are none."""
    try:
        prepared = PreparedDataset.open(folder)
    except MagsigError as error:
        said = str(error).rstrip(".") if isinstance(error, ChangedError) else error.found or error
        remarks.append(f"Images are not shown: {said}.")
        return {}
    wanted = sorted({int(row) for row in rows if 0 <= row < len(prepared.manifest)})
    paths = prepared.manifest["path"]
    return {row: Tile(str(paths.iloc[row]), as_data_address(prepared.images[row])) for row in wanted}
