"""`magsig plugins`: commands, methods, encoders and data sets, and where each comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf import workflows
from magsig_tf.cli.options import numbers_options

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@numbers_options
def plugins(csv_path: Path | None, as_json: bool) -> None:
    """List commands, methods, encoders and data sets, and where each comes from.

    A plugin that cannot be imported, or whose name two packages claim, is listed with the reason.
    """
    from magsig_tf.runs.result_files import write_frame

    found = workflows.list_plugins()
    _print(found, as_json)
    write_frame(found, Path(), "", csv_path)


def _print(found: pd.DataFrame, as_json: bool) -> None:
    from rich.table import Table

    from magsig_tf.report.terminal.console import output_console

    rows = found.to_dict("records")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(title="magsig plugins", title_justify="left", box=None, pad_edge=False)
    columns = ("kind", "name", "source", "value", "state")
    for column in columns:
        table.add_column(column, overflow="fold", header_style="bold")
    for row in rows:
        table.add_row(*(row[column] for column in columns), style="red" if row["state"] != "ok" else None)
    # folding in a pipe would break what scripts look for
    output_console(width=160).print(table)
