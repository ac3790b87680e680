"""Predict images, folders and lists with an exported model and nothing else: one row an image, counted on the way."""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from magsig_tf.atomic_files import growing, partial_path, read_json, replacing, write_json
from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import DataError
from magsig_tf.parallel_work import available_cores
from magsig_tf.serving.exported_model import ModelDescription
from magsig_tf.serving.predicting.input_images import InputImages
from magsig_tf.serving.predicting.prediction import BATCH, Prediction, is_outside, predict_images

COLUMNS = ("file", "case", "slide", "magnification", "probability", "label", "note", "error")
CASE_COLUMNS = ("case", "images", "unreadable", "magnifications", "probability", "label")
EXAMPLES = 3


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
    """

    model: ModelDescription
    images: InputImages
    tally: Tally
    resumed: int
    cases_file: Path | None


def predict(
    model: ModelDescription,
    arguments: Sequence[Path],
    out: Path,
    *,
    cases: Path | None = None,
    batch: int = BATCH,
    threads: int | None = None,
    strict: bool = False,
    resume: bool = False,
    progress: Callable[[int, int, int, int], None] = lambda done, total, resumed, unreadable: None,
) -> Predicted:
    """Write one row per image, and one per case where cases are known.

    Rows grow in `partial_path(out)`, which becomes `out` when all are there and stays where the call is interrupted.

    Args:
        model: The model.
        arguments: Images, folders and CSV files.
        out: The CSV of images.
        cases: The CSV of cases; beside `out`, under its name with `-cases`, if not given.
        batch: Images that the model is asked about at once.
        threads: Threads that decode and infer; as many as cores if not given.
        strict: Whether to stop at the first image that cannot be read.
        resume: Whether to go on behind the rows that an interrupted call left.
        progress: Called after every image with the images done, of how many, how many of them an earlier call had
            done, and how many are unreadable.

    Raises:
        UsageError: an argument does not exist.
        DataError: the model is refused, there is no image, `strict` met one that cannot be read, or `resume` does not
            fit what was left.
        MagsigError: a file cannot be written.
    """
    threads = available_cores() if threads is None else threads
    images = InputImages(arguments)
    total = images.count()
    # says which model the unfinished rows come from
    mark = partial_path(out).with_name(f"{partial_path(out).name}.json")
    kept, end = _kept(model, partial_path(out), mark) if resume else ([], 0)
    tally, listed = Tally(model), iter(images)
    for row in kept:
        image = next(listed, None)
        if image is None or image.file != row["file"]:
            expected = f"Expected the images of {partial_path(out)} in the same order"
            found = f"found {image.file if image else 'the end'} in place of {row['file']}"
            raise DataError(expected, found, "Leave out --resume to start again")
        tally.add(row)
    use_threads(threads)
    answer = model.load()
    write_json(mark, {"model": model.identity()})
    with growing(out, end) as stream:
        writer = row_writer(stream, header=not kept)
        progress(tally.images, total, len(kept), tally.unreadable)
        with contextlib.closing(predict_images(model, answer, listed, batch=batch, threads=threads)) as predictions:
            for prediction in predictions:
                row = row_of(prediction)
                if strict and row["error"]:
                    expected = f"Expected a readable image in {row['file'] or 'a row of the list'}"
                    raise DataError(expected, f"found: {row['error']}", "Remove it, or leave out --strict")
                writer.writerow(row)
                tally.add(row)
                progress(tally.images, total, len(kept), tally.unreadable)
    mark.unlink(missing_ok=True)
    return Predicted(model, images, tally, len(kept), _write_cases(tally, out, cases))


def row_of(prediction: Prediction) -> dict[str, str]:
    """Return a prediction as the texts of a CSV row; the probability has as many digits as its float32 needs."""
    probability = "" if prediction.probability is None else f"{prediction.probability:.9g}"
    said = vars(prediction.image) | vars(prediction) | {"probability": probability}
    return {name: said[name] for name in COLUMNS}


def row_writer(stream: TextIO, header: bool = True) -> csv.DictWriter:
    """Return a writer of rows; it begins with the names of the columns unless these are there already."""
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    return writer


def _write_cases(tally: Tally, out: Path, cases: Path | None) -> Path | None:
    if not tally.cases:
        return None
    path = cases or out.with_name(f"{out.stem}-cases{out.suffix or '.csv'}")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([CASE_COLUMNS, *tally.case_rows()])
    return path


def _kept(model: ModelDescription, partial: Path, mark: Path) -> tuple[list[dict[str, str]], int]:
    """Return the whole rows of an unfinished CSV and how many bytes they take; a row cut off at the end is not whole.

    Raises:
        DataError: they are another model's, or it is none that `row_writer` began.
    """
    if not partial.exists():
        return [], 0
    if not mark.exists() or read_json(mark).get("model") != model.identity():
        expected = f"Expected unfinished predictions of {model.title} in {partial}"
        raise DataError(expected, "found those of another model", "Leave out --resume to start again")
    expected, remedy = f"Expected unfinished predictions in {partial}", "Remove it, or leave out --resume"
    rows, end = [], 0
    try:
        with open(partial, "rb") as stream:
            # file names are written printable, so that a row is a line
            for line in stream:
                fields = next(csv.reader([line.decode("utf-8")], strict=True)) if line.endswith(b"\n") else []
                if len(fields) != len(COLUMNS):
                    break
                rows.append(dict(zip(COLUMNS, fields, strict=True)))
                end += len(line)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(expected, f"found: {error}", remedy) from error
    if rows and tuple(rows[0].values()) != COLUMNS:
        raise DataError(expected, "found another header", remedy)
    return rows[1:], end if len(rows) > 1 else 0


def use_threads(threads: int) -> None:
    """Give each operation one core: every thread of ours has a batch of its own, and more threads would only wait."""
    import tensorflow as tf

    # TensorFlow refuses it in a process that has calculated already, and then keeps what it has
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
