"""Options that commands share, so that they read and behave the same everywhere, and one for every config key.

The options of config keys are made from the config's own fields, so that none is forgotten.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import click

from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
option_with_default = functools.partial(click.option, show_default=True)
"""An option whose default is shown."""


workspace_option = click.option(
    "--workspace",
    type=FOLDER,
    default=Path("workspace"),
    envvar="MAGSIG_WORKSPACE",
    show_envvar=True,
    show_default="./workspace",
    callback=lambda _context, _parameter, folder: Workspace(folder),
    help="Folder that holds prepared data, runs and results.",
)
"""Adds `--workspace`; the command receives `workspace`, a `magsig_tf.workspace.Workspace`."""

dataset_option = click.option("--dataset", help="Name of the data set.  [default: the only one with runs]")
"""Adds `--dataset`; the command receives `dataset`."""

_datasets = click.option(
    "--dataset",
    multiple=True,
    metavar="NAME...",
    help="Name of the data set; several of the same images are put side by side.  [default: the only one with runs]",
)
_of_method = click.option("--method", "methods", multiple=True, help="Only this method; repeat for several.")
_of_config = click.option(
    "--config-hash", "configs", multiple=True, help="Only runs whose config hash begins so; repeat for several."
)
_replicates = option_with_default(
    "--replicates", type=click.IntRange(100), default=2000, help="Bootstrap replicates over cases."
)


def runs_options(*, methods: bool = True, side_by_side: bool = False) -> Callable[[Command], Command]:
    """Add the options of commands that read finished runs: their place, a choice of them, and the bootstrap.

    The command receives `workspace`, `dataset`, `configs`, `replicates` and, where `methods` is set, `methods`. Where
    `side_by_side` is set, `dataset` is a tuple of names; the command should be a `SeveralValuesCommand`.
    """

    def add(command: Command) -> Command:
        command = _of_config(_replicates(command))
        command = _of_method(command) if methods else command
        return workspace_option(_datasets(command) if side_by_side else dataset_option(command))

    return add


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a machine-readable summary instead of tables."
)
"""Adds `--json`; the command receives `as_json` and prints one JSON document on standard output when it is set."""


def numbers_options(command: Command) -> Command:
    """Add `--csv` and `--json`, as every command that prints numbers has them.

    The command receives `as_json` and `csv_path`, a further place for the numbers of its table, or None.
    """
    return click.option("--csv", "csv_path", type=FILE, help="Also write the numbers here.")(json_option(command))


mlflow_option = click.option(
    "--mlflow",
    is_flag=True,
    help="Log each finished run to MLflow: $MLFLOW_TRACKING_URI, or mlflow.db in the workspace (extra mlflow).",
)
"""Adds `--mlflow`; the command receives `mlflow`."""


class SeveralValuesCommand(click.Command):
    """A command whose options with several values take them in one go (`--seed 0 1 2`) or repeated.

    Of the words that follow such an option, the last ones are the command's arguments where too few words are left for
    these: `--dataset uni lite0 grl baseline` names two data sets and then METHOD and REFERENCE.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spread `--seed 0 1 2` into `--seed 0 --seed 1 --seed 2`, then parse as click does."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        several = {name for each in options if each.multiple for name in each.opts}
        alone = {name for each in options if each.is_flag or each.count for name in (*each.opts, *each.secondary_opts)}
        arguments = sum(isinstance(each, click.Argument) and each.required for each in self.get_params(ctx))
        return super().parse_args(ctx, _spread(args, several, alone, arguments))


class ConfigCommand(SeveralValuesCommand):
    """A command whose options are `--config`, `--set` and every config key, besides its own.

    The options are made when the command is used, not when it is imported: listing commands stays quick.

    Args:
        config_required: Whether a config must be named.
    """

    def __init__(self, *, config_required: bool = False, **attributes: Any):
        super().__init__(**attributes)
        shipped = "A shipped config (baseline, demo, grl, paper, paper_lite0) or a YAML file."
        config = click.Option(["--config", "config_name"], required=config_required, help=shipped)
        meaning = "Set any config key; values are YAML."
        given = click.Option(["--set", "assignments"], multiple=True, metavar="KEY=VALUE", help=meaning)
        self.params[:0] = [config, given]

    @functools.cached_property
    def _config_options(self) -> list[click.Option]:
        """An option for every config key: general settings first, then those of each method."""
        from magsig_tf.config import Settings
        from magsig_tf.config_files import embedding_defaults, method_options

        fields = dict(Settings.model_fields)
        for options in method_options().values():
            fields.update(options.model_fields)
        embeddings = embedding_defaults()
        defaults = {name: _default_text(field.default) for name, field in fields.items()}
        for name in embeddings.keys() & fields.keys():
            defaults[name] += f"; embeddings: {_default_text(embeddings[name])}"
        return [_option(name, field, defaults[name]) for name, field in fields.items()]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options and one for every config key."""
        own = super().get_params(ctx)
        # click puts --help last; keep it there
        return [*own[:-1], *self._config_options, own[-1]]

    def invoke(self, ctx: click.Context) -> Any:
        """Hand the command `given`, a `GivenConfig`, in the place of every option that describes a config."""
        keys = {option.name: ctx.params.pop(option.name) for option in self._config_options if option.name}
        ctx.params["given"] = GivenConfig(ctx.params.pop("config_name"), ctx.params.pop("assignments"), keys)
        return super().invoke(ctx)


@dataclass(frozen=True)
class GivenConfig:
    """What a command line says of a config.

    Args:
        name: Of `--config`; None for the defaults alone.
        assignments: Of `--set`.
        keys: Values of the options that are config keys.
    """

    name: str | None
    assignments: tuple[str, ...]
    keys: dict[str, Any]

    def load(self, **fixed: Any) -> Config:
        """Return the config: what is given, then keys that the command itself sets.

        Raises:
            UsageError: there is no such config or key, or a value does not fit.
        """
        from magsig_tf.config_files import load_config, parse_assignments

        given = {key: value for key, value in self.keys.items() if value is not None and value != ()}
        given = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
        return load_config(self.name, parse_assignments(self.assignments), given | fixed)


def _option(name: str, field: Any, default: str) -> click.Option:
    kind = field.annotation
    if type(None) in get_args(kind):
        kinds = [each for each in get_args(kind) if each is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else kind
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{field.description} [{default}]"
    if kind is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help_text)
    if get_origin(kind) is Literal:
        return click.Option([flag, name], type=click.Choice(get_args(kind)), default=None, help=help_text)
    if kind in (int, float, str):
        return click.Option([flag, name], type=kind, default=None, help=help_text)
    if name == "augment":
        return click.Option([flag, name], type=_Yaml(), default=None, help=help_text)
    return click.Option([flag, name], multiple=True, metavar="VALUE...", callback=_comma_separated, help=help_text)


class _Yaml(click.ParamType):
    name = "yaml"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from magsig_tf.config_files import parse_yaml

        return parse_yaml(value, "Expected a YAML value", "Quote it") if isinstance(value, str) else value


def _comma_separated(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item for value in values for item in value.split(",") if item)


def _spread(args: list[str], several: set[str], alone: Collection[str] = (), arguments: int = 0) -> list[str]:
    """Return the words with an option before each of its several values.

    Args:
        args: The words of the command line.
        several: Options that take several values.
        alone: Options that take none.
        arguments: How many words the command itself needs; those that are lacking are taken from the last values.
    """
    end = args.index("--") if "--" in args else len(args)
    of: list[str | None] = []  # for each word the option whose further value it is; None for all other words
    current: str | None = None
    free, before = 0, ""
    for word in args[:end]:
        option = word.startswith("-") and not word.lstrip("-").isdigit()
        value = not option and before.startswith("-") and before not in alone and "=" not in before
        of.append(current if not option and not value else None)
        free += not option and not value and current is None
        current = (word if word in several else None) if option else current
        before = word if option else ""
    further = [place for place, option in enumerate(of) if option is not None]
    for place in further[len(further) - max(0, min(arguments - free - len(args[end + 1 :]), len(further))) :]:
        of[place] = None
    spread = [part for word, option in zip(args, of, strict=False) for part in ((option, word) if option else (word,))]
    return spread + args[end:]


def _default_text(default: Any) -> str:
    if isinstance(default, list):
        return ", ".join(map(str, default)) or "none"
    return {None: "none", "": "empty"}.get(default, str(default))
