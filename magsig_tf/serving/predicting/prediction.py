"""Predictions of a stream of images: threads decode and infer, results come in the order of the images."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from magsig_tf.data.sources.images import bytes_of, decode, reason_of
from magsig_tf.parallel_work import map_in_threads
from magsig_tf.serving.predicting.input_images import InputImage
from magsig_tf.serving.predicting.model_description import Answers, ModelDescription

BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Args:
        image: The image.
        probability: Of the second label, in [0, 1]; None where the image could not be read.
        label: The model's label; empty where the image could not be read.
        note: What should be known of it; empty where there is nothing.
        error: Why it could not be read; empty where it could.
    """

    image: InputImage
    probability: float | None
    label: str = ""
    note: str = ""
    error: str = ""


def predict_images(
    model: ModelDescription,
    answer: Callable[[np.ndarray], Answers],
    images: Iterable[InputImage],
    *,
    batch: int = BATCH,
    threads: int = 1,
) -> Generator[Prediction, None, None]:
    """Predict images in batches; only a few batches are in memory at a time.

    Each thread decodes a batch and then asks the model, so that all cores have work whichever of the two is slower.

    Args:
        model: The model, for the size of its images.
        answer: Its function, from `ModelDescription.load`; it is called by several threads at once.
        images: The images, drawn only as fast as predictions are taken.
        batch: Images that the model is asked about at once.
        threads: Number of threads.

    Yields:
        One prediction an image, in the order of the images.
    """
    predict = _BatchPrediction(model, answer)
    with warnings.catch_warnings():
        # what Pillow thinks of a file's metadata; set here once, since threads cannot set it each for itself
        warnings.simplefilter("ignore")
        with contextlib.closing(map_in_threads(predict, _batches(images, batch), threads)) as results:
            yield from itertools.chain.from_iterable(results)


@dataclass(frozen=True)
class _BatchPrediction:
    model: ModelDescription
    answer: Callable[[np.ndarray], Answers]

    def __call__(self, images: list[InputImage]) -> list[Prediction]:
        read = [self._read(image) for image in images]
        pixels = [found for found, _, _ in read if found is not None]
        probabilities, labels = self.answer(np.stack(pixels)) if pixels else ((), ())
        answers = zip(probabilities, labels, strict=True)
        return [
            Prediction(image, None, note=self._note(image, ""), error=error)
            if error
            else Prediction(image, *_plain(next(answers)), note=self._note(image, converted))
            for image, (_, converted, error) in zip(images, read, strict=True)
        ]

    def _read(self, image: InputImage) -> tuple[np.ndarray | None, str, str]:
        if image.path is None:
            return None, "", "the list names no file"
        try:
            pixels, _, _, converted = decode(bytes_of(image.path), self.model.size, self.model.resize)
        except Exception as error:  # Pillow's plugins raise anything on broken files
            return None, "", reason_of(error)
        return pixels, converted, ""

    def _note(self, image: InputImage, converted: str) -> str:
        notes = [f"converted from {converted}"] if converted else []
        if is_outside(self.model, image.magnification):
            trained = ", ".join(self.model.magnifications)
            notes.insert(0, f"{image.magnification} is not among the magnifications of training ({trained})")
        return "; ".join(notes)


def is_outside(model: ModelDescription, magnification: str) -> bool:
    """Return whether a magnification is known and the model was not trained at it."""
    trained = {name.casefold() for name in model.magnifications}
    return bool(magnification and trained) and magnification.casefold() not in trained


def _plain(answer: tuple[np.float32, str]) -> tuple[float, str]:
    return float(answer[0]), answer[1]


def _batches(images: Iterable[InputImage], size: int) -> Iterator[list[InputImage]]:
    waiting = iter(images)
    while batch := list(itertools.islice(waiting, size)):
        yield batch
