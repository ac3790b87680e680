"""`magsig gan`: the GANs of folds, trained on their training images alone, and their quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from magsig_tf.cli.config_options import ConfigCommand
from magsig_tf.cli.options import csv_option, json_option, workspace_option
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.config import Config
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.gan.fold import FoldGans


@click.command(cls=ConfigCommand)
@click.option("--config", "config_name", help="A shipped config (demo, paper, ...) or a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set any config key; values are YAML.")
@click.option("--per-magnification", is_flag=True, help="One GAN per class and source magnification.")
@workspace_option
@csv_option
@json_option
def gan(config_name, assignments, per_magnification, workspace, csv_path, as_json, **keys):
    """Train the DCGANs of folds, one per class, and measure their quality.

    A GAN sees the training images of its fold and no others. Finished GANs are skipped, interrupted ones resume
    from their last checkpoint. Below gan/DATASET/HOLDOUT/ lie the generators, the synthetic images, the quality table
    and a picture of real beside synthetic images. `magsig train --method gan` does the same for missing folds.

    \b
    magsig gan --holdout 400X
    magsig gan --holdout 400X --per-magnification
    magsig gan --holdout all --patient-fold all --gan-steps 20000
    """
    from magsig_tf.cli.config_options import given_keys
    from magsig_tf.config_files import load_config, parse_assignments

    given = given_keys(keys) | {"method": ["gan"]}
    if per_magnification:
        given["gan_per_magnification"] = True
    config = load_config(config_name, parse_assignments(assignments), given)
    _train_folds(config, workspace, csv_path, as_json)


def _train_folds(config: Config, workspace: Workspace, csv_path: Path | None, as_json: bool) -> None:
    """Train every fold's GANs, print their quality, and exit with 1 where some failed."""
    from rich.console import Console

    from magsig_tf.cli.training_display import TrainingDisplay
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.errors import MagsigError, UsageError
    from magsig_tf.execution.runtime import configure_tensorflow
    from magsig_tf.execution.workers import ALONE, WorkerLost, join_workers
    from magsig_tf.gan.study import ensure_fold
    from magsig_tf.gan.synthetic_images import fold_status
    from magsig_tf.tensorflow_import import load_tensorflow

    console = Console(stderr=True)
    prepared = PreparedDataset.open(workspace.data(workspace.choose_dataset(config.settings.dataset)))
    folds = _folds(config, prepared, workspace)
    unfinished = [fold for fold in folds if fold_status(fold) != "done"]
    counted = f"{len(folds)} fold{'' if len(folds) == 1 else 's'}"
    console.print(
        f"Data set {prepared.name}: {counted} of {len(folds[0].parts)} GANs each, "
        f"{len(folds) - len(unfinished)} of them done before.",
        highlight=False,
        soft_wrap=True,
    )
    workers = ALONE
    if unfinished or config.settings.strategy == "multiworker":
        load_tensorflow()
        configure_tensorflow(config.settings)
        workers = join_workers(config.settings.strategy, console.print)
    records, failed = [], []
    with TrainingDisplay(console, len(unfinished)) as display:
        for fold in folds:
            try:
                records.append((fold, ensure_fold(fold, prepared, config.settings, display, workers)))
            except (UsageError, WorkerLost):
                raise
            except MagsigError as error:
                failed.append((fold, str(error)))
                display.note(f"Failed: {fold.title}. {error}")
    _write_csv(records, csv_path)
    _print(records, failed, as_json)
    if failed:
        raise SystemExit(1)


def _folds(config: Config, prepared: PreparedDataset, workspace: Workspace) -> list[FoldGans]:
    from magsig_tf.methods.needs import FoldGansNeeded
    from magsig_tf.training.matrix import plan_matrix
    from magsig_tf.training.prerequisites import needed_gans

    first_seed = config.settings.seed[0]  # every seed of the classifier shares the GANs
    runs = [run for run in plan_matrix(config, prepared, workspace) if run.config.settings.seed == [first_seed]]
    return [needed_gans(run, FoldGansNeeded(run.config.options["gan"]), prepared) for run in runs]


def _write_csv(records: list, csv_path: Path | None) -> None:
    """Write the quality of every finished fold into one file."""
    import pandas as pd

    from magsig_tf.runs.result_files import write_frame

    frames = [pd.read_parquet(fold.folder / "quality.parquet").assign(fold=fold.title) for fold, _ in records]
    if frames:
        write_frame(pd.concat(frames, ignore_index=True), Path(), "", csv_path)


def _print(records: list, failed: list, as_json: bool) -> None:
    import pandas as pd

    from magsig_tf.gan.pictures import DEMONSTRATION
    from magsig_tf.report.terminal.gans import print_quality
    from magsig_tf.report.terminal.summary import output_console

    if as_json:
        done = [
            record
            | {
                "folder": str(fold.folder),
                "quality": json.loads(pd.read_parquet(fold.folder / "quality.parquet").to_json(orient="records")),
            }
            for fold, record in records
        ]
        click.echo(json.dumps({"done": done, "failed": [{"folder": str(f.folder), "error": e} for f, e in failed]}))
        return
    console = output_console()
    for fold, record in records:
        options = fold.options
        title = f"GANs of {record['dataset']}, {fold.title}: {options.gan_size} px, width {options.gan_width}, "
        title += f"{options.gan_steps} steps"
        notes = [_chosen(record), *record["warnings"]]
        if record["demonstration"]:
            notes.insert(0, f"Of {DEMONSTRATION}.")
        print_quality(pd.read_parquet(fold.folder / "quality.parquet"), title, notes, console)
        console.print(
            f"Real beside synthetic: {fold.folder / 'real_and_synthetic.png'}\nAll numbers: "
            f"{fold.folder / 'quality.csv'}\n",
            soft_wrap=True,
            markup=False,
        )


def _chosen(record: dict) -> str:
    """Say which step of each GAN was taken, and how long they took."""
    parts = record["parts"].items()
    steps = ", ".join(f"{name} {part['chosen']['step']}" for name, part in parts)
    return f"Steps chosen by KID on training rows: {steps}. Trained in {record['seconds']:.0f} s."
