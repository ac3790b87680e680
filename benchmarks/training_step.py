"""The training step of magsig's encoders against the same networks with Keras's own layers: 224 px, 32 images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare

# magsig's encoder, the same network with stock layers
PAIRS = {
    "efficientnet_lite0": ("efficientnet_lite0", "benchmarks.stock_encoders:efficientnet_lite0"),
    "mobilenetv2": ("benchmarks.stock_encoders:fused_mobilenetv2", "benchmarks.stock_encoders:mobilenetv2"),
    "resnet50": ("resnet50", "benchmarks.stock_encoders:resnet50"),
    "small_cnn": ("small_cnn", "benchmarks.stock_encoders:small_cnn"),
}
TARGETS = {"efficientnet_lite0": 1.5, "mobilenetv2": 1.5}
"""Ratios to reach; these networks are also the ones that are timed if none is named."""


@click.command(help=__doc__)
@rounds_option(9)
@quick_option
@click.option("--encoder", "names", multiple=True, type=click.Choice(list(PAIRS)), default=tuple(TARGETS))
def main(rounds: int, quick: bool, names: tuple[str, ...]) -> None:
    from benchmarks.made_up_run import TimedStep, set_up_tensorflow, write_random_dataset

    set_up_tensorflow()
    size, batch, rounds = (32, 4, 1) if quick else (224, 32, rounds)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_random_dataset(Path(folder) / "random", size)
        for name in ("small_cnn",) if quick else names:
            ours, theirs = (TimedStep(dataset, encoder=encoder, batch=batch) for encoder in PAIRS[name])
            compare(
                f"training step {name} {size} px, {batch} images",
                {"magsig": ours, "stock layers": theirs},
                of="magsig",
                to="stock layers",
                rounds=rounds,
                target=TARGETS.get(name),
            )


if __name__ == "__main__":
    main()
