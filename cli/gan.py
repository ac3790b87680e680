"""`magsig gan`: the DCGANs of folds, and how good they are."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import show_calculated
from magsig_tf.cli.options import ConfigCommand, GivenConfig, numbers_options, workspace_option
from magsig_tf.cli.output import as_records, output_console, print_lines
from magsig_tf.cli.train import failures
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.workflows.training import TrainedGans


@click.command(cls=ConfigCommand)
@click.option("--per-magnification", is_flag=True, help="One GAN per class and source magnification.")
@workspace_option
@numbers_options
def gan(given: GivenConfig, per_magnification: bool, workspace: Workspace, as_json: bool, **chosen: Any) -> None:
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
    fixed: dict[str, Any] = {"method": ["gan"]} | ({"gan_per_magnification": True} if per_magnification else {})
    config = given.load(**fixed)
    from magsig_tf.cli.training_display import TrainingDisplay

    def train() -> TrainedGans:
        with TrainingDisplay() as display:
            return workflows.gan(config, workspace, **chosen, observer=display)

    show_calculated(train, partial(_print_gans, as_json=as_json))


def _print_gans(trained: TrainedGans, as_json: bool) -> None:
    _print_folds(trained, as_json)
    if trained.failed:
        raise SystemExit(1)


def _print_folds(trained: TrainedGans, as_json: bool) -> None:
    from magsig_tf.gan.pictures import DEMONSTRATION
    from magsig_tf.report.terminal.results import print_quality
    from magsig_tf.workflows.training import quality_of

    if as_json:
        done = [
            record | {"folder": str(fold.folder), "quality": json.loads(as_records(quality_of(fold)))}
            for fold, record in trained.done
        ]
        click.echo(json.dumps({"done": done, "failed": failures(trained)}))
        return
    console = output_console()
    for fold, record in trained.done:
        options = fold.options
        title = f"GANs of {record['dataset']}, {fold.title}: {options.gan_size} px, width {options.gan_width}, "
        title += f"{options.gan_steps} steps"
        steps = ", ".join(f"{name} {part['chosen']['step']}" for name, part in record["parts"].items())
        notes = [f"Of {DEMONSTRATION}."] if record["demonstration"] else []
        notes.append(f"Steps chosen by KID on training rows: {steps}. Trained in {record['seconds']:.0f} s.")
        notes += record["warnings"]
        print_quality(quality_of(fold), title, notes, console)
        picture, numbers = fold.folder / "real_and_synthetic.png", fold.folder / "quality.csv"
        print_lines([f"Real beside synthetic: {picture}", f"All numbers: {numbers}", ""], console)
