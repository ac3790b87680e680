"""`magsig predict` on 700x460 photographs against the smaller of pure inference and what two cores could do at best."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.options import quick_option, rounds_option
from benchmarks.photographs import write_photographs
from benchmarks.timing import processor_seconds, report

TARGET = 0.9
MODELS = (("efficientnet_lite0", 224), ("small_cnn", 64))


@click.command(help=__doc__)
@rounds_option(3)
@quick_option
@click.option("--images", default=384, show_default=True, help="About how many images a round.")
@click.option("--batch", default=16, show_default=True, help="Images in a batch.")
@click.option("--threads", default=0, show_default="all cores", help="Threads that decode and infer.")
def main(rounds: int, quick: bool, images: int, batch: int, threads: int) -> None:
    from magsig_tf.execution.tensorflow_import import load_tensorflow
    from magsig_tf.parallel_work import available_cores

    load_tensorflow()
    from benchmarks.made_up_export import write_export
    from magsig_tf.serving.model_description import ModelDescription
    from magsig_tf.serving.predicting.predict import use_threads

    threads = threads or available_cores()
    use_threads(threads)
    models, rounds, images, batch = (MODELS[1:], 1, 8, 2) if quick else (MODELS, rounds, images, batch)
    different = 4 if quick else 48
    with tempfile.TemporaryDirectory() as folder:
        files, what = write_photographs(Path(folder) / "photographs", -(-images // different), made_up=different)
        for encoder, size in models:
            model = ModelDescription.open(write_export(Path(folder) / encoder, encoder, size))
            rates = Rates(model, files, batch, threads, Path(folder) / "rows.csv")
            found = [rates.measure() for _ in range(rounds)]
            report(
                f"predict {len(files)} images, {encoder} {size} px",
                [each["predict"] / min(each["inference"], each["bound"]) for each in found],
                of="predict",
                to="the smaller of pure inference and bound",
                target=TARGET,
                processor_ratio=round(sorted(each["processor"] for each in found)[rounds // 2], 3),
                images_per_second=[{key: round(value, 1) for key, value in each.items()} for each in found],
                batch=batch,
                threads=threads,
                images=what,
            )


class Rates:
    """Images per second of one model: predicted, inferred only, and at best.

    Args:
        model: The model.
        files: The images.
        batch: Images in a batch.
        threads: Threads that decode and infer.
        rows: Where the rows go.
    """

    def __init__(self, model, files: list[Path], batch: int, threads: int, rows: Path):
        from magsig_tf.serving.predicting.input_images import InputImages

        self.model, self.answer = model, model.load()
        self.images = list(InputImages(files))
        self.batch, self.threads, self.rows = batch, threads, rows
        self.pixels = self._decode(self.images[:batch])
        self._predict()  # the first call of a graph optimises it

    def measure(self) -> dict[str, float]:
        """Return images per second of `predict`, of pure `inference` on all threads and of the `bound`.

        The bound is the number of cores over the processor seconds that one image takes, decoded and inferred each on
        one thread. `processor` is the ratio of the same processor seconds to those of `predict`: other work on the
        machine disturbs it less.
        """
        from magsig_tf.parallel_work import available_cores, map_in_threads

        calls = max(self.threads, len(self.images) // self.batch // 2)
        _, decoding = _timed(lambda: self._decode(self.images[: self.batch * 2]), min(len(self.images), self.batch * 2))
        _, inferring = _timed(lambda: [self.answer(self.pixels) for _ in range(4)], 4 * len(self.pixels))
        every = [self.pixels] * calls
        inference, _ = _timed(lambda: list(map_in_threads(self.answer, every, self.threads)), calls * len(self.pixels))
        predicted, used = _timed(self._predict, len(self.images))
        return {
            "predict": 1 / predicted,
            "inference": 1 / inference,
            "bound": available_cores() / (decoding + inferring),
            "processor": (decoding + inferring) / used,
        }

    def _decode(self, images):
        import numpy as np

        from magsig_tf.data.pixels.decoding import decode
        from magsig_tf.data.pixels.opening import bytes_of

        return np.stack([decode(bytes_of(image.path), self.model.size, self.model.resize)[0] for image in images])

    def _predict(self) -> None:
        from magsig_tf.serving.predicting.predict import row_of, row_writer
        from magsig_tf.serving.predicting.prediction import predict_images

        with self.rows.open("w", encoding="utf-8", newline="") as stream:
            writer = row_writer(stream)
            for prediction in predict_images(
                self.model, self.answer, self.images, batch=self.batch, threads=self.threads
            ):
                writer.writerow(row_of(prediction))


def _timed(call: Callable[[], object], images: int) -> tuple[float, float]:
    """Return seconds and processor seconds an image."""
    began, used = time.perf_counter(), processor_seconds()
    call()
    return (time.perf_counter() - began) / images, (processor_seconds() - used) / images


if __name__ == "__main__":
    main()
