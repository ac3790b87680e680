"""`magsig`: finds its commands by name, lists them with `magsig plugins`, and prints errors in one line."""

from __future__ import annotations

import sys

import click

from magsig_tf import __version__
from magsig_tf.errors import MagsigError, nearest
from magsig_tf.registry import Plugin, PluginError, registry

INTERRUPTED = 130


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
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(args=arguments, prog_name="magsig", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Finished work is kept; the same command resumes from there.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe (head, less) has left: nothing more to say
        sys.stderr.close()
        code = 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        said, code = " ".join(str(error).split()), 1
        if isinstance(error, MagsigError):
            code = error.exit_code
        else:  # the last door: a defect of ours, told in one line
            said = f"unexpected {type(error).__name__}: {said}. Repeat with `magsig --debug` and report it."
        click.echo(f"Error: {said}", err=True)
    sys.exit(code if isinstance(code, int) else 0)
