"""`magsig gan`: the GANs of folds, trained on their training images alone, and their quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.config_options import ConfigCommand, GivenConfig
from magsig_tf.cli.numbers import as_records, print_lines
from magsig_tf.cli.options import numbers_options, workspace_option

if TYPE_CHECKING:
    from magsig_tf.workflows.training import TrainedGans
    from magsig_tf.workspace import Workspace


@click.command(cls=ConfigCommand)
@click.option("--per-magnification", is_flag=True, help="One GAN per class and source magnification.")
@workspace_option
@numbers_options
def gan(
    given: GivenConfig, per_magnification: bool, workspace: Workspace, csv_path: Path | None, as_json: bool
) -> None:
    """Train the DCGANs of folds, one per class, and measure how good they are.

    A GAN sees the training images of its fold and no others. What is done is skipped; what was interrupted goes on
    from its last checkpoint. Below gan/DATASET/HOLDOUT/ lie the generators, the synthetic images, the quality table
    and a picture of real beside synthetic images. `magsig train --method gan` does the same for the folds that lack
    them.

    \b
    magsig gan --holdout 400X
    magsig gan --holdout 400X --per-magnification
    magsig gan --holdout all --patient-fold all --gan-steps 20000
    """
    from magsig_tf.cli.training_display import TrainingDisplay

    fixed: dict[str, Any] = {"method": ["gan"]} | ({"gan_per_magnification": True} if per_magnification else {})
    with TrainingDisplay() as display:
        trained = workflows.gan(given.load(**fixed), workspace, csv_path=csv_path, observer=display)
    if as_json:
        click.echo(_as_json(trained))
    else:
        _print(trained)
    if trained.failed:
        raise SystemExit(1)


def _as_json(trained: TrainedGans) -> str:
    from magsig_tf.workflows.training import quality_of

    done = [
        record | {"folder": str(fold.folder), "quality": json.loads(as_records(quality_of(fold)))}
        for fold, record in trained.done
    ]
    return json.dumps({"done": done, "failed": [{"folder": str(f.folder), "error": e} for f, e in trained.failed]})


def _print(trained: TrainedGans) -> None:
    from magsig_tf.gan.pictures import DEMONSTRATION
    from magsig_tf.report.terminal.render import output_console
    from magsig_tf.report.terminal.results import print_quality
    from magsig_tf.workflows.training import quality_of

    console = output_console()
    for fold, record in trained.done:
        options = fold.options
        title = f"GANs of {record['dataset']}, {fold.title}: {options.gan_size} px, width {options.gan_width}, "
        title += f"{options.gan_steps} steps"
        notes = [_chosen(record), *record["warnings"]]
        if record["demonstration"]:
            notes.insert(0, f"Of {DEMONSTRATION}.")
        print_quality(quality_of(fold), title, notes, console)
        picture, numbers = fold.folder / "real_and_synthetic.png", fold.folder / "quality.csv"
        print_lines(console, [f"Real beside synthetic: {picture}", f"All numbers: {numbers}", ""])


def _chosen(record: dict[str, Any]) -> str:
    """Say which step of each GAN was taken, and how long they took."""
    parts = record["parts"].items()
    steps = ", ".join(f"{name} {part['chosen']['step']}" for name, part in parts)
    return f"Steps chosen by KID on training rows: {steps}. Trained in {record['seconds']:.0f} s."
