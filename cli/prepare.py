"""`magsig prepare`: images in, one prepared data set out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FILE, PATH, json_option, option_with_default, workspace_option
from magsig_tf.cli.output import preparation_bar, say
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
@click.option(
    "--source", type=PATH, help="BreaKHis archive or folder, a table, a folder of images, or files of embeddings."
)
@click.option("--manifest", type=FILE, help="For files of embeddings: the table that says what each row is of.")
@click.option(
    "--arrays", multiple=True, metavar="OURS=THEIRS",
    help="Names of the arrays in files of embeddings, such as features=feats.",
)  # fmt: skip
@click.option("--phantom", is_flag=True, help="Render the synthetic data set instead; nothing is downloaded.")
@click.option("--name", help="Name of the data set.  [default: breakhis, phantom, or the CSV's name]")
@click.option("--size", type=click.IntRange(8, 4096), help="Height and width in pixels.  [default: 224; phantom: 64]")
@option_with_default(
    "--resize",
    type=click.Choice(["squash", "crop"]),
    default="squash",
    help="squash keeps the whole image and loses its aspect ratio; crop takes the largest centred square.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that decode.  [default: all cores, fewer where memory is short]",
)
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
@click.option(
    "--same-case",
    type=FILE,
    help="A CSV that says of names that may be one whether they are; prepare writes it where it finds such names.",
)
@click.option("--names-are-exact", is_flag=True, help="Keep all other names that may be one apart.")
@click.option(
    "--columns", multiple=True, metavar="OURS=THEIRS",
    help="Names of a table's columns, such as label=Diagnosis,case=Patient.",
)  # fmt: skip
@click.option(
    "--labels", multiple=True, metavar="CLASS=WORD|WORD",
    help="Words for the two classes, such as benign=normal,malignant=tumor.",
)  # fmt: skip
@click.option("--sheet", help="Sheet of an Excel workbook.  [default: the only one with content]")
@click.option("--magnification", help="Magnification of all images of a folder, where no folder in it is named for it.")
@click.option(
    "--case-from", metavar="REGEX",
    help="Finds the patient in each path of a folder of images: the group in brackets.",
)  # fmt: skip
@option_with_default(
    "--copies",
    type=click.Choice(["near", "identical"]),
    default="near",
    help="Copies that link cases: near also finds mirrored, turned, cropped and changed ones.",
)
@workspace_option
@json_option
def prepare(
    source: Path | None,
    phantom: bool,
    kind: str | None,
    as_json: bool,
    options: dict[str, str],
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    arrays: tuple[str, ...],
    sheet: str | None,
    magnification: str | None,
    case_from: str | None,
    **chosen: Any,
) -> None:
    """Decode and check a data set once; training reads the result.

    Images are read from BreaKHis as it is distributed (archive or unpacked folder), from any data set that a table with
    the columns path, label, magnification and case describes (CSV, Excel), from folders named benign and malignant
    (--case-from finds the patient, --labels names others), or rendered (--phantom). Embeddings of any model are taken
    from HDF5, NPZ, NPY, Parquet, CSV and safetensors files, with --manifest to say what they are of.

    Unreadable images are listed and left out. Repeating the command after an interruption continues; repeating it on a
    finished data set does nothing.
    """
    if phantom and (source or kind not in (None, "phantom")):
        raise UsageError("Expected either --phantom or a source", "found both", "Leave one of them out")
    said = {"columns": ",".join(columns), "labels": ",".join(labels), "sheet": sheet}
    said |= {"magnification": magnification, "case_from": case_from, "arrays": ",".join(arrays)}
    options |= {name: value for name, value in said.items() if value}
    kind = "phantom" if phantom else kind
    prepared = workflows.prepare(source, kind=kind, options=options, **chosen, progress=preparation_bar)
    dataset = prepared.dataset
    if as_json:
        summary: dict[str, object] = {"already_prepared": prepared.already, "seconds": round(prepared.seconds, 3)}
        summary |= {"remark": prepared.remark} if prepared.remark else {}
        click.echo(json.dumps({"folder": str(dataset.folder), **summary, **dataset.info}, indent=2))
        return
    from magsig_tf.report.terminal.preparation import print_report

    print_report(dataset.info)
    if prepared.remark:
        say(prepared.remark)
    state = "already prepared, nothing to do" if prepared.already else f"prepared in {prepared.seconds:.1f} s"
    say(f"{state}: {dataset.folder}")
