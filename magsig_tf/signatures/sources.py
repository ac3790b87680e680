"""Whose signatures are studied, and one row for each: the size of its signature and how well its classifier does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf import reasons
from magsig_tf.data.embeddings_file import Embeddings, read_embeddings, read_embeddings_of_others
from magsig_tf.errors import DataError, UsageError
from magsig_tf.evaluation.cells.catalogue import METRICS
from magsig_tf.reasons import Reason, joined
from magsig_tf.runs.matrix import Matrix
from magsig_tf.runs.random_encoders import RandomEncoder, plan_random_encoders, random_features, training_rows_missing
from magsig_tf.runs.run import Run, run_name
from magsig_tf.signatures.signature import Signature, fit_signature
from magsig_tf.statistics.cases import FEWEST_CASES, case_multiplicities
from magsig_tf.statistics.intervals import INTERVAL_KIND, Bootstrapped, interval
from magsig_tf.statistics.replicates import Replicates, image_units
from magsig_tf.workspace import Workspace

STRANGER = "embeddings"
UNTRAINED = "random-encoder"
Progress = Callable[[int, int], None]
"""Takes the number of steps done and of all."""


def silent(done: int, total: int) -> None:
    """Take the number of steps done and of all, and say nothing."""


_REMEDY = "Move the run's folder aside and train it again"


@dataclass(frozen=True)
class Source:
    """One file of embeddings and what it belongs to.

    Args:
        path: The NPZ file; of an untrained encoder that of a run with the same split, whose rows are meant.
        method: Name of the method; "embeddings" for a file of another model, "random-encoder" for an untrained encoder.
        config: Hash of the config; empty for a file of another model and for an untrained encoder.
        label: What tables print for method and config.
        holdout: The magnification left out; for a file of another model its name without the ending.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        data: Content hash of the data set, or the name of the file; seeds the draws.
        features: File of an untrained encoder's embeddings, which take the place of the run's.
        names_are_exact: Whether names in a file of another model that may be one are kept apart.
        seedless: Whether the run is of an exact method, and stands for every seed.
    """

    path: Path
    method: str
    config: str
    label: str
    holdout: str
    patient_fold: int
    seed: int
    data: str
    features: Path | None = None
    names_are_exact: bool = False
    seedless: bool = False

    @property
    def name(self) -> str:
        """The source in words, as notes write it."""
        axes = (self.label, self.holdout, self.patient_fold, None if self.seedless else self.seed)
        return self.path.name if self.method == STRANGER else run_name(*axes)

    @property
    def columns(self) -> dict[str, object]:
        """What every table says of the source."""
        names = ("method", "config", "label", "holdout", "patient_fold", "seed")
        return {name: getattr(self, name) for name in names}

    def read(self) -> Embeddings:
        """Read and check its embeddings.

        Raises:
            DataError: the file is missing, damaged, or not as documented.
            RunError: the file of an untrained encoder is damaged or of other data.
        """
        if self.method == STRANGER:
            return read_embeddings_of_others(self.path, names_are_exact=self.names_are_exact)
        embeddings = read_embeddings(self.path, _REMEDY)
        if self.features is None:
            return embeddings
        if embeddings.row is None:
            raise DataError(f"Expected the numbers of images (row) in {self.path}", "found none", _REMEDY)
        return replace(embeddings, embedding=random_features(self.features, self.data, embeddings.row))


def sources_of_runs(matrix: Matrix) -> list[Source]:
    """Return one source a finished run, ordered by group, holdout in natural order, patient fold and seed."""
    return [
        _source_of(run, group.method, group.config_hash, group.label)
        for group in matrix.groups
        for run in sorted(group.runs.values(), key=partial(_place, matrix))
    ]


def sources_of_random_encoders(matrix: Matrix, workspace: Workspace, dataset: str) -> tuple[list[Source], list[str]]:
    """Return an untrained encoder for every split and seed that has finished runs, in the order of `sources_of_runs`.

    Args:
        matrix: The finished runs.
        workspace: Where they lie.
        dataset: Name of their data set.

    Returns:
        The sources, and what is missing, in words.

    Raises:
        RunError: the file of an untrained encoder is damaged or of other data.
    """
    planned, absent = plan_random_encoders(matrix, workspace, dataset)
    absent += dict.fromkeys(filter(None, map(training_rows_missing, planned)))
    planned = [each for each in planned if not training_rows_missing(each)]
    labels = _labels(planned, matrix)
    planned.sort(key=lambda each: (labels[each.label, each.run.split_hash], *_place(matrix, each.run)))
    named = [(labels[each.label, each.run.split_hash], each) for each in planned]
    return [_source_of(each.run, UNTRAINED, "", label, each.path) for label, each in named], absent


def sources_of_files(paths: Sequence[Path], *, names_are_exact: bool = False) -> list[Source]:
    """Return one source per file; each takes the place of a holdout.

    Args:
        paths: The files.
        names_are_exact: Whether names that may be one are kept apart.

    Raises:
        UsageError: two files have the same name.
    """
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError("Expected files with different names", f"found {', '.join(names)}", "Rename one of them")
    exact = names_are_exact
    return [Source(path, STRANGER, "", STRANGER, path.stem, 0, 0, path.stem, names_are_exact=exact) for path in paths]


def _place(matrix: Matrix, run: Run) -> tuple[int, int, int]:
    return matrix.holdouts.index(run.holdout), run.patient_fold, run.seed


def _source_of(run: Run, method: str, config: str, label: str, features: Path | None = None) -> Source:
    axes = (run.holdout, run.patient_fold, run.seed, run.dataset_hash)
    return Source(run.folder / "embeddings.npz", method, config, label, *axes, features, seedless=run.seedless)


def _labels(planned: Sequence[RandomEncoder], matrix: Matrix) -> dict[tuple[str, str], str]:
    """Return the label for each encoder and split: numbered where a patient fold was split in several ways.

    Untrained encoders have no config that would tell such splits apart, and only those of one way may be compared.
    """
    ways: list[set[str]] = []
    for group in matrix.groups:
        mine = {run.split_hash for run in group.runs.values()}
        ways = [way for way in ways if not way & mine] + [mine.union(*(way for way in ways if way & mine))]
    splits = defaultdict(set)
    for each in planned:
        splits[each.label, each.run.holdout, each.run.patient_fold].add(each.run.split_hash)
    several = {label for (label, *_), hashes in splits.items() if len(hashes) > 1}
    return {
        (each.label, each.run.split_hash): f"{each.label}, splits {number}" if each.label in several else each.label
        for each in planned
        for number, way in enumerate(ways, 1)
        if each.run.split_hash in way
    }


SCORES = ("auc", "f1", "brier")


def _scores(
    label: np.ndarray, case: np.ndarray, probability: np.ndarray, replicates: int, *names: object
) -> tuple[dict[str, object], list[Reason]]:
    """Return the columns of one row that score its test images, and the reasons for what is absent.

    Args:
        label: 0 or 1 of each test image, shape (n,).
        case: Case of each, shape (n,).
        probability: Of malignant, in [0, 1], shape (n,).
        replicates: Number B of bootstrap replicates, at least 1.
        names: What the draws are for; the same names and cases give the same draws, so that methods are paired.

    Returns:
        `auc`, `auc_low`, `auc_high`, `auc_interval` and so on, `cases_benign`, `cases_malignant`, `images`; reasons.
    """
    columns: dict[str, object] = {f"{name}{end}": float("nan") for name in SCORES for end in ("", "_low", "_high")}
    columns |= {f"{name}_interval": INTERVAL_KIND for name in SCORES}
    counted = ("cases_benign", "cases_malignant", "images")
    if not len(label):
        return columns | dict.fromkeys(counted, 0), [Reason(reasons.NO_TEST_ROWS, "no test rows")]
    cases, position = np.unique(case, return_inverse=True)
    benign, malignant = (np.bincount(position, label == value, len(cases)) > 0 for value in (0, 1))
    counts = (int(benign.sum()), int(malignant.sum()))
    columns |= dict(zip(counted, (*counts, len(label)), strict=True))
    # a case with both labels is a stratum of its own, as in the summary
    drawn = case_multiplicities(np.where(benign & malignant, 2, malignant), replicates, *names)
    scored = Replicates(image_units(position, label, probability), drawn)
    absent = []
    if min(counts) < FEWEST_CASES:
        absent.append(Reason(reasons.FEW_CASES, f"no interval with fewer than {FEWEST_CASES} cases in a class"))
    for name in SCORES:
        metric = METRICS[name]
        values = metric.values(scored)
        columns[name] = float(values[0])
        if np.isnan(values[0]):
            absent.append(Reason(metric.undefined.code, f"{metric.title} not defined: {metric.undefined}"))
        elif min(counts) >= FEWEST_CASES:
            number = Bootstrapped(values[0], values[1:], counts, metric.bounds, trials=metric.trials(*counts))
            found = interval(number)
            columns |= {f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_interval": found.kind}
            absent.append(Reason(found.reason.code, f"{metric.title} {found.reason}") if found.reason else found.reason)
    return columns, absent


@dataclass(frozen=True)
class SourceSignature:
    """A source with its signature.

    Args:
        source: Whose it is.
        classifier: Its signature, a sparse classifier; None where none could be fitted.
        tested: Embeddings of the test cases at all magnifications: common images of the runs of a fold.
        row: Its row of the table.
        scored: What the classifier says of each test image, columns as in docs/signatures.md; None where there is no
            classifier or the file numbers no images.
    """

    source: Source
    classifier: Signature | None
    tested: Embeddings = field(repr=False)
    row: dict[str, object] = field(repr=False)
    scored: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def selected(self) -> np.ndarray:
        """Which dimensions its classifier keeps, bool [p]; where there is a classifier."""
        assert self.classifier is not None, "sources without a classifier are not compared"
        return self.classifier.selected


def fit_sources(
    sources: Sequence[Source], *, replicates: int = 2000, progress: Progress = silent
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
    return [_fit(source, replicates) for source in counted(sources, progress)]


def groups_of(fitted: Sequence[SourceSignature]) -> list[list[SourceSignature]]:
    """Return the signatures that may be compared: those of one method, config, patient fold and seed."""
    groups: dict[tuple, list[SourceSignature]] = {}
    for each in fitted:
        if each.classifier is not None:
            groups.setdefault((each.source.label, each.source.patient_fold, each.source.seed), []).append(each)
    return list(groups.values())


def counted(items: Sequence[Any], progress: Progress) -> Iterator[Any]:
    """Yield the items, and tell the number done and of all before each and after the last."""
    for done, item in enumerate(items):
        progress(done, len(items))
        yield item
    progress(len(items), len(items))


def _scored(source: Source, test: Embeddings, probability: np.ndarray) -> pd.DataFrame | None:
    if test.row is None:
        return None
    columns: dict[str, Any] = {name: value for name, value in source.columns.items() if name != "label"}
    truth = {"row": test.row, "case": test.case.astype(str), "malignant": test.label.astype("int8")}
    return pd.DataFrame({**columns, **truth, "probability": probability})


def _fit(source: Source, replicates: int) -> SourceSignature:
    embeddings = source.read()
    train, test = embeddings.of("train"), embeddings.of("test")
    tested = embeddings.of("test", "in_domain_test")
    row: dict[str, object] = {**source.columns, "p": embeddings.dimensions, "training_images": len(train), "k": pd.NA}
    row |= dict.fromkeys(("share", "penalty", "C", "duality_gap"), float("nan"))
    try:
        if not len(train):
            raise DataError("Expected training rows", "found none", "Give rows whose split is train")
        names = (source.data, source.holdout, source.patient_fold)
        fitted = fit_signature(train.embedding, train.label, train.case, names=names)
    except DataError as error:
        nothing, _ = _scores(np.empty(0), np.empty(0), np.empty(0), 1)
        words = f"no signature: {error.expected[0].lower()}{error.expected[1:]}, {error.found}"
        return SourceSignature(source, None, tested, row | nothing | Reason(reasons.NO_SIGNATURE, words).columns())
    row |= {"k": fitted.size, "share": fitted.share, "penalty": fitted.penalty}
    row |= {"C": 1 / (fitted.rows * fitted.penalty), "duality_gap": fitted.gap}
    probability = fitted.predict(test.embedding) if len(test) else test.label
    scores, absent = _scores(test.label, test.case, probability, replicates, source.data)
    row |= scores | joined([*fitted.remarks, *absent]).columns()
    return SourceSignature(source, fitted, tested, row, _scored(source, test, probability))
