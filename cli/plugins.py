"""`magsig plugins`."""

from __future__ import annotations

import click

from magsig_tf.cli.options import csv_option, json_option


@click.command()
@csv_option
@json_option
def plugins(csv_path, as_json):
    """List commands, methods, encoders and data sets, and where each comes from.

    A plugin that cannot be imported, or whose name two packages claim, is listed with the reason.
    """
    from rich.console import Console
    from rich.table import Table

    from magsig_tf.registry import GROUPS, PluginError, registry
    from magsig_tf.tensorflow_import import load_tensorflow

    load_tensorflow()  # encoders need it
    rows = []
    for kind in GROUPS:
        for plugin in registry(kind).plugins:
            try:
                registry(kind).load(plugin.name)
                state = "ok"
            except PluginError as error:
                state = f"broken: {error.found}"
            rows.append(
                {"kind": kind[:-1], "name": plugin.name, "value": plugin.value, "source": plugin.source, "state": state}
            )
    if csv_path:
        import pandas as pd

        from magsig_tf.runs.result_files import write_frame

        write_frame(pd.DataFrame(rows), csv_path.parent, "", csv_path)
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(title="magsig plugins", title_justify="left", box=None, pad_edge=False)
    for column in ("kind", "name", "source", "value", "state"):
        table.add_column(column, overflow="fold", header_style="bold")
    for row in rows:
        style = "red" if row["state"] != "ok" else None
        table.add_row(row["kind"], row["name"], row["source"], row["value"], row["state"], style=style)
    console = Console()
    # a pipe has no width of its own, and folding would break what scripts look for
    (console if console.is_terminal else Console(width=160)).print(table)
