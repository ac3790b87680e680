"""`magsig export`, `predict` and `explain`: a finished run as a model for other programs, and its answers to images."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.main import INTERRUPTED
from magsig_tf.cli.options import FILE, FOLDER, PATH, dataset_option, json_option, option_with_default, workspace_option
from magsig_tf.cli.output import prediction_bar, print_lines, progress_bar, waiting
from magsig_tf.statistics_rule import MARK, MEANING, MOVING

if TYPE_CHECKING:
    from magsig_tf.serving.predicting.predict import Predicted
    from magsig_tf.workflows.exporting import Exported


@click.command()
@workspace_option
@dataset_option
@click.option("--method", help="Export the best seed of this method, by validation loss.")
@click.option("--holdout", help="The magnification that was left out.")
@option_with_default("--patient-fold", type=click.IntRange(0), default=0, help="The tested patient fold.")
@click.option("--config-hash", help="First digits of the config's hash, where the method has several.")
@click.option("--run", "run_folder", type=FOLDER, help="Export this run's folder instead.")
@click.option("--name", help="Name of the model.  [default: METHOD-HOLDOUT in lower case]")
@click.option("--with-signature", is_flag=True, help="Serve the run's sparse signature beside the label head.")
@click.option("--temperature", is_flag=True, help="Fit a temperature on source validation and serve with it.")
@option_with_default("--output", type=FOLDER, default=Path("saved_models"), help="Folder of all exported models.")
@json_option
def export(as_json: bool, **chosen: Any) -> None:
    """Write a finished run as a SavedModel that TensorFlow Serving and other programs can call.

    The next version of saved_models/NAME/ takes pixels or encoded images of any size. It is loaded again in a process
    that has TensorFlow alone and must give the run's predictions for its test images; otherwise it is removed.

    \b
    magsig export --method grl --holdout 400X
    magsig export --method grl --holdout 400X --with-signature --temperature
    magsig export --run workspace/runs/phantom/grl/400X/fold0-seed0-1a2b3c4d --name grl-400x
    """
    exported = workflows.export(**chosen, progress=waiting)
    if as_json:
        click.echo(json.dumps({"folder": str(exported.folder), **exported.export.facts}))
    else:
        print_lines(_lines_of_export(exported))


def _lines_of_export(exported: Exported) -> Iterator[str]:
    from magsig_tf.workflows.exporting import validation_loss

    facts, checked, fit = exported.export.facts, exported.export.checked, exported.export.temperature
    yield f"{facts['name']} version {facts['version']}: {facts['run']}"
    if seeds := exported.seeds:
        losses = ", ".join(f"seed {run.seed} {validation_loss(run):.4f}" for run in seeds)
        yield f"Chosen by validation loss, of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}: {losses}."
    if facts.get("selection") == "oracle":
        yield "Oracle: its epoch was chosen by looking at the holdout."
    if facts["batch_statistics"] == MOVING:
        yield f"{MARK.capitalize()}: {MEANING}."
    if fit is not None:
        yield (
            f"Temperature {fit.value:.3f}, fitted on {fit.images} source validation images: log-loss "
            f"{fit.log_loss_before:.4f} to {fit.log_loss_after:.4f}{' (at the edge of what is tried)' * fit.at_edge}."
        )
    if facts["signature"] is not None:
        yield f"Signature: {facts['signature']['size']} of {facts['signature']['dimensions']} dimensions."
    words = ", ".join(f"{name} {value:.1e}" for name, value in checked.differences.items())
    yield (
        f"Checked without magsig on {checked.images} test images. Largest difference to the run: {words}; "
        f"allowed {checked.tolerance:g} ({facts['precision']})."
    )
    if checked.native_files:
        yield (
            f"On {checked.native_files} original files: pixels differ by up to {checked.native_levels:.0f} of 255, "
            f"probabilities by up to {checked.native_probability:.1e}."
        )
    else:
        yield f"Original files were not compared: {checked.native_absent}."
    yield f"Written: {exported.folder}"


@click.command()
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE|FOLDER|CSV...")
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
@json_option
def predict(images: tuple[Path, ...], model: Path, out: Path, as_json: bool, **chosen: Any) -> None:
    """Predict images with an exported model; nothing but its folder is needed.

    Folders are searched for images, those below them too. A CSV has a column path and, where they are known, case,
    slide and magnification; of BreaKHis files they are read from the names. Images are resized as `magsig prepare`
    did for training. An image that cannot be read gets a row with the error, and the exit status is 1 at the end.

    \b
    magsig predict --model saved_models/grl-400x tiles/ --out predictions.csv
    magsig predict --model saved_models/grl-400x/2 a.png b.png list.csv
    """
    began = time.monotonic()
    try:
        predicted = workflows.predict(model, images, out, **chosen, progress=prediction_bar)
    except KeyboardInterrupt:
        from magsig_tf.atomic_files import partial_path

        said, kept = "Nothing was written.", partial_path(out)
        if kept.exists():
            said = f"Rows so far are kept in {kept}; add --resume to continue there."
        click.echo(f"Interrupted. {said}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json.dumps(_summary_of_predictions(predicted, out, seconds), indent=2))
    else:
        click.echo("\n".join(_lines_of_predictions(predicted, out, seconds)))
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
        "skipped": predicted.images.skipped.as_list(),
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
        left_out = ", which training left out on purpose" if magnification == model.holdout else ""
        yield f"Note: {_images(count)} at {magnification}{left_out}: the model was trained at {trained}."
    if tally.no_magnification:
        yield f"Note: of {_images(tally.no_magnification)} the magnification is not known, so it was not compared."
    if tally.unreadable:
        more = f" and {tally.unreadable - len(tally.examples):,} more" * (tally.unreadable > len(tally.examples))
        yield f"Unreadable: {_images(tally.unreadable)}, see the column error: {'; '.join(tally.examples)}{more}."
    if images.repeated:
        yield f"Named more than once and predicted once: {_images(images.repeated)}."
    for kind in images.skipped.as_list():
        yield f"Skipped: {kind['count']:,} x {kind['what']} ({', '.join(kind['examples'])})."
    if predicted.cases_file is not None:
        yield f"Cases: {len(tally.cases):,}, mean probability of their images: {predicted.cases_file}"
    yield f"Images: {out}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


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
        lines = [f"{each.path}: {tile.said}" for each, tile in zip(images, explained.tiles, strict=True)]
        if unreadable:
            from magsig_tf.workflows.predicting import reasons

            lines.append(f"Not shown: {reasons(unreadable)}.")
        if explained.files > len(images) + len(unreadable):
            lines.append(f"The first of {explained.files} images; --limit shows more.")
        print_lines([*lines, f"Written: {explained.out}"])
    if unreadable:
        raise SystemExit(1)
