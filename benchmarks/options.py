"""The options that every benchmark has."""

from __future__ import annotations

import click

quick_option = click.option("--quick", is_flag=True, help="The smallest form: shows that it runs, its numbers do not.")


def rounds_option(rounds: int):
    """Return the option `--rounds`.

    Args:
        rounds: Its default; `--quick` takes one round whatever it says.
    """
    return click.option("--rounds", default=rounds, show_default=True, help="Rounds; each times every alternative.")
