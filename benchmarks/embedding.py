"""`magsig embed` beside the same encoder on images in memory, and the minutes that BreaKHis takes at that rate.

Both read batches of 64. Rounds alternate, and the clock of `embed` runs from its first batch to its last: building the
network and tracing its graph happen once, however many images there are; `seconds_beside_batches` says what they take.
Weights are random; time does not depend on them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import report

TARGET = 0.9
BREAKHIS_IMAGES = 7909
STUDY_SECONDS = 258.0


@click.command(help=__doc__)
@rounds_option(3)
@click.option("--encoder", default="efficientnet_lite0", show_default=True, help="Name or import path.")
@click.option("--size", default=224, show_default=True, help="Height and width of the images, in pixels.")
@click.option("--images", default=576, show_default=True, help="About how many, 180 at least.")
@click.option(
    "--study-seconds", default=STUDY_SECONDS, show_default=True,
    help="What the study takes that follows (`feature_study` measures it; the default is of two free cores).",
)  # fmt: skip
@quick_option
def main(rounds: int, encoder: str, size: int, images: int, study_seconds: float, quick: bool) -> None:
    from benchmarks.made_up_run import MAGNIFICATIONS, set_up_tensorflow, write_random_dataset
    from magsig_tf.workspace import Workspace

    encoder, size, images, rounds = ("small_cnn", 32, 180, 1) if quick else (encoder, size, images, rounds)
    set_up_tensorflow()
    cases = 20
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        each = max(1, images // (cases * len(MAGNIFICATIONS)))
        prepared = write_random_dataset(workspace.data("random"), size, each, cases)
        pair = Pair(workspace, prepared, encoder)
        pair.in_memory()
        pair.embedded()
        found = [pair.measure(number % 2 == 1) for number in range(rounds)]
    rates = {name: statistics.median(round_[name] for round_ in found) for name in ("embed", "in memory")}
    minutes = BREAKHIS_IMAGES / rates["embed"] / 60
    report(
        f"embed {len(prepared.labels)} images, {encoder} {size} px",
        [round_["embed"] / round_["in memory"] for round_ in found],
        of="magsig embed",
        to="the encoder on images in memory",
        target=TARGET,
        images_per_second={name: round(rate, 1) for name, rate in rates.items()},
        seconds_an_image=round(1 / rates["embed"], 4),
        seconds_beside_batches=round(statistics.median(round_["beside"] for round_ in found), 1),
        minutes_to_embed_breakhis=round(minutes, 1),
        minutes_with_the_study=round(minutes + study_seconds / 60, 1),
    )


class Pair:
    """Both ways to embed the same images.

    Args:
        workspace: Where `embed` writes.
        prepared: The images.
        encoder: Its name.
    """

    def __init__(self, workspace: Any, prepared: Any, encoder: str):
        import tensorflow as tf

        from magsig_tf.training.embedding import BATCH, Embedding

        self.workspace = workspace
        self.asked = Embedding(prepared, encoder, "none", None, 1, [], "float32", "embedded")
        # as many whole batches as lie behind the first, which `embed` traces its graph with
        self.count = len(prepared.labels) // BATCH * BATCH - BATCH
        self._batches = [tf.constant(prepared.images[at : at + BATCH]) for at in range(0, self.count, BATCH)]
        network = self.asked.network()
        self._forward = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False),
            input_signature=[tf.TensorSpec((BATCH, *prepared.images.shape[1:]), tf.uint8)],
        )

    def measure(self, backwards: bool) -> dict[str, float]:
        """Return images a second of both, and the seconds that `embed` takes beside its batches.

        Args:
            backwards: Whether `embed` comes second.
        """
        calls = [self.embedded, self.in_memory]
        found: dict[str, float] = {}
        for call in calls[::-1] if backwards else calls:
            found |= call()
        return found

    def in_memory(self) -> dict[str, float]:
        """Embed the batches one after another."""
        began = time.perf_counter()
        for pixels in self._batches:
            self._forward(pixels).numpy()
        return {"in memory": self.count / (time.perf_counter() - began)}

    def embedded(self) -> dict[str, float]:
        """Let magsig embed all images, and look at the clock after each batch."""
        from magsig_tf.training.embedding import embed

        seen: list[tuple[int, float]] = []
        began = time.perf_counter()
        embed(
            self.asked,
            self.workspace,
            overwrite=True,
            say=lambda text: None,
            show=lambda done, total: seen.append((done, time.perf_counter())),
        )
        taken = time.perf_counter() - began
        # the last batch may be filled up with images that are thrown away
        whole = [(done, at) for done, at in seen if done <= self.count + seen[0][0]]
        seconds = whole[-1][1] - whole[0][1]
        rate = (whole[-1][0] - whole[0][0]) / seconds
        return {"embed": rate, "beside": taken - len(self.asked.prepared.labels) / rate}


if __name__ == "__main__":
    main()
