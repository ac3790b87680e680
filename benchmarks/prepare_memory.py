"""Private memory of preparing 10,000 images, all processes, against 1 GiB."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option
from benchmarks.photographs import write_photographs
from benchmarks.private_memory import PeakMemory
from benchmarks.timing import report

ALLOWED_MEBIBYTES = 1024


@click.command(help=__doc__)
@quick_option
@click.option("--images", default=10_000, show_default=True, help="About how many images.")
def main(quick: bool, images: int) -> None:
    from magsig_tf.data.preparation.prepare import Preparation

    different = 4 if quick else 48
    with tempfile.TemporaryDirectory() as folder:
        repeats = 1 if quick else -(-images // different)
        _, what = write_photographs(Path(folder) / "source", repeats, made_up=different)
        with PeakMemory() as memory:
            dataset = Preparation(Path(folder) / "source", Path(folder) / "workspace", size=224).run()
        prepared = len(dataset.manifest)
    mebibytes = memory.peak / 2**20
    report(
        f"memory of preparing {prepared} images",
        [ALLOWED_MEBIBYTES / mebibytes],
        of="all processes",
        to=f"{ALLOWED_MEBIBYTES} MiB",
        target=1.0,
        mebibytes=round(mebibytes, 1),
        images=what,
    )


if __name__ == "__main__":
    main()
