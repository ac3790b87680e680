"""`magsig report`: the study as one web page."""

from __future__ import annotations

import json
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import margin_option, show_calculated
from magsig_tf.cli.options import FOLDER, json_option, runs_options
from magsig_tf.cli.output import output_console, print_lines, progress_bar, say

if TYPE_CHECKING:
    from magsig_tf.workflows.reporting import StudyReport


@click.command()
@runs_options(methods=False)
@margin_option
@click.option(
    "--output",
    type=FOLDER,
    help="Folder for the page, its figures and tables.  [default: results/DATASET in the workspace]",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@json_option
def report(opened: bool, as_json: bool, **chosen: Any) -> None:
    """Write the study as one web page, with its figures and tables as files.

    The page, report.html, reads like a short paper, needs no network and can be sent to others by itself. Figures
    are written as SVG and PNG to figures/, tables as CSV and LaTeX to tables/ beside it. What is missing is named,
    with the command that supplies it. With --config-hash the names of all files end in the hashes, and those of all
    runs stay as they are.
    """
    show_calculated(partial(workflows.report, **chosen, progress=progress_bar), partial(_print, opened, as_json))


def _print(opened: bool, as_json: bool, written: StudyReport) -> None:
    status, page = written.status, str(written.page) if written.figures else None
    if as_json:
        lists = {"figures": written.figures, "tables": written.tables, "results": written.numbers}
        document = {"report": page, **{name: list(map(str, paths)) for name, paths in lists.items()}}
        state = {"complete": status.complete, "state": status.title, "remarks": status.remarks}
        click.echo(json.dumps(document | state))
    else:
        console = output_console()
        console.print(f"{status.title}.", style="bold")
        print_lines(status.remarks, console)
        if page:
            lines = [
                f"Figures: {len(written.figures)} files in {written.figures[0].parent}",
                f"Tables: {len(written.tables)} files in {written.tables[0].parent}",
                f"Report: {page}{'' if opened else ' (magsig report --open opens it in a browser)'}",
            ]
            print_lines(lines, console)
    if page and opened:
        open_in_browser(written.page)


def open_in_browser(page: Path) -> None:
    """Open a page in the user's browser; say where it is when there is none.

    Args:
        page: The page.
    """
    if not webbrowser.open(page.resolve().as_uri()):
        say(f"No browser can be opened here; the page is {page.resolve()}", err=True)
