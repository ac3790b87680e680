"""Writes the generated parts of docs/configuration.md: `python -m magsig_tf.cli.configuration_table [--check]`.

They come from the config's own fields, from the shipped configs and from the commands' own options, so the page cannot
forget one. Plugins are left out: the page describes magsig itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from magsig_tf.atomic_files import write_text
from magsig_tf.cli.main import load_command
from magsig_tf.config import AXES, Settings, deciding_settings
from magsig_tf.config_files import (
    embedding_defaults,
    method_options,
    read_config_file,
    shipped_config_text,
    shipped_configs,
)
from magsig_tf.errors import MagsigError
from magsig_tf.registry import Plugin, registry

_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "up to {}", "lt": "below {}"}


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if the page is out of date.")
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path), default="docs/configuration.md")
def main(check: bool, page: Path) -> None:
    """Bring the generated parts of PAGE up to date."""
    text = page.read_text(encoding="utf-8")
    current = with_tables(text)
    if check and current != text:
        raise click.ClickException(f"{page} is out of date: run `python -m magsig_tf.cli.configuration_table`")
    if current != text:
        write_text(page, current)


def with_tables(text: str) -> str:
    """Return a page with everything between its markers replaced by what is generated.

    Raises:
        MagsigError: a pair of markers is missing.
    """
    made = (shipped_table(), keys_left_out_of_the_hash(), key_table(), command_table())
    for name, table in zip(("configs", "hash", "options", "commands"), made, strict=True):
        opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, opened, rest = text.partition(opening)
        _, closed, after = rest.partition(closing)
        if not opened or not closed:
            raise MagsigError(f"Expected {opening} and {closing} in the page", "found no such pair", "Put them back")
        text = f"{before}{opening}\n\n{table}\n\n{closing}{after}"  # Markdown wants blank lines around a table
    return text


def shipped_table() -> str:
    """Return the Markdown table of the shipped configs: what each says of itself, and the keys that it sets."""
    rows = []
    for name in shipped_configs():
        comment = takewhile(lambda line: line.startswith("#"), shipped_config_text(name).splitlines())
        about = " ".join(line.removeprefix("#").strip() for line in comment)
        keys = ", ".join(f"`{key}: {_as_yaml(value)}`" for key, value in read_config_file(name).items())
        rows.append((f"`{name}`", about, keys))
    return _markdown(("name", "what it is", "keys it sets"), rows)


def keys_left_out_of_the_hash() -> str:
    """Return the Markdown list of the settings that the config hash leaves out, by why."""
    deciding = deciding_settings()
    operational = [name for name in Settings.model_fields if name not in {*deciding, *AXES, "recipe"}]
    kinds = {
        "They name the run's folder already": AXES,
        "They only say how the work is carried out, or how finished runs are judged": operational,
        "It names values of other keys, which count": ["recipe"],
    }
    return "\n".join(f"- {why}: {', '.join(f'`{name}`' for name in names)}." for why, names in kinds.items())


def key_table() -> str:
    """Return the Markdown table of every config key of magsig's own settings and methods."""
    rows, embeddings = [], embedding_defaults()
    for name, (field, owners) in _keys().items():
        prefix, separator, rest = field.description.partition(": ")
        meaning = rest if separator and prefix in owners else field.description
        key = f"`{name}`<br>`--{name.replace('_', '-')}`"
        default = f"`{_as_yaml(field.default)}`"
        if name in embeddings:
            default += f"<br>embeddings: `{_as_yaml(embeddings[name])}`"
        rows.append((key, default, meaning + _values(field), ", ".join(owners)))
    return _markdown(("key and option", "default", "meaning", "for"), rows)


def command_table() -> str:
    """Return the Markdown table of the options of magsig's own commands that are not config keys."""
    rows = []
    for name, command in own_commands().items():
        rows.append((f"`magsig {name}`", "", command.get_short_help_str(limit=200)))
        options = [option for option in command.params if isinstance(option, click.Option)]
        rows += [("", f"`{_usage(option)}`", (option.help or "") + _default(option)) for option in options]
    return _markdown(("command", "option", "meaning"), rows)


def own_commands() -> dict[str, click.Command]:
    """Return the commands that magsig itself declares, by name."""
    return {plugin.name: load_command(plugin) for plugin in registry("commands").plugins if _is_own(plugin)}


def _keys() -> dict[str, tuple[Any, list[str]]]:
    """Return every key's field and the methods it is for; methods that share a key share its row."""
    found = {name: (field, ["all"]) for name, field in Settings.model_fields.items()}
    options = method_options()
    for method in [plugin.name for plugin in registry("methods").plugins if _is_own(plugin)]:
        for name, field in options[method].model_fields.items():
            found.setdefault(name, (field, []))[1].append(method)
    return found


def _is_own(plugin: Plugin) -> bool:
    return getattr(plugin.entry_point.dist, "name", None) == "magsig"


def _usage(option: click.Option) -> str:
    flag = " / ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return flag
    kind = option.type.name.upper().removesuffix(" RANGE")
    values = "|".join(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else kind
    return f"{flag} {option.metavar or values}"


def _default(option: click.Option) -> str:
    shown = option.default if option.show_default is True else option.show_default
    return f" [default: {shown}]" if option.show_default else ""


def _as_yaml(value: Any) -> str:
    return "none" if value is None else json.dumps(value)


def _values(field: Any) -> str:
    kinds = (field.annotation, *get_args(field.annotation))
    choices = [f"`{choice}`" for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    bounds = [
        words.format(getattr(constraint, name))
        for constraint in field.metadata
        for name, words in _BOUNDS.items()
        if hasattr(constraint, name)
    ]
    found = ", ".join(choices or bounds)
    return f" ({found})" if found else ""


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


if __name__ == "__main__":
    main()
