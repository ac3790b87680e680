"""Predict images, folders and lists with an exported model and nothing else: one row an image, counted on the way."""

from __future__ import annotations

import contextlib
import copy
import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magsig_tf.atomic_files import growing, partial_path, replacing
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.pixels.memory_needed import workers_that_fit
from magsig_tf.data.plain_text import without_formula
from magsig_tf.errors import DataError, UsageError
from magsig_tf.locks import holding_file
from magsig_tf.parallel_work import available_cores
from magsig_tf.serving.model_description import ImageModel, ModelDescription
from magsig_tf.serving.predicting.input_embeddings import InputEmbeddings
from magsig_tf.serving.predicting.input_images import InputImages
from magsig_tf.serving.predicting.marked_rows import COLUMNS, MarkedRows, kept_rows, row_writer
from magsig_tf.serving.predicting.prediction import BATCH, Prediction, is_outside, predict_images

CASE_COLUMNS = ("case", "images", "unreadable", "magnifications", "probability", "label")
EXAMPLES = 3
OF_TENSORFLOW = 2**30
"""Bytes that TensorFlow and a model are about to take: 826 MiB were measured with a network of one weight."""


@dataclass
class CaseSum:
    """What is known so far of one case.

    Args:
        images: How many of its images were predicted.
        unreadable: How many could not be read.
        probability: Sum over the predicted ones.
        magnifications: Those that its images say they have.
    """

    images: int = 0
    unreadable: int = 0
    probability: float = 0.0
    magnifications: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """What is counted while rows are written.

    Args:
        model: The model that predicts.
        labels: Number of images by label.
        unreadable: Number of images without a prediction, and the first few with their reason.
        outside: Number of images at each magnification that the model was not trained at.
        no_magnification: Number of images whose magnification is not known.
        cases: Sums by case, in the order of their first image.
    """

    model: ModelDescription
    labels: Counter = field(default_factory=Counter)
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)
    outside: Counter = field(default_factory=Counter)
    no_magnification: int = 0
    cases: dict[str, CaseSum] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Rows so far, unreadable images among them."""
        return self.labels.total() + self.unreadable

    def add(self, row: dict[str, str]) -> None:
        """Count one row, of the columns `COLUMNS`."""
        case = self.cases.setdefault(row["case"], CaseSum()) if row["case"] else CaseSum()
        magnification = row["magnification"]
        if row["error"]:
            self.unreadable += 1
            case.unreadable += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(f"{row['file'] or 'a row'}: {row['error']}")
            return
        self.labels[row["label"]] += 1
        case.images += 1
        case.probability += float(row["probability"])
        case.magnifications.update([magnification] if magnification else [])
        self.no_magnification += not magnification
        self.outside.update([magnification] if is_outside(self.model, magnification) else [])

    def case_rows(self) -> Iterator[tuple[object, ...]]:
        """Yield one row per case, of the columns `CASE_COLUMNS`: the mean probability of its images, and its label."""
        for name, case in self.cases.items():
            probability, label = "", ""
            if case.images:
                mean = case.probability / case.images
                probability, label = repr(mean), self.model.labels[mean >= self.model.threshold]
            magnifications = " ".join(magnification_order(case.magnifications))
            yield name, case.images, case.unreadable, magnifications, probability, label


@dataclass(frozen=True)
class Predicted:
    """What a call has done.

    Args:
        model: The model.
        images: What it was given, with what was skipped.
        tally: What was counted.
        resumed: How many rows an earlier call had written.
        cases_file: Where the cases are; None where no case is known.
        remark: Why there were fewer threads than cores; empty where there were not.
    """

    model: ModelDescription
    images: InputImages | InputEmbeddings
    tally: Tally
    resumed: int
    cases_file: Path | None
    remark: str = ""


def predict(
    model: ImageModel,
    arguments: Sequence[Path],
    out: Path,
    *,
    cases: Path | None = None,
    batch: int = BATCH,
    threads: int | None = None,
    strict: bool = False,
    resume: bool = False,
    columns: str | None = None,
    sheet: str | None = None,
    progress: Callable[[int, int, int, int], None] = lambda done, total, resumed, unreadable: None,
) -> Predicted:
    """Write one row per image, and one per case where cases are known.

    Rows grow in `partial_path(out)`, which becomes `out` when all are there and stays where the call is interrupted.

    Args:
        model: The model.
        arguments: Images, folders and tables (CSV, Excel).
        out: The CSV of images.
        cases: The CSV of cases; beside `out`, under its name with `-cases`, if not given.
        batch: Images that the model is asked about at once.
        threads: Threads that decode and infer; as many as cores if not given, fewer where memory is short.
        strict: Whether to stop at the first image that cannot be read.
        resume: Whether to go on behind the rows that an interrupted call left.
        columns: For columns of the tables the name that these have, as `--columns` writes them.
        sheet: Name of the sheet of a workbook.
        progress: Called after every image with the images done, of how many, how many of them an earlier call had
            done, and how many are unreadable.

    Raises:
        UsageError: an argument does not exist, or both files are one.
        DataError: the model is refused, there is no image, `strict` met one that cannot be read, or `resume` does not
            fit what was left.
        HeldError: another process is writing one of the files.
        MagsigError: a file cannot be written.
    """
    with holding_outputs(out, cases) as cases:
        images = InputImages(arguments, columns, sheet)
        return _predict(model, images, out, cases, batch, threads, strict, resume, progress)


@contextlib.contextmanager
def holding_outputs(out: Path, cases: Path | None) -> Iterator[Path]:
    """Hold both files that a call writes, and yield that of the cases.

    Args:
        out: The CSV of images.
        cases: The CSV of cases; None for the one beside `out`.

    Raises:
        UsageError: both are one.
        HeldError: another process is writing one of them.
    """
    cases = cases or out.with_name(f"{out.stem}-cases{out.suffix or '.csv'}")
    if os.path.realpath(out) == os.path.realpath(cases):
        raise UsageError("Expected two files for --out and --cases", f"found {out} twice", "Choose another --cases")
    with contextlib.ExitStack() as held:
        for place in (out, cases):
            held.enter_context(holding_file(place))
        yield cases


def _predict(
    model: ImageModel,
    images: InputImages,
    out: Path,
    cases: Path,
    batch: int,
    threads: int | None,
    strict: bool,
    resume: bool,
    progress: Callable[[int, int, int, int], None],
) -> Predicted:
    total, remark = images.count(), ""
    if threads is None:
        listing = copy.copy(images)  # what it counts is counted when the images are read
        contents = lambda: (image.path for image in listing)  # noqa: E731
        threads, remark = workers_that_fit(available_cores(), contents, "threads", reserved=OF_TENSORFLOW)
    mark = partial_path(out).with_name(f"{partial_path(out).name}.json")
    kept, end = kept_rows(model, partial_path(out), mark) if resume else ([], 0)
    tally, listed = Tally(model), iter(images)
    for row in kept:
        image = next(listed, None)
        if image is None or without_formula(image.file) != row["file"]:
            expected = f"Expected the images of {partial_path(out)} in the same order"
            found = f"found {image.file if image else 'the end'} in place of {row['file']}"
            raise DataError(expected, found, "Leave out --resume to start again")
        tally.add(row)
    use_threads(threads)
    answer = model.load()
    with growing(out, end) as stream, MarkedRows(stream, mark, model, partial_path(out), end) as marked:
        writer = row_writer(marked, header=not kept)
        progress(tally.images, total, len(kept), tally.unreadable)
        with contextlib.closing(predict_images(model, answer, listed, batch=batch, threads=threads)) as predictions:
            for prediction in predictions:
                row = row_of(prediction)
                if strict and row["error"]:
                    expected = f"Expected a readable image in {row['file'] or 'a row of the list'}"
                    raise DataError(expected, f"found: {row['error']}", "Leave it out, or leave out --strict")
                writer.writerow(row)
                marked.store_now_and_then()
                tally.add(row)
                progress(tally.images, total, len(kept), tally.unreadable)
    mark.unlink(missing_ok=True)
    return Predicted(model, images, tally, len(kept), write_cases(tally, cases), remark)


def row_of(prediction: Prediction) -> dict[str, str]:
    """Return a prediction as the texts of a CSV row; the probability has as many digits as its float32 needs."""
    probability = "" if prediction.probability is None else f"{prediction.probability:.9g}"
    said = vars(prediction.image) | vars(prediction) | {"probability": probability}
    return {name: without_formula(said[name]) for name in COLUMNS}


def write_cases(tally: Tally, path: Path) -> Path | None:
    """Write one row per case; return None, and write nothing, where no case is known."""
    if not tally.cases:
        return None
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([CASE_COLUMNS, *tally.case_rows()])
    return path


def use_threads(threads: int) -> None:
    """Give each operation one core: every thread of ours has a batch of its own, and more threads would only wait."""
    import tensorflow as tf

    # TensorFlow refuses it in a process that has calculated already, and then keeps what it has
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
