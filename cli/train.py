"""`magsig train` and `magsig gan`: they train what a config asks for and is not done, and print what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from magsig_tf import workflows
from magsig_tf.cli.numbers import print_evaluated
from magsig_tf.cli.options import ConfigCommand, GivenConfig, mlflow_option, numbers_options, workspace_option
from magsig_tf.cli.output import as_records, output_console, print_lines, progress_bar
from magsig_tf.errors import MagsigError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.workflows.training import Trained, TrainedGans


@click.command(cls=ConfigCommand)
@mlflow_option
@workspace_option
@numbers_options
def train(given: GivenConfig, mlflow: bool, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Train every combination of method, holdout, patient fold and seed that is asked for.

    A run that is done is skipped; one that was interrupted goes on from its last checkpoint and ends with the same
    weights as one that was not. Settings come from the defaults, then --config, then --set and the options below.
    Ends with the table of `magsig evaluate` over these runs.

    \b
    magsig train --method grl --holdout 400X
    magsig train --method baseline grl --holdout all --patient-fold all --seed 0 1 2
    magsig train --config paper --set lambda_max=0.3
    """
    config = given.load()
    from magsig_tf.cli.training_display import TrainingDisplay

    with TrainingDisplay() as display:
        trained = workflows.train(config, workspace, mlflow=mlflow, observer=display)
    if trained.is_chief:
        _print_trained(trained, workspace, csv_path, as_json)
    if not trained.complete:
        raise SystemExit(1)


def _print_trained(trained: Trained, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Print the table of the finished runs; what keeps them from being evaluated does not make them less trained."""
    records: list | None = []
    try:
        if trained.done:
            shown: dict[str, Any] = {"augmentation": False, "csv_path": csv_path, "progress": progress_bar}
            evaluated = workflows.evaluate(workspace, trained.dataset, folders=trained.folders, **shown)
            if as_json:
                records = json.loads(as_records(evaluated.frame))
            else:
                print_evaluated(evaluated)
    except MagsigError as error:
        records = None
        click.echo(f"The runs are trained, but there is no table of them. {error}", err=True)
    if as_json:
        done = [run.record.as_json() | {"folder": str(run.folder)} for run in trained.done]
        click.echo(json.dumps({"done": done, "failed": _failed(trained), "summary": records}, indent=2))


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

    with TrainingDisplay() as display:
        trained = workflows.gan(config, workspace, **chosen, observer=display)
    _print_gans(trained, as_json)
    if trained.failed:
        raise SystemExit(1)


def _print_gans(trained: TrainedGans, as_json: bool) -> None:
    from magsig_tf.gan.pictures import DEMONSTRATION
    from magsig_tf.report.terminal.results import print_quality
    from magsig_tf.workflows.training import quality_of

    if as_json:
        done = [
            record | {"folder": str(fold.folder), "quality": json.loads(as_records(quality_of(fold)))}
            for fold, record in trained.done
        ]
        click.echo(json.dumps({"done": done, "failed": _failed(trained)}))
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


def _failed(trained: Trained | TrainedGans) -> list[dict[str, str]]:
    return [{"folder": str(each.folder), "error": error} for each, error in trained.failed]
