"""`magsig audit`: does a split that somebody uses keep patients and pictures apart?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FOLDER, PATH, numbers_options
from magsig_tf.cli.output import output_console, progress_bar


@click.command()
@click.option(
    "--images", type=FOLDER, help="Folder that the paths of a table are relative to.  [default: that of the table]"
)
@click.option(
    "--columns", multiple=True, metavar="OURS=THEIRS",
    help="Names of a table's columns, such as part=set,case=patient.",
)  # fmt: skip
@click.option("--case-from", metavar="REGEX", help="The case in a path: the first group, or the one called case.")
@click.option("--sheet", help="Sheet of a workbook.")
@click.option("--no-pictures", is_flag=True, help="Do not read the images: copies on two sides are not looked for.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that read images.  [default: all cores]")
@numbers_options
@click.argument("split", type=PATH)
def audit(csv_path: Path | None, as_json: bool, columns: tuple[str, ...], **chosen: Any) -> None:
    """Look for what leaks in any split: cases on two sides, copies, rules that a data set has.

    SPLIT is a table with the part (train, validation, test) or fold of each path or case, a list such as dsfold1.txt of
    BreaKHis, a folder with a folder for each part, or predictions.parquet of a run. Where the images are found they are
    compared too. Exits with 0 where nothing leaks, and with 1 where something does.

    \b
    magsig audit split.csv --images tiles
    magsig audit FOLDER_WITH_TRAIN_VAL_TEST --case-from '(patient[0-9]+)'
    magsig audit dsfold1.txt
    """
    renamed = ",".join(columns) or None
    audited = workflows.audit(**chosen, columns=renamed, csv=csv_path, progress=progress_bar)
    if as_json:
        click.echo(json.dumps(audited.as_json(), indent=2))
    else:
        from magsig_tf.report.terminal.audit import print_audit

        print_audit(audited, output_console())
    raise SystemExit(1 if audited.leaks else 0)
