"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from pathlib import Path

import click

from magsig_tf.workspace import Workspace


def _as_workspace(_context: click.Context, _parameter: click.Parameter, value: Path) -> Workspace:
    return Workspace(value)


def workspace_option(command):
    """Add `--workspace`; the command receives `workspace`, a `magsig_tf.workspace.Workspace`."""
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("workspace"),
        envvar="MAGSIG_WORKSPACE",
        show_envvar=True,
        show_default="./workspace",
        callback=_as_workspace,
        help="Folder that holds prepared data, runs and results.",
    )(command)


def runs_options(*, methods: bool = True):
    """Add the options of commands that read finished runs: their place, a choice of them, and the bootstrap.

    The command receives `workspace`, `dataset`, `configs`, `replicates` and, where `methods` is set, `methods`.
    """
    choice = [
        click.option("--dataset", help="Name of the data set.  [default: the only one with runs]"),
        click.option("--method", "methods", multiple=True, help="Only this method; repeat for several."),
        click.option(
            "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins so; repeat for several."
        ),
        click.option(
            "--replicates",
            type=click.IntRange(100),
            default=2000,
            show_default=True,
            help="Bootstrap replicates over cases.",
        ),
    ]

    def add(command):
        for option in reversed(choice if methods else [choice[0], *choice[2:]]):
            command = option(command)
        return workspace_option(command)

    return add


def embeddings_option(command):
    """Add `--embeddings`; the command receives `files`."""
    return click.option(
        "--embeddings",
        "files",
        multiple=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="NPZ file of another model instead of runs; repeat for several.",
    )(command)


def metrics_option(command):
    """Add `--metric`; the command receives `metrics`."""
    return click.option(
        "--metric", "metrics", multiple=True, help="Metric to show; repeat for several.  [default: auc, f1, brier, ece]"
    )(command)


def level_option(command):
    """Add `--level`; the command receives `level`."""
    kinds = click.Choice(["image", "case"])
    return click.option(
        "--level", type=kinds, default="image", show_default=True, help="What the table counts: images or cases."
    )(command)


def margin_option(command):
    """Add `--margin`; the command receives `margin`."""
    return click.option(
        "--margin",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Differences of AUC, F1 or overlap up to this size count as equivalent.  [default: equivalence_margin of "
        "the runs' configs]",
    )(command)


class Threshold(click.ParamType):
    """A number from 0 to 1, or `validation`."""

    name = "number|validation"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the threshold, or fail with what was expected."""
        if value == "validation":
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            self.fail(f"expected a number from 0 to 1, or validation; found {value!r}", param, ctx)
        return number


def threshold_option(command):
    """Add `--threshold`; the command receives `threshold`."""
    return click.option(
        "--threshold",
        type=Threshold(),
        default=0.5,
        show_default=True,
        help="Probability from which an image is called malignant; validation chooses it on the validation part.",
    )(command)


def json_option(command):
    """Add `--json`; the command receives `as_json` and prints one JSON document on standard output when it is set."""
    return click.option("--json", "as_json", is_flag=True, help="Print a machine-readable summary instead of tables.")(
        command
    )


def csv_option(command):
    """Add `--csv`; the command receives `csv_path`, a further place for the numbers of its table, or None."""
    return click.option(
        "--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the numbers here."
    )(command)


def mlflow_option(command):
    """Add `--mlflow`; the command receives `mlflow`."""
    return click.option(
        "--mlflow",
        is_flag=True,
        help="Log each finished run to MLflow: $MLFLOW_TRACKING_URI, or mlflow.db in the workspace (extra mlflow).",
    )(command)
