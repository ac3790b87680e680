"""Predictions on their way into a CSV, row by row, and what is counted on the way."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import DataError
from magsig_tf.serving.predicting.model_description import ModelDescription
from magsig_tf.serving.predicting.prediction import Prediction, is_outside

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
        return sum(self.labels.values()) + self.unreadable

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

    def case_rows(self) -> Iterator[dict[str, object]]:
        """Yield one row per case, of the columns `CASE_COLUMNS`: the mean probability of its images, and its label."""
        below, above = self.model.labels
        for name, case in self.cases.items():
            mean = case.probability / case.images if case.images else None
            yield {
                "case": name,
                "images": case.images,
                "unreadable": case.unreadable,
                "magnifications": " ".join(magnification_order(case.magnifications)),
                "probability": "" if mean is None else repr(mean),
                "label": "" if mean is None else above if mean >= self.model.threshold else below,
            }


def row_of(prediction: Prediction) -> dict[str, str]:
    """Return a prediction as the texts of a CSV row; the probability has as many digits as its float32 needs."""
    image = prediction.image
    probability = "" if prediction.probability is None else f"{prediction.probability:.9g}"
    return {
        "file": image.file,
        "case": image.case,
        "slide": image.slide,
        "magnification": image.magnification,
        "probability": probability,
        "label": prediction.label,
        "note": prediction.note,
        "error": prediction.error,
    }


def row_writer(stream: TextIO, columns: tuple[str, ...] = COLUMNS, header: bool = True) -> csv.DictWriter:
    """Return a writer of rows; it begins with the names of the columns unless these are there already."""
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    return writer


def rows_kept(path: Path) -> tuple[list[dict[str, str]], int]:
    """Return the whole rows of an unfinished CSV and how many bytes they take; a row cut off at the end is not whole.

    Raises:
        DataError: it is none that `row_writer` began.
    """
    rows, end = [], 0
    try:
        with open(path, "rb") as stream:
            # file names are written printable, so that a row is a line
            for line in stream:
                fields = next(csv.reader([line.decode("utf-8")], strict=True)) if line.endswith(b"\n") else []
                if len(fields) != len(COLUMNS):
                    break
                rows.append(dict(zip(COLUMNS, fields, strict=True)))
                end += len(line)
    except (OSError, ValueError, csv.Error) as error:
        raise _none_begun(path, f"found: {error}") from error
    if rows and tuple(rows[0].values()) != COLUMNS:
        raise _none_begun(path, "found another header")
    return rows[1:], end if len(rows) > 1 else 0


def _none_begun(path: Path, found: str) -> DataError:
    return DataError(f"Expected unfinished predictions in {path}", found, "Remove it, or leave out --resume")
