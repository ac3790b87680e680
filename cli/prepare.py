"""`magsig prepare`: images in, one prepared data set out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import PATH, json_option, option_with_default, workspace_option
from magsig_tf.cli.output import preparation_bar
from magsig_tf.errors import UsageError


def _settings(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator or not key.strip():
            raise UsageError("Expected KEY=VALUE", f"found {value!r}", "Write for example --phantom-set tiles=4")
        settings[key.strip()] = text
    return settings


@click.command("prepare")
@click.option("--source", type=PATH, help="BreaKHis archive (.tar.gz) or folder, or a CSV manifest.")
@click.option("--phantom", is_flag=True, help="Render the synthetic data set instead; nothing is downloaded.")
@click.option("--name", help="Name of the data set.  [default: breakhis, phantom, or the CSV's name]")
@click.option("--size", type=click.IntRange(8, 4096), help="Height and width in pixels.  [default: 224; phantom: 64]")
@option_with_default(
    "--resize",
    type=click.Choice(["squash", "crop"]),
    default="squash",
    help="squash keeps the whole image and loses its aspect ratio; crop takes the largest centred square.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that decode.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace a data set of the same name.")
@click.option("--kind", help="Kind of data set (see magsig plugins).  [default: recognised from --source]")
@click.option(
    "--phantom-set",
    "--source-set",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_settings,
    help="A setting of the phantom, or of a plugin's data set; repeatable.",
)
@workspace_option
@json_option
def prepare(source: Path | None, phantom: bool, kind: str | None, as_json: bool, **chosen: Any) -> None:
    """Decode and check a data set once; training reads the result.

    Images are read from BreaKHis as it is distributed (archive or unpacked folder), from any data set that a CSV with
    the columns path, label, magnification and case describes, or rendered (--phantom). Unreadable images are listed and
    left out. Repeating the command after an interruption continues; repeating it on a finished data set does nothing.
    """
    if phantom and (source or kind not in (None, "phantom")):
        raise UsageError("Expected either --phantom or a source", "found both", "Leave one of them out")
    prepared = workflows.prepare(source, kind="phantom" if phantom else kind, **chosen, progress=preparation_bar)
    dataset = prepared.dataset
    if as_json:
        summary = {"already_prepared": prepared.already, "seconds": round(prepared.seconds, 3)}
        click.echo(json.dumps({"folder": str(dataset.folder), **summary, **dataset.info}, indent=2))
        return
    from magsig_tf.report.terminal.preparation import print_report

    print_report(dataset.info)
    state = "already prepared, nothing to do" if prepared.already else f"prepared in {prepared.seconds:.1f} s"
    click.echo(f"{state}: {dataset.folder}")
