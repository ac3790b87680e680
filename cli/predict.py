"""`magsig predict`: an exported model's answer to images, folders and lists."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.main import INTERRUPTED
from magsig_tf.cli.options import FILE, FOLDER, PATH, json_option, option_with_default
from magsig_tf.cli.output import prediction_bar, say
from magsig_tf.data.identity import same_magnification

if TYPE_CHECKING:
    from magsig_tf.serving.predicting.predict import Predicted


@click.command()
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE|FOLDER|TABLE|EMBEDDINGS...")
@click.option(
    "--model", required=True, type=FOLDER,
    help="Folder of an exported model (its latest version is taken), or of one version.",
)  # fmt: skip
@option_with_default(
    "--out", type=FILE, default="predictions.csv", help="CSV with one row per image; an existing file is replaced."
)
@click.option(
    "--cases", type=FILE,
    help="CSV with one row per case, where cases are known.  [default: OUT with -cases before its ending]",
)  # fmt: skip
@option_with_default("--batch", type=click.IntRange(1, 4096), default=16, help="Images in a batch.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads that decode and infer.  [default: all cores]")
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be read.")
@click.option("--resume", is_flag=True, help="Continue after the rows that an interrupted call left in OUT.partial.")
@click.option(
    "--columns", multiple=True, metavar="OURS=THEIRS",
    help="Names of a table's columns, such as path=File,case=Patient.",
)  # fmt: skip
@click.option("--sheet", help="Sheet of an Excel workbook.  [default: the only one with content]")
@click.option(
    "--manifest",
    type=FILE,
    help="For a model of embeddings: table that says what each is of (path, case, magnification).",
)
@click.option(
    "--arrays", multiple=True, metavar="OURS=THEIRS",
    help="For a model of embeddings: names of the file's arrays, such as features=embedding,path=tile.",
)  # fmt: skip
@json_option
def predict(
    images: tuple[Path, ...],
    model: Path,
    out: Path,
    as_json: bool,
    columns: tuple[str, ...],
    arrays: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Predict images with an exported model; nothing but its folder is needed.

    Folders are searched for images, those below them too. A table (CSV, or Excel with the extra excel) has a column
    path and, where they are known, case, slide and magnification; of BreaKHis files they are read from the names.
    Images are resized as `magsig prepare` did for training. An image that cannot be read gets a row with the error,
    and the exit status is 1 at the end. A model of embeddings takes one file or folder of embeddings in their place, as
    `magsig prepare` reads them.

    \b
    magsig predict --model saved_models/grl-400x tiles/ --out predictions.csv
    magsig predict --model saved_models/grl-400x/2 a.png b.png list.csv
    magsig predict --model saved_models/erasure-400x uni.h5 --manifest tiles.csv
    """
    began = time.monotonic()
    try:
        chosen |= {"columns": ",".join(columns) or None, "arrays": ",".join(arrays) or None}
        predicted = workflows.predict(model, images, out, **chosen, progress=prediction_bar)
    except KeyboardInterrupt:
        from magsig_tf.atomic_files import partial_path

        said, kept = "Nothing was written.", partial_path(out)
        if kept.exists():
            said = f"Rows so far are kept in {kept}; add --resume to continue there."
        say(f"Interrupted. {said}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    seconds = time.monotonic() - began
    for note in predicted.images.notes:
        say(f"Note: {note}.", err=True)
    if as_json:
        click.echo(json.dumps(_summary_of_predictions(predicted, out, seconds), indent=2))
    else:
        say("\n".join(_lines_of_predictions(predicted, out, seconds)))
    if predicted.tally.unreadable:
        raise click.exceptions.Exit(1)


def _summary_of_predictions(predicted: Predicted, out: Path, seconds: float) -> dict[str, object]:
    tally, model = predicted.tally, predicted.model
    return {
        "model": model.name,
        "version": model.version,
        "trained_at": list(model.magnifications),
        "images": tally.images,
        "labels": dict(tally.labels),
        "unreadable": tally.unreadable,
        "unreadable_examples": tally.examples,
        "outside_training_magnifications": dict(tally.outside),
        "magnification_unknown": tally.no_magnification,
        "cases": len(tally.cases),
        "named_again": predicted.images.repeated,
        "links_followed": predicted.images.followed,
        "skipped": predicted.images.skipped.as_list(),
        "notes": predicted.images.notes,
        "resumed": predicted.resumed,
        "seconds": round(seconds, 3),
        "out": str(out),
        "cases_out": None if predicted.cases_file is None else str(predicted.cases_file),
    }


def _lines_of_predictions(predicted: Predicted, out: Path, seconds: float) -> Iterator[str]:
    tally, model, images = predicted.tally, predicted.model, predicted.images
    counts = ", ".join(f"{count:,} {label}" for label, count in sorted(tally.labels.items())) or "none readable"
    earlier = f", {predicted.resumed:,} of them by an earlier call" if predicted.resumed else ""
    yield f"{model.title}: {_images(tally.images)} in {seconds:.1f} s{earlier}: {counts}"
    for magnification, count in tally.outside.items():
        trained = ", ".join(model.magnifications)
        left_out = ", which training left out on purpose" if same_magnification(magnification, model.holdout) else ""
        yield f"Note: {_images(count)} at {magnification}{left_out}: the model was trained at {trained}."
    if tally.no_magnification:
        yield f"Note: of {_images(tally.no_magnification)} the magnification is not known, so it was not compared."
    if tally.unreadable:
        more = f" and {tally.unreadable - len(tally.examples):,} more" * (tally.unreadable > len(tally.examples))
        yield f"Unreadable: {_images(tally.unreadable)}, see the column error: {'; '.join(tally.examples)}{more}."
    if predicted.remark:
        yield f"Note: {predicted.remark}."
    if images.followed:
        yield f"Links to files, which were followed: {images.followed:,}."
    if images.repeated:
        yield f"Named more than once and predicted once: {_images(images.repeated)}."
    for kind in images.skipped.as_list():
        yield f"Skipped: {kind['count']:,} x {kind['what']} ({', '.join(kind['examples'])})."
    if predicted.cases_file is not None:
        yield f"Cases: {len(tally.cases):,}, mean probability of their images: {predicted.cases_file}"
    yield f"Images: {out}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
