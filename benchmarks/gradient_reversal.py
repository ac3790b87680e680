"""The training step of grl against that of baseline: EfficientNet-Lite0 at 224 px, 32 images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare

LONGEST = 1.10
"""grl may take this many times as long as baseline."""


@click.command(help=__doc__)
@rounds_option(9)
@quick_option
def main(rounds: int, quick: bool) -> None:
    from benchmarks.made_up_run import TimedStep, set_up_tensorflow, write_random_dataset

    set_up_tensorflow()
    size, batch, rounds = (32, 4, 1) if quick else (224, 32, rounds)
    encoder = "small_cnn" if quick else "efficientnet_lite0"
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_random_dataset(Path(folder) / "random", size)
        compare(
            f"step of grl {encoder} {size} px, {batch} images",
            {method: TimedStep(dataset, encoder=encoder, batch=batch, method=method) for method in ("grl", "baseline")},
            of="grl",
            to="baseline",
            rounds=rounds,
            target=round(1 / LONGEST, 3),
        )


if __name__ == "__main__":
    main()
