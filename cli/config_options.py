"""Config keys as command-line options, made from the config's own fields so that none is forgotten."""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from magsig_tf.config import Config


class ConfigCommand(click.Command):
    """A command whose options are `--config`, `--set` and every config key, besides its own.

    The options are made when the command is used, not when it is imported: listing commands stays quick. An option
    that takes several values takes them in one go (`--seed 0 1 2`) or repeated.

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
        return config_options()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options and one for every config key."""
        own = super().get_params(ctx)
        # click puts --help last; keep it there
        return [*own[:-1], *self._config_options, own[-1]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spread `--seed 0 1 2` into `--seed 0 --seed 1 --seed 2`, then parse as click does."""
        several = {
            name for option in self.get_params(ctx) if getattr(option, "multiple", False) for name in option.opts
        }
        return super().parse_args(ctx, _spread(args, several))

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


def config_options() -> list[click.Option]:
    """Return an option for every config key: general settings first, then those of each method."""
    from magsig_tf.config import Settings
    from magsig_tf.config_files import method_options

    fields = dict(Settings.model_fields)
    for options in method_options().values():
        fields.update(options.model_fields)
    return [_option(name, field) for name, field in fields.items()]


def _option(name: str, field: Any) -> click.Option:
    kind = _without_none(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{field.description} [{_default_text(field.default)}]"
    if kind is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help_text)
    if typing.get_origin(kind) is typing.Literal:
        return click.Option([flag, name], type=click.Choice(typing.get_args(kind)), default=None, help=help_text)
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


def _spread(args: list[str], several: set[str]) -> list[str]:
    spread: list[str] = []
    current: str | None = None
    for position, word in enumerate(args):
        if word == "--":
            return spread + args[position:]
        if word.startswith("-") and not word.lstrip("-").isdigit():
            current = word if word in several else None
            spread.append(word)
        elif current is not None and spread[-1] != current:
            spread += [current, word]
        else:
            spread.append(word)
    return spread


def _without_none(annotation: Any) -> Any:
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 and type(None) in typing.get_args(annotation) else annotation


def _default_text(default: Any) -> str:
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return {None: "none", "": "empty"}.get(default, str(default))
