"""Options that several files of commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from magsig_tf.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
option_with_default = functools.partial(click.option, show_default=True)
"""An option whose default is shown."""


def _as_workspace(_context: click.Context, _parameter: click.Parameter, value: Path) -> Workspace:
    return Workspace(value)


workspace_option = click.option(
    "--workspace",
    type=FOLDER,
    default=Path("workspace"),
    envvar="MAGSIG_WORKSPACE",
    show_envvar=True,
    show_default="./workspace",
    callback=_as_workspace,
    help="Folder that holds prepared data, runs and results.",
)
"""Adds `--workspace`; the command receives `workspace`, a `magsig_tf.workspace.Workspace`."""

dataset_option = click.option("--dataset", help="Name of the data set.  [default: the only one with runs]")
"""Adds `--dataset`; the command receives `dataset`."""

_method_option = click.option("--method", "methods", multiple=True, help="Only this method; repeat for several.")
_config_option = click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins so; repeat for several."
)
_replicates_option = click.option(
    "--replicates", type=click.IntRange(100), default=2000, show_default=True, help="Bootstrap replicates over cases."
)


def runs_options(*, methods: bool = True) -> Callable[[Command], Command]:
    """Add the options of commands that read finished runs: their place, a choice of them, and the bootstrap.

    The command receives `workspace`, `dataset`, `configs`, `replicates` and, where `methods` is set, `methods`.
    """

    def add(command: Command) -> Command:
        command = _config_option(_replicates_option(command))
        return workspace_option(dataset_option(_method_option(command) if methods else command))

    return add


margin_option = click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Differences of AUC, F1 or overlap up to this size count as equivalent.  [default: equivalence_margin of "
    "the runs' configs]",
)
"""Adds `--margin`; the command receives `margin`."""


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a machine-readable summary instead of tables."
)
"""Adds `--json`; the command receives `as_json` and prints one JSON document on standard output when it is set."""

csv_option = click.option("--csv", "csv_path", type=FILE, help="Also write the numbers here.")
"""Adds `--csv`; the command receives `csv_path`, a further place for the numbers of its table, or None."""


def numbers_options(command: Command) -> Command:
    """Add `--csv` and `--json`, as every command that prints numbers has them."""
    return csv_option(json_option(command))


mlflow_option = click.option(
    "--mlflow",
    is_flag=True,
    help="Log each finished run to MLflow: $MLFLOW_TRACKING_URI, or mlflow.db in the workspace (extra mlflow).",
)
"""Adds `--mlflow`; the command receives `mlflow`."""
