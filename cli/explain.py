"""`magsig explain`: which parts of an image look malignant to an exported model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FILE, FOLDER, PATH, json_option, option_with_default
from magsig_tf.cli.output import print_lines, progress_bar

if TYPE_CHECKING:
    pass


@click.command()
@click.option(
    "--model", required=True, type=FOLDER, help="Exported model: its folder (the latest version) or one version."
)
@click.option("--out", required=True, type=FILE, help="Picture to write; its ending decides the format.")
@option_with_default("--columns", type=click.IntRange(1, 8), default=3, help="Images in a row of the sheet.")
@option_with_default("--limit", type=click.IntRange(1, 200), default=24, help="Largest number of images on the sheet.")
@json_option
@click.argument("image", type=PATH)
def explain(as_json: bool, **chosen: Any) -> None:
    """Draw which parts of IMAGE look malignant to the model (Grad-CAM); a folder gives a contact sheet.

    Needs the exported model alone. The colours are relative to the strongest place of each image: they show where,
    not how much. They show what the network used, which need not be what a pathologist would use.

    \b
    magsig explain --model saved_models/grl-400x tile.png --out heat.png
    magsig explain --model saved_models/grl-400x TILES --out sheet.png --columns 4 --limit 40
    """
    explained = workflows.explain(**chosen, progress=progress_bar)
    images, unreadable = explained.images, explained.unreadable
    if as_json:
        record = {
            "model": explained.title,
            "out": str(explained.out),
            "files": explained.files,
            "images": [each.facts() for each in images],
            "unreadable": [{"file": each.path, "error": each.reason} for each in unreadable],
        }
        click.echo(json.dumps(record))
    else:
        lines = [
            f"{each.path}: {tile.said}" + (f" (converted from {each.converted})" if each.converted else "")
            for each, tile in zip(images, explained.tiles, strict=True)
        ]
        if unreadable:
            from magsig_tf.workflows.predicting import reasons

            lines.append(f"Not shown: {reasons(unreadable)}.")
        if explained.files > len(images) + len(unreadable):
            lines.append(f"The first of {explained.files} images; --limit shows more.")
        print_lines([*lines, f"Written: {explained.out}"])
    if unreadable:
        raise SystemExit(1)
