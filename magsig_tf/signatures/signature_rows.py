"""One row a run: the size of its signature and how well the sparse classifier does where it was not trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.errors import DataError
from magsig_tf.signatures.sources import Source
from magsig_tf.signatures.sparse_classifier import SparseClassifier, fit_sparse_classifier
from magsig_tf.signatures.sparse_scores import score_columns

EMPTY = "empty: no dimension is selected, every image gets the same probability"


@dataclass(frozen=True)
class SourceSignature:
    """A source with its signature.

    Args:
        source: Whose it is.
        classifier: The sparse classifier; None where none could be fitted.
        tested: Embeddings of the test cases at all magnifications: common images of the runs of a fold.
        row: Its row of the table.
        scored: What the classifier says of each test image, columns as in docs/signatures.md; None where there is no
            classifier or the file numbers no images.
    """

    source: Source
    classifier: SparseClassifier | None
    tested: Embeddings = field(repr=False)
    row: dict[str, object] = field(repr=False)
    scored: pd.DataFrame | None = field(default=None, repr=False)


def fit_sources(
    sources: Sequence[Source],
    *,
    replicates: int = 2000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[SourceSignature]:
    """Fit the sparse classifier of every source on its training rows and score it on its test rows.

    A source whose training rows allow none keeps its row, with the reason.

    Args:
        sources: What to fit.
        replicates: Number B of bootstrap replicates.
        progress: Called with the number of sources done and of all.

    Raises:
        DataError: a file is missing, damaged, or not as documented.
    """
    found = []
    for done, source in enumerate(sources):
        progress(done, len(sources))
        found.append(_fit(source, replicates))
    progress(len(sources), len(sources))
    return found


def signature_table(fitted: Sequence[SourceSignature]) -> pd.DataFrame:
    """Return the rows as one frame; docs/signatures.md lists the columns."""
    return pd.DataFrame([each.row for each in fitted]).astype({"k": "Int64"})


def prediction_table(fitted: Sequence[SourceSignature]) -> pd.DataFrame | None:
    """Return what the sparse classifiers say of each test image as one frame; docs/signatures.md lists the columns.

    Claims of equivalence need it: a paired interval cannot be had from two intervals. None where there is nothing.
    """
    scored = [each.scored for each in fitted if each.scored is not None]
    return pd.concat(scored, ignore_index=True) if scored else None


def _scored(source: Source, test: Embeddings, probability: np.ndarray) -> pd.DataFrame | None:
    if test.row is None:
        return None
    names = ("method", "config", "holdout", "patient_fold", "seed")
    columns = {name: source.columns[name] for name in names}
    truth = {"row": test.row, "case": test.case.astype(str), "malignant": test.label.astype("int8")}
    return pd.DataFrame({**truth, "probability": probability}).assign(**columns)[[*names, *truth, "probability"]]


def _fit(source: Source, replicates: int) -> SourceSignature:
    embeddings = source.read()
    train, test = embeddings.of("train"), embeddings.of("test")
    tested = embeddings.of("test", "in_domain_test")
    row: dict[str, object] = {**source.columns, "p": embeddings.dimensions, "training_images": len(train)}
    try:
        if not len(train):
            raise DataError("Expected training rows", "found none", "Give rows whose split is train")
        classifier = fit_sparse_classifier(train, source.data, source.holdout, source.patient_fold)
    except DataError as error:
        return SourceSignature(source, None, tested, row | _absent(error))
    share = classifier.size / embeddings.dimensions
    row |= {
        "k": classifier.size,
        "share": share,
        "penalty": classifier.penalty,
        "C": 1 / (classifier.rows * classifier.penalty),
        "duality_gap": classifier.gap,
    }
    remarks = list(classifier.remarks)
    if not classifier.size:
        remarks.insert(0, EMPTY)
    probability = classifier.predict(test.embedding) if len(test) else test.label
    scores = score_columns(test.label, test.case, probability, replicates, source.data)
    reason = "; ".join([*remarks, *filter(None, [scores.pop("score_reason")])])
    row |= scores | {"reason": reason}
    return SourceSignature(source, classifier, tested, row, _scored(source, test, probability))


def _absent(error: DataError) -> dict[str, object]:
    nan = float("nan")
    return {
        "k": pd.NA,
        "share": nan,
        "penalty": nan,
        "C": nan,
        "duality_gap": nan,
        **score_columns(*([[]] * 3), 1),
        "reason": f"no signature: {error.expected[0].lower()}{error.expected[1:]}, {error.found}",
    }
