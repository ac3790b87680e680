"""`magsig explain`: where in an image a served model finds evidence for malignant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.options import json_option
from magsig_tf.errors import DataError, UsageError

if TYPE_CHECKING:
    from magsig_tf.data.sources.images import UnreadableImage
    from magsig_tf.report.figures.heat_picture import HeatTile
    from magsig_tf.serving.predicting.explain import Explanation

FORMATS = (".png", ".jpg", ".jpeg", ".pdf", ".svg", ".tif", ".tiff", ".webp")


@click.command()
@click.option(
    "--model",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Exported model: its folder (the latest version) or one version.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture to write; its ending decides the format.",
)
@click.option(
    "--columns", type=click.IntRange(1, 8), default=3, show_default=True, help="Images in a row of the sheet."
)
@click.option(
    "--limit", type=click.IntRange(1, 200), default=24, show_default=True, help="Largest number of images on the sheet."
)
@json_option
@click.argument("image", type=click.Path(path_type=Path))
def explain(model: Path, out: Path, columns: int, limit: int, as_json: bool, image: Path) -> None:
    """Draw the evidence for malignant in IMAGE (Grad-CAM), or a contact sheet of a folder.

    Needs the exported model alone. The colours are relative to the strongest place of each image: they say where, not
    how much. They show what the network used, which need not be what a pathologist would use.

    \b
    magsig explain --model saved_models/grl-400x tile.png --out heat.png
    magsig explain --model saved_models/grl-400x TILES --out sheet.png --columns 4 --limit 40
    """
    from magsig_tf.report.figures.heat_picture import write_picture, write_sheet
    from magsig_tf.serving.predicting.input_images import images_below

    if out.suffix.lower() not in FORMATS:
        raise UsageError("Expected a picture in --out", f"found {out.name!r}", f"End it in {', '.join(FORMATS)}")
    if not image.exists():
        raise UsageError("Expected an image or a folder of images", f"found nothing at {image}", "Check the path")
    files = images_below(image) if image.is_dir() else [image]
    title, explained, unreadable = _explained(model, files[:limit])
    if not explained:
        raise DataError("Expected an image", f"found {_reasons(unreadable)}", "Pass another file")
    if image.is_dir():
        left_out = f", the first {limit} of {len(files)} images" if len(files) > limit else ""
        write_sheet(out, [_tile(each, image) for each in explained], f"{title}{left_out}", columns)
    else:
        write_picture(out, _tile(explained[0], image.parent), title)
    _print(out, title, explained, unreadable, len(files), as_json)
    if unreadable:
        raise SystemExit(1)


def _explained(model: Path, files: list[Path]) -> tuple[str, list[Explanation], list[UnreadableImage]]:
    from magsig_tf.cli.finished_runs import progress_bar
    from magsig_tf.data.sources.images import UnreadableImage
    from magsig_tf.serving.exporting.version_folder import find_version
    from magsig_tf.tensorflow_import import load_tensorflow

    find_version(model)  # a wrong path is told before TensorFlow is loaded
    load_tensorflow()
    from magsig_tf.serving.exported_model import ExportedModel
    from magsig_tf.serving.predicting.explain import explain_files

    opened = ExportedModel.open(model)
    found = []
    with progress_bar("images") as report:
        for done, each in enumerate(explain_files(opened, files), start=1):
            found.append(each)
            report(done, len(files))
    unreadable = [each for each in found if isinstance(each, UnreadableImage)]
    return opened.title, [each for each in found if not isinstance(each, UnreadableImage)], unreadable


def _tile(explanation: Explanation, above: Path) -> HeatTile:
    from magsig_tf.report.figures.heat_picture import HeatTile

    name = str(explanation.path.relative_to(above))
    return HeatTile(name, explanation.image, explanation.heat, explanation.probability, explanation.label)


def _print(
    out: Path,
    title: str,
    explained: list[Explanation],
    unreadable: list[UnreadableImage],
    files: int,
    as_json: bool,
) -> None:
    import json

    from magsig_tf.report.terminal.summary import output_console

    if as_json:
        lost = [{"file": each.path, "error": each.reason} for each in unreadable]
        record = {"model": title, "out": str(out), "files": files, "images": [each.facts() for each in explained]}
        click.echo(json.dumps(record | {"unreadable": lost}))
        return
    console = output_console()
    for each in explained:
        console.print(f"{each.path}: {_tile(each, each.path.parent).said}", soft_wrap=True, markup=False)
    if unreadable:
        console.print(f"Not shown: {_reasons(unreadable)}.", soft_wrap=True, markup=False)
    if files > len(explained) + len(unreadable):
        console.print(f"The first of {files} images; --limit shows more.", soft_wrap=True, markup=False)
    console.print(f"Written: {out}", soft_wrap=True, markup=False)


def _reasons(unreadable: list[UnreadableImage]) -> str:
    return "; ".join(f"{each.path} ({each.reason})" for each in unreadable)
