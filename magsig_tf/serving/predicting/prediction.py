"""What a model says of images: predictions of a stream in the order of the images, and maps of where it sees malignant.

Of a stream, threads decode and infer. An explanation comes from the SavedModel alone.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import same_magnification
from magsig_tf.data.pixels.decoding import decode
from magsig_tf.data.pixels.opening import bytes_of, reason_of
from magsig_tf.data.sources.images import UnreadableImage, read_native
from magsig_tf.parallel_work import map_in_threads
from magsig_tf.serving.exported_model import ExportedModel
from magsig_tf.serving.model_description import Answers, ImageModel, ModelDescription
from magsig_tf.serving.predicting.input_images import InputImage

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
    model: ImageModel,
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
    waiting = iter(images)
    batches = iter(lambda: list(itertools.islice(waiting, batch)), [])
    with warnings.catch_warnings():
        # what Pillow thinks of a file's metadata; set here once, since threads cannot set it each for itself
        warnings.simplefilter("ignore")
        predict = functools.partial(_predict_batch, model, answer)
        with contextlib.closing(map_in_threads(predict, batches, threads)) as results:
            yield from itertools.chain.from_iterable(results)


def _predict_batch(
    model: ImageModel, answer: Callable[[np.ndarray], Answers], images: list[InputImage]
) -> list[Prediction]:
    read = [_read(model, image) for image in images]
    pixels = [found for found, _, _ in read if found is not None]
    probabilities, labels = answer(np.stack(pixels)) if pixels else ((), ())
    answers = zip(map(float, probabilities), labels, strict=True)
    predictions = []
    for image, (_, converted, error) in zip(images, read, strict=True):
        probability, label = (None, "") if error else next(answers)
        predictions.append(Prediction(image, probability, label, note_of(model, image, converted), error))
    return predictions


def _read(model: ImageModel, image: InputImage) -> tuple[np.ndarray | None, str, str]:
    """Return pixels, what they were converted from, and why there are none."""
    if image.path is None:
        return None, "", "the list names no file"
    try:
        pixels, _, _, converted = decode(bytes_of(image.path), model.size, model.resize)
    except Exception as error:  # Pillow's plugins raise anything on broken files
        return None, "", reason_of(error)
    return pixels, converted, ""


def note_of(model: ModelDescription, image: InputImage, converted: str = "") -> str:
    """Return what should be known of a prediction; empty where there is nothing."""
    notes = []
    if is_outside(model, image.magnification):
        trained = ", ".join(model.magnifications)
        notes.append(f"{image.magnification} is not among the magnifications of training ({trained})")
    return "; ".join([*notes, f"converted from {converted}"] if converted else notes)


def is_outside(model: ModelDescription, magnification: str) -> bool:
    """Return whether a magnification is known and the model was not trained at it."""
    trained = {name.casefold() for name in model.magnifications}
    # a note about `Low` beside `low` would help nobody
    asked = magnification.casefold()
    return bool(asked and trained) and not any(same_magnification(asked, name) for name in trained)


@dataclass(frozen=True)
class Explanation:
    """One image and where it looks malignant to the model.

    Args:
        path: The file.
        image: uint8 [height, width, 3].
        heat: float32 [height, width] in 0..1, relative to the strongest place of this image; 0 throughout where
            nothing speaks for malignant.
        probability: Of malignant.
        label: What the model calls it.
        converted: What the image was converted from; empty for plain RGB.
    """

    path: Path
    image: np.ndarray = field(repr=False)
    heat: np.ndarray = field(repr=False)
    probability: float
    label: str
    converted: str = ""

    @property
    def silent(self) -> bool:
        """Whether nothing in the image speaks for malignant."""
        return not self.heat.any()

    @property
    def centre(self) -> tuple[float, float] | None:
        """Row and column of the heat's centre of mass, as shares of height and width; None where there is no heat."""
        if self.silent:
            return None
        heat = self.heat.astype(float)
        rows, columns = (
            np.average((np.arange(n) + 0.5) / n, weights=heat.sum(1 - axis)) for axis, n in enumerate(heat.shape)
        )
        return float(rows), float(columns)

    def facts(self) -> dict[str, object]:
        """Return what `--json` prints of it."""
        return {
            "file": str(self.path),
            "height": self.image.shape[0],
            "width": self.image.shape[1],
            "probability": self.probability,
            "label": self.label,
            "nothing_speaks_for_malignant": self.silent,
            "heat_centre": self.centre,
            "converted_from": self.converted,
            "hot_share": float((self.heat >= 0.5).mean()),
        }


def explain_files(model: ExportedModel, files: Sequence[Path]) -> Iterator[Explanation | UnreadableImage]:
    """Yield one explanation a file, in order; what cannot be read is yielded as `UnreadableImage`.

    Args:
        model: The served model.
        files: Image files of any size.
    """
    labels, threshold = model.facts.get("labels", LABELS), model.facts.get("threshold", 0.5)
    for path in files:
        read = read_native(path)
        if isinstance(read, UnreadableImage):
            yield read
            continue
        image, converted = read
        answer = model.ask("gradcam", images=image[np.newaxis])
        probability = float(answer["probability"][0, 0])
        yield Explanation(path, image, answer["heat"][0], probability, labels[probability >= threshold], converted)
