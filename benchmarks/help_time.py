"""`magsig --help`, the whole process, against the time that a user does not notice."""

from __future__ import annotations

import subprocess
import sys
import time

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import report

LONGEST_SECONDS = 0.4


@click.command(help=__doc__)
@rounds_option(9)
@quick_option
def main(rounds: int, quick: bool) -> None:
    # the code of the installed script, so that it is measured where there is none
    command = [sys.executable, "-c", "from magsig_tf.cli.main import main; main()", "--help"]
    seconds = []
    for _ in range((1 if quick else rounds) + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    seconds = seconds[1:]  # the first may write bytecode and read the disk
    report(
        "magsig --help",
        [LONGEST_SECONDS / value for value in seconds],
        of="magsig --help",
        to=f"{LONGEST_SECONDS} s",
        target=1.0,
        milliseconds={"magsig --help": round(1000 * sorted(seconds)[len(seconds) // 2], 1)},
    )


if __name__ == "__main__":
    main()
