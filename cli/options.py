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
