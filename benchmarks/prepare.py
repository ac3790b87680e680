"""`magsig prepare` with all cores against one process that decodes and resizes with Pillow and does nothing else."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.photographs import write_photographs
from benchmarks.timing import compare

TARGET = 1.6
SIZE = 224


@click.command(help=__doc__)
@rounds_option(3)
@quick_option
@click.option("--repeats", default=20, show_default=True, help="How often each image appears in the folder.")
def main(rounds: int, quick: bool, repeats: int) -> None:
    from PIL import Image

    from magsig_tf.data.preparation.prepare import Preparation

    rounds, repeats = (1, 1) if quick else (rounds, repeats)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        files, what = write_photographs(Path(folder) / "source", repeats, made_up=8 if quick else 48)

        def magsig() -> None:
            shutil.rmtree(workspace, ignore_errors=True)
            Preparation(Path(folder) / "source", workspace, size=SIZE).run()

        def pillow() -> None:
            for path in files:
                with Image.open(path) as image:
                    image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)

        compare(
            f"prepare {len(files)} images",
            {"magsig": magsig, "one Pillow loop": pillow},
            of="magsig",
            to="one Pillow loop",
            rounds=rounds,
            target=TARGET,
            images=what,
        )


if __name__ == "__main__":
    main()
