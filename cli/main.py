"""`magsig`: finds its commands by name, lists them with `magsig plugins`, and prints errors in one line."""

from __future__ import annotations

import contextlib
import sys

import click

from magsig_tf import __version__
from magsig_tf.checksums import unsigned_folders
from magsig_tf.cli.output import say
from magsig_tf.cli.standard_streams import names_in_utf_8, standard_streams
from magsig_tf.errors import MagsigError, as_magsig_error, in_words, nearest, of_system
from magsig_tf.parallel_work import require_address_space
from magsig_tf.registry import Plugin, PluginError, registry

INTERRUPTED = 130
LEAST_MEMORY = 2**30
"""Bytes of address space that any command needs: with 600 MB numpy's threads do not start, with 900 MB they do."""


def load_command(plugin: Plugin) -> click.Command:
    """Import a command.

    Raises:
        PluginError: importing fails, or what is registered is no command.
    """
    command = plugin.load()
    if not isinstance(command, click.Command):
        expected = f"Expected a command at {plugin.value} from {plugin.source}"
        found = f"found no click command but {type(command).__name__}"
        raise PluginError(expected, found, "Decorate it with @click.command()")
    return command


class CommandGroup(click.Group):
    """Commands come from the registry; a broken plugin costs its own line of help and nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the registered names."""
        return registry("commands").names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None where there is none of that name."""
        if cmd_name not in registry("commands").names():
            return None
        return load_command(registry("commands").find(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does, offering the nearest name."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"Expected a command, found {args[0]!r}. {nearest(args[0], self.list_commands(ctx))}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands with their first sentence."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                rows.append((name, load_command(registry("commands").find(name)).get_short_help_str(limit=90)))
            except PluginError as error:
                rows.append((name, f"(broken: {error.found})"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.command(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="magsig")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Does a histology classifier survive a change of magnification?

    \b
    magsig prepare --phantom                     synthetic images, no download
    magsig prepare --source BreaKHis_v1.tar.gz   or a folder, or a CSV manifest
    magsig train --method grl --holdout 400X     leave one magnification out
    magsig evaluate                              the table, with case-level intervals
    magsig compare grl baseline                  the difference of two methods

    Each command explains itself: magsig COMMAND --help.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits 0 when well, 2 on wrong usage, 1 on failure, 130 when interrupted.

    Args:
        arguments: The words after `magsig`; None takes them from the process.
    """
    if arguments is None:
        names_in_utf_8()
        arguments = sys.argv[1:]
    with standard_streams() as streams:
        code = _run(arguments)
        sys.stdout.flush()
        if streams.refusal is not None:
            code = code or 1
            if not streams.reader_left:
                remedy = "Files were written all the same; repeat the command with its output elsewhere"
                error = MagsigError(
                    "Expected to print on standard output", f"found: {of_system(streams.refusal)}", remedy
                )
                say(f"Error: {error}", err=True)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run the command line and return its exit status; errors are told in one line."""
    try:
        if not {"-h", "--help", "--version"} & set(arguments):
            require_address_space(LEAST_MEMORY, 64 * 2**20)
        code = cli.main(args=arguments, prog_name="magsig", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted. Finished work is kept; the same command resumes from there.", err=True)
        code = INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            raise
        told = as_magsig_error(error)
        code = 1 if told is None else told.exit_code
        say(f"Error: {in_words(error)}", err=True)
    with contextlib.suppress(OSError, ValueError):  # where nobody reads any more
        _tell_unsigned()
    return code if isinstance(code, int) else 0


def _tell_unsigned() -> None:
    """Say once a command which folders it has read whose files could not be checked."""
    folders = unsigned_folders()
    if folders:
        others = f" and {len(folders) - 1} more folders" if len(folders) > 1 else ""
        said = "unsigned, written by a version of magsig without checksums: a change in these files is not noticed"
        say(f"Note: {folders[0]}{others}: {said}.", err=True)
