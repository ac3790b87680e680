"""ResNet-50 under mixed_bfloat16 against the same network with Keras's own layers in float32: 224 px, 32 images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.processor import matrix_instructions
from benchmarks.timing import compare

TARGET = 1.8


@click.command(help=__doc__)
@rounds_option(3)
@quick_option
def main(rounds: int, quick: bool) -> None:
    from benchmarks.made_up_run import TimedStep, set_up_tensorflow, write_random_dataset

    set_up_tensorflow()
    size, batch, rounds = (32, 4, 1) if quick else (224, 32, rounds)
    encoder = "small_cnn" if quick else "resnet50"
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_random_dataset(Path(folder) / "random", size)
        compare(
            f"bfloat16 {encoder} {size} px, {batch} images",
            {
                "mixed_bfloat16": TimedStep(dataset, encoder=encoder, batch=batch, precision="mixed_bfloat16"),
                "stock layers, float32": TimedStep(
                    dataset, encoder=f"benchmarks.stock_encoders:{encoder}", batch=batch
                ),
            },
            of="mixed_bfloat16",
            to="stock layers, float32",
            rounds=rounds,
            target=TARGET,
            instructions=matrix_instructions(),
        )


if __name__ == "__main__":
    main()
