"""One row per run: the size of its signature and how well the sparse classifier does where it was not trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf import reasons
from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.errors import DataError
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.reasons import Reason, joined, of_texts
from magsig_tf.signatures.sources import Source
from magsig_tf.statistics.cases import FEWEST_CASES, case_multiplicities
from magsig_tf.statistics.intervals import Bootstrapped, interval
from magsig_tf.statistics.replicates import Replicates, image_units

SCORES = ("auc", "f1", "brier")


def score_columns(
    label: np.ndarray, case: np.ndarray, probability: np.ndarray, replicates: int, *names: object
) -> dict[str, object]:
    """Return the columns of one row: each score with its interval, counts of cases, and reasons for what is absent.

    Args:
        label: 0 or 1 of each test image, shape (n,).
        case: Case of each, shape (n,).
        probability: Of malignant, in [0, 1], shape (n,).
        replicates: Number B of bootstrap replicates, at least 1.
        names: What the draws are for; the same names and cases give the same draws, so that methods are paired.

    Returns:
        `auc`, `auc_low`, `auc_high` and so on, `cases_benign`, `cases_malignant`, `images`, `score_reason` and
        `score_reason_code`.
    """
    columns: dict[str, object] = {f"{name}{end}": float("nan") for name in SCORES for end in ("", "_low", "_high")}
    cases, position = np.unique(case, return_inverse=True)
    has = np.stack([np.bincount(position, label == value, len(cases)) > 0 for value in (0, 1)]) if len(label) else None
    counts = [0, 0] if has is None else [int(each.sum()) for each in has]
    columns |= {"cases_benign": counts[0], "cases_malignant": counts[1], "images": len(label)}
    if has is None:
        return columns | Reason(reasons.NO_TEST_ROWS, "no test rows").columns("score_")
    # a case with both labels is a stratum of its own, as in the summary
    drawn = case_multiplicities(np.where(has.all(0), 2, has[1].astype(int)), replicates, *names)
    scored = Replicates(image_units(position, label, probability), drawn)
    absent = []
    if min(counts) < FEWEST_CASES:
        absent.append(Reason(reasons.FEW_CASES, f"no interval with fewer than {FEWEST_CASES} cases in a class"))
    for name in SCORES:
        values = METRICS[name].values(scored)
        columns[name] = float(values[0])
        if np.isnan(values[0]):
            undefined = METRICS[name].undefined
            absent.append(Reason(undefined.code, f"{METRICS[name].title} not defined: {undefined}"))
        elif min(counts) >= FEWEST_CASES:
            number = Bootstrapped(values[0], values[1:], tuple(counts), METRICS[name].bounds)
            columns[f"{name}_low"], columns[f"{name}_high"] = interval(number)
    return columns | joined(absent).columns("score_")


NEARLY_ALL = Reason(
    reasons.SATURATED, "saturated: nearly every dimension is selected, its overlap with others is trivial"
)
SPARSE_EDGE = Reason(reasons.EDGE_OF_PATH, "the choice is the first lambda of the path")
DENSE_EDGE = Reason(reasons.EDGE_OF_PATH, "the choice is the last lambda of the path, a smaller one might fit better")


@dataclass(frozen=True)
class SparseClassifier:
    """A signature and the classifier that it belongs to.

    Args:
        selected: Which dimensions have a coefficient other than 0, booleans of shape (p,).
        penalty: The chosen lambda, on the mean loss.
        rows: Number n of training rows.
        gap: Duality gap reached, as a share of the objective.
        remarks: What a reader must know of it, in words: an edge of the path, constant dimensions.
        predict: Takes an embedding (n, p), returns the probability of malignant (n,).
    """

    selected: np.ndarray
    penalty: float
    rows: int
    gap: float
    remarks: tuple[Reason, ...]
    predict: Callable[[np.ndarray], np.ndarray] = field(repr=False)

    @property
    def size(self) -> int:
        """Number k of dimensions in the signature."""
        return int(self.selected.sum())


def fit_sparse_classifier(train: Embeddings, *names: object) -> SparseClassifier:
    """Fit the path on training rows and keep the sparsest solution within one standard error.

    Args:
        train: The training rows.
        names: What this is for: they seed the deal of cases into folds.

    Raises:
        DataError: a class is empty, there are fewer cases than folds, or nothing varies.
    """
    from magsig_tf.signatures.signature import fit_signature

    signature = fit_signature(train.embedding, train.label, train.case, names=names)
    selected = np.zeros(train.dimensions, bool)
    selected[signature.indices] = True
    constant = signature.constant_dimensions
    left_out = f"{constant} constant dimension{'s' if constant > 1 else ''} left out"
    remarks = [
        reason
        for holds, reason in (
            (signature.saturated, NEARLY_ALL),
            (signature.at_sparse_edge, SPARSE_EDGE),
            (signature.at_dense_edge, DENSE_EDGE),
            (constant, Reason(reasons.CONSTANT_DIMENSIONS, left_out)),
        )
        if holds
    ]
    return SparseClassifier(
        selected, signature.penalty, len(train), signature.gap, tuple(remarks), predict=signature.predict
    )


@dataclass(frozen=True)
class SelectAt:
    """Selects dimensions at a fixed lambda; an object of a module's class, so that worker processes can receive it.

    Args:
        penalty: lambda, on the mean loss.
    """

    penalty: float

    def __call__(self, embedding: np.ndarray, label: np.ndarray, case: np.ndarray) -> np.ndarray:
        """Return which dimensions are selected from some rows, which are standardised anew, booleans of shape (p,)."""
        from magsig_tf.linear_models.sparse_path import fit_scaling, solve_at

        features = fit_scaling(embedding).apply(embedding)
        return solve_at(features, label, self.penalty).coefficients[0] != 0


NONE_SELECTED = Reason(reasons.EMPTY, "empty: no dimension is selected, every image gets the same probability")


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

    @property
    def selected(self) -> np.ndarray:
        """Which dimensions its classifier keeps, bool [p]; where there is a classifier."""
        assert self.classifier is not None, "sources without a classifier are not compared"
        return self.classifier.selected


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
    columns: dict[str, Any] = {name: source.columns[name] for name in names}
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
        remarks.insert(0, NONE_SELECTED)
    probability = classifier.predict(test.embedding) if len(test) else test.label
    scores = score_columns(test.label, test.case, probability, replicates, source.data)
    scored = of_texts(str(scores.pop("score_reason_code")), str(scores.pop("score_reason")))
    row |= scores | joined([*remarks, *scored]).columns()
    return SourceSignature(source, classifier, tested, row, _scored(source, test, probability))


def _absent(error: DataError) -> dict[str, object]:
    nan, nothing = float("nan"), np.empty(0)
    scores = score_columns(nothing, nothing, nothing, 1)
    del scores["score_reason"], scores["score_reason_code"]
    words = f"no signature: {error.expected[0].lower()}{error.expected[1:]}, {error.found}"
    return {
        "k": pd.NA,
        "share": nan,
        "penalty": nan,
        "C": nan,
        "duality_gap": nan,
        **scores,
        **Reason(reasons.NO_SIGNATURE, words).columns(),
    }
