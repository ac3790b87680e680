"""What the documentation shows can be typed, and what can be typed is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import click
import pytest

from magsig_tf.cli.configuration_table import own_commands
from magsig_tf.cli.main import cli
from magsig_tf.config_files import parse_assignments, shipped_configs
from magsig_tf.errors import UsageError
from tests.house.documentation import FENCE, ROOT, Shown, blocks, pages, shown_commands, shown_files

PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*")
COMMANDS = own_commands()
# commands and methods that docs/extending.md makes up
INVENTED_COMMANDS = {"count-cases"}
INVENTED_KEYS = {"coral_weight"}


def parse(shown: Shown) -> click.Context | None:
    """Parse a command as the command line would, without invoking it; files need not exist, capitals fill in."""
    if not shown.words or shown.words[0].startswith("-"):
        with cli.make_context("magsig", list(shown.words) or ["--help"], resilient_parsing=True) as context:
            return context
    name, *rest = shown.words
    if name in INVENTED_COMMANDS or PLACEHOLDER.fullmatch(name):
        return None
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"{shown}: there is no command {name!r}"
    with click.Context(command) as context:
        parameters = command.get_params(context)
    kinds = {parameter.name: parameter.type for parameter in parameters}
    for parameter in parameters:
        if isinstance(parameter.type, click.Path):
            parameter.type = click.Path(path_type=parameter.type.type)
    try:
        return command.make_context(name, rest)
    except click.exceptions.Exit:
        return None  # --help
    except click.MissingParameter:
        assert not shown.whole, f"{shown}: a parameter is missing"
        return None
    except (click.BadParameter, UsageError) as error:
        if not any(PLACEHOLDER.fullmatch(word) and repr(word) in str(error) for word in rest):
            pytest.fail(f"{shown}: {error}")
        return None
    finally:
        for parameter in parameters:
            parameter.type = kinds[parameter.name]


@pytest.mark.parametrize("shown", shown_commands(), ids=str)
def test_what_is_shown_can_be_typed(shown):
    from magsig_tf.config import Settings
    from magsig_tf.config_files import method_options

    context = parse(shown)
    given = context.params if context else {}
    config = given.get("config_name")
    assert config is None or config in shipped_configs() or config.endswith(".yaml") or PLACEHOLDER.fullmatch(config)
    known = {key for options in method_options().values() for key in options.model_fields} | set(Settings.model_fields)
    assert set(parse_assignments(given.get("assignments") or ())) <= known | INVENTED_KEYS | {"key", "KEY"}


def test_enough_is_shown():
    commands = [shown for shown in shown_commands() if shown.whole]
    assert len(commands) > 10
    assert {shown.words[0] for shown in commands} >= set(COMMANDS) - {"plugins"}


def own_options() -> Iterator[tuple[str, str]]:
    for name, command in COMMANDS.items():
        with click.Context(command, info_name=name) as context:
            for parameter in command.get_params(context):
                if isinstance(parameter, click.Option) and not parameter.hidden and "--help" not in parameter.opts:
                    yield name, parameter.opts[0]
    for parameter in cli.params:
        yield "", parameter.opts[0]


@pytest.fixture(scope="module")
def everything_written():
    return "\n".join(page.read_text(encoding="utf-8") for page in pages())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name, everything_written):
    assert f"magsig {name}" in everything_written


@pytest.mark.parametrize("option", sorted({option for _, option in own_options()}))
def test_every_option_is_documented(option, everything_written):
    assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", everything_written)


def test_the_readers_two_commands_are_in_the_makefile():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile


LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing


LIST_ITEM = re.compile(r"([-*]|\d+\.) ")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_and_tables_begin_after_a_blank_line(page):
    """Without one the site shows them as running text, whereas a code host does not."""
    lines = FENCE.sub("", page.read_text(encoding="utf-8")).splitlines()
    run_on = [
        line
        for before, line in pairwise(lines)
        if before.strip()
        and (
            (LIST_ITEM.match(line) and not LIST_ITEM.match(before.lstrip()) and not before.startswith(" "))
            or (line.startswith("|") and not before.startswith("|"))
        )
    ]
    assert not run_on


def test_the_worked_plugin_encoder_and_method_are_spelled_out():
    assert set(shown_files(ROOT / "docs" / "extending.md")) == {
        *("pyproject.toml", "magsig_coral.py", "networks.py", "grl_with_synthetic_images.py", "sam.py", "mixup.py")
    }


def test_the_base_class_of_methods_is_quoted_whole():
    quoted = [
        content.partition("\n")
        for _, content in blocks((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
        if content.startswith("# quoted from ")
    ]
    ((first, _, shown),) = quoted
    source = (ROOT / first.removeprefix("# quoted from ").strip()).read_text(encoding="utf-8")
    assert source[source.index("class Method(") :] == shown
