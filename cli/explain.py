"""`magsig explain`: where in an image a served model finds evidence for malignant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import print_lines
from magsig_tf.cli.options import FILE, FOLDER, json_option
from magsig_tf.cli.progress import progress_bar

if TYPE_CHECKING:
    from magsig_tf.workflows.predicting import Explained


@click.command()
@click.option(
    "--model", required=True, type=FOLDER, help="Exported model: its folder (the latest version) or one version."
)
@click.option("--out", required=True, type=FILE, help="Picture to write; its ending decides the format.")
@click.option(
    "--columns", type=click.IntRange(1, 8), default=3, show_default=True, help="Images in a row of the sheet."
)
@click.option(
    "--limit", type=click.IntRange(1, 200), default=24, show_default=True, help="Largest number of images on the sheet."
)
@json_option
@click.argument("image", type=click.Path(path_type=Path))
def explain(as_json: bool, **chosen: Any) -> None:
    """Draw which parts of IMAGE look malignant to the model (Grad-CAM); a folder gives a contact sheet.

    Needs the exported model alone. The colours are relative to the strongest place of each image: they show where,
    not how much. They show what the network used, which need not be what a pathologist would use.

    \b
    magsig explain --model saved_models/grl-400x tile.png --out heat.png
    magsig explain --model saved_models/grl-400x TILES --out sheet.png --columns 4 --limit 40
    """
    explained = workflows.explain(**chosen, progress=progress_bar)
    _print(explained, as_json)
    if explained.unreadable:
        raise SystemExit(1)


def _print(explained: Explained, as_json: bool) -> None:
    from magsig_tf.report.terminal.render import output_console
    from magsig_tf.workflows.predicting import reasons

    unreadable = explained.unreadable
    if as_json:
        record = {
            "model": explained.title,
            "out": str(explained.out),
            "files": explained.files,
            "images": [each.facts() for each in explained.images],
            "unreadable": [{"file": each.path, "error": each.reason} for each in unreadable],
        }
        click.echo(json.dumps(record))
        return
    lines = [f"{each.path}: {tile.said}" for each, tile in zip(explained.images, explained.tiles, strict=True)]
    if unreadable:
        lines.append(f"Not shown: {reasons(unreadable)}.")
    if explained.files > len(explained.images) + len(unreadable):
        lines.append(f"The first of {explained.files} images; --limit shows more.")
    print_lines(output_console(), [*lines, f"Written: {explained.out}"])
