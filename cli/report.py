"""`magsig report`: the study as one page, its figures and its tables."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from magsig_tf.cli.finished_runs import choose_dataset, progress_bar
from magsig_tf.cli.options import json_option, workspace_option
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.report.page.report import Report


@click.command()
@workspace_option
@click.option("--dataset", help="Data set; the only one with runs if not given.")
@click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins with this (repeatable)."
)
@click.option(
    "--replicates", type=click.IntRange(100), default=2000, show_default=True, help="Bootstrap replicates over cases."
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Differences of AUC, F1 or overlap up to this size count as equivalent.  [default: equivalence_margin of the "
    "runs' configs, 0.02]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the page, its figures and tables.  [default: results/DATASET in the workspace]",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@json_option
def report(
    workspace: Workspace,
    dataset: str | None,
    configs: tuple[str, ...],
    replicates: int,
    margin: float | None,
    output: Path | None,
    opened: bool,
    as_json: bool,
) -> None:
    """Write the study as one page that reads like a short paper, with its figures and tables as files.

    The page, report.html, needs no network and can be sent to others as it is. Figures are written as SVG and PNG to
    figures/, tables as CSV and LaTeX to tables/ beside it. What is missing is named, with the command that supplies it.
    With --config-hash the names of all files end in the hashes, and the files of all runs are not changed.
    """
    dataset = choose_dataset(workspace, dataset)
    chosen = "-".join(configs)
    settings = {"replicates": replicates, "margin": margin, "output": output}
    written, results = write_report(workspace, dataset, configs=configs, name=chosen, **settings)
    if as_json:
        click.echo(_as_json(written, results))
    else:
        _print(written, opened)
    if opened:
        open_in_browser(written.page)


def write_report(
    workspace: Workspace,
    dataset: str,
    folders: Collection[Path] | None = None,
    name: str = "",
    *,
    configs: tuple[str, ...] = (),
    replicates: int = 2000,
    margin: float | None = None,
    output: Path | None = None,
) -> tuple[Report, list[Path]]:
    """Write the report of a data set's finished runs; other commands end with it.

    Args:
        workspace: Where runs and results lie.
        dataset: Name of the data set.
        folders: Keep the runs in these folders only; None keeps all.
        name: What tells the files of a part of the runs from those of all: `report-<name>.html`; empty for all runs.
        configs: Keep configs whose hash begins with one of these; empty keeps all.
        replicates: Bootstrap replicates.
        margin: Differences up to this size count as equivalent; None takes `equivalence_margin` of the runs' configs.
        output: Folder for the page; None takes the results folder of the data set.

    Returns:
        What was written, and the files of numbers that were calculated for it.
    """
    from dataclasses import replace

    from magsig_tf.cli.report_numbers import damaged_numbers, gather, write_numbers
    from magsig_tf.report.page.report import build_report

    name = quote(name, safe="")
    damaged = damaged_numbers(workspace, dataset)
    chosen = {"configs": configs, "folders": folders, "chosen": name}
    material = gather(workspace, dataset, **chosen, replicates=replicates, margin=margin)
    results = write_numbers(material, workspace, name)
    anew = {path.name for path in results}
    said = [
        f"{each} was damaged and has been written anew." if each in anew else f"{each} is damaged and is not used."
        for each in damaged
    ]
    material = replace(material, remarks=[*material.remarks, *said])
    folder = output or workspace.results() / dataset
    with progress_bar("figures") as progress:
        return build_report(material, folder, f"-{name}" if name else "", progress), results


def _print(written: Report, opened: bool) -> None:
    from magsig_tf.report.terminal.summary import output_console

    console = output_console()
    say = {"soft_wrap": True, "markup": False}
    console.print(f"{written.status.title}.", style="bold", markup=False)
    for line in written.status.remarks:
        console.print(line, **say)
    console.print(f"Figures: {len(written.figures)} files in {written.figures[0].parent}", **say)
    console.print(f"Tables: {len(written.tables)} files in {written.tables[0].parent}", **say)
    hint = "" if opened else " (magsig report --open opens it in a browser)"
    console.print(f"Report: {written.page}{hint}", **say)


def _as_json(written: Report, results: list[Path]) -> str:
    import json

    lists = {"figures": written.figures, "tables": written.tables, "results": results}
    document = {"report": str(written.page), **{name: list(map(str, paths)) for name, paths in lists.items()}}
    status = written.status
    return json.dumps(document | {"complete": status.complete, "state": status.title, "remarks": status.remarks})


def open_in_browser(page: Path) -> None:
    """Open a page in the user's browser; say where it is when there is none.

    Args:
        page: The page.
    """
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        click.echo(f"No browser can be opened here; the page is {page.resolve()}", err=True)
