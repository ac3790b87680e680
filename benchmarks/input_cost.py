"""What reading and augmentation add to training: epochs with both against steps on one batch without augmentation."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare

LARGEST_SHARE = 0.15
"""Of the step time that reading and augmentation may take."""


@click.command(help=__doc__)
@rounds_option(5)
@quick_option
@click.option("--encoder", default="efficientnet_lite0", show_default=True)
@click.option("--size", default=224, show_default=True, help="Height and width in pixels.")
def main(rounds: int, quick: bool, encoder: str, size: int) -> None:
    from benchmarks.made_up_run import TimedStep, set_up_tensorflow, write_random_dataset
    from magsig_tf.data.batches import read_batches

    set_up_tensorflow()
    steps = 4
    encoder, size, batch, rounds = ("small_cnn", 32, 4, 1) if quick else (encoder, size, 32, rounds)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_random_dataset(Path(folder) / "random", size, images=8)
        bare = TimedStep(dataset, encoder=encoder, batch=batch, augment=[])
        whole = TimedStep(dataset, encoder=encoder, batch=batch)

        def read_and_augment() -> None:
            batches = read_batches(dataset.images, dataset.labels, whole.parts.plan, epoch=0)
            with contextlib.closing(batches):
                for whole.batch, _ in zip(batches, range(steps), strict=False):
                    whole()

        def neither() -> None:
            for _ in range(steps):
                bare()

        line = compare(
            f"reading and augmentation {encoder} {size} px, {batch} images",
            {"with": read_and_augment, "without": neither},
            of="with",
            to="without",
            rounds=rounds,
            target=1 - LARGEST_SHARE,
            steps=steps,
        )
        click.echo(f"share of the step time: {1 - line['ratio']:.1%}", err=True)


if __name__ == "__main__":
    main()
