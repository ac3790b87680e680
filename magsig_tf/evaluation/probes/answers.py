"""Every probe of one set of rows, as sums per case that the bootstrap multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes.factors import FactorAnswers, factor_probe, require_varying
from magsig_tf.evaluation.probes.identity import IdentityAnswers, identity_probe
from magsig_tf.evaluation.probes.magnification import (
    KINDS,
    MagnificationAnswers,
    magnification_probe,
    shuffled_magnifications,
)
from magsig_tf.evaluation.probes.rows import SCOPES, SOURCES, ProbedRows
from magsig_tf.reasons import NO_SOURCE_MAGNIFICATION, NOTHING, ORIGIN_CONFOUNDED, ZOOMS_APART, Reason
from magsig_tf.statistics.metrics import ratio


class CaseSums:
    """What is additive over the rows of a case, for one kind of answers; answers of several patient folds add up.

    Args:
        cases: Every case of the study, sorted, shape (cases,).
        columns: Number of sums.
    """

    def __init__(self, cases: np.ndarray, columns: int):
        self.cases, self.sums = cases, np.zeros((len(cases), columns))

    def add(self, case: np.ndarray, values: np.ndarray) -> None:
        """Add rows: names of their cases, shape (n,), and their values, shape (n, columns)."""
        np.add.at(self.sums, np.searchsorted(self.cases, case), values)

    @property
    def scored(self) -> np.ndarray:
        """Whether each case has a row, shape (cases,); column 0 counts rows."""
        return self.sums[:, 0] > 0

    def drawn(self, multiplicities: np.ndarray) -> np.ndarray:
        """Return the sums of each replicate, shape (R, columns)."""
        return multiplicities @ self.sums


def magnification_values(answers: MagnificationAnswers, names: list[str]) -> np.ndarray:
    """Return the additive values of each row: one, its loss, one-hot magnification, one-hot where it was right.

    Args:
        answers: Of a magnification probe.
        names: Every magnification of the study, in the order of the columns.
    """
    place = np.array([names.index(name) for name in answers.classes])
    one_hot = np.eye(len(names))[place[answers.target]]
    right = one_hot * (answers.target == answers.predicted)[:, None]
    return np.column_stack([np.ones(len(one_hot)), answers.loss, one_hot, right])


def magnification_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return balanced accuracy, the bound on the mutual information (nats) and chance, each of shape (R,).

    The bound is H(D) - CE (Barber and Agakov, NeurIPS 2003), floored at 0: H is the entropy of the magnifications of
    the scored rows, CE the mean cross-entropy of the probe.

    Args:
        drawn: Sums of the columns of `magnification_values`, shape (R, 2 + 2 * magnifications).
    """
    names = (drawn.shape[1] - 2) // 2
    count, loss, rows, right = drawn[:, 0], drawn[:, 1], drawn[:, 2 : 2 + names], drawn[:, 2 + names :]
    present = (rows > 0).sum(1)
    recall = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    share = ratio(rows, count[:, None])
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1)
    bound = np.maximum(entropy - ratio(loss, count), 0.0)
    # where one magnification was drawn alone, nothing can be told apart
    apart = present > 1
    return {
        "balanced_accuracy": np.where(apart, ratio(recall.sum(1), present), np.nan),
        "mutual_information": np.where(apart, bound, np.nan),
        "chance": ratio(np.ones(len(present)), present),
    }


def identity_values(answers: IdentityAnswers) -> np.ndarray:
    """Return the additive values of each search: one, whether it found its case, its chance."""
    return np.column_stack([np.ones(len(answers.found)), answers.found, answers.chance])


def identity_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share of searches that found their case, and chance, each of shape (R,)."""
    return {"top1": ratio(drawn[:, 1], drawn[:, 0]), "chance": ratio(drawn[:, 2], drawn[:, 0])}


def factor_values(answers: FactorAnswers) -> np.ndarray:
    """Return the additive values of each row: one, the factor, its square, the squared error of its prediction."""
    target, error = answers.target, answers.target - answers.predicted
    return np.column_stack([np.ones(len(target)), target, target**2, error**2])


def factor_scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return R2 = 1 - squared error / squared deviation from the mean of the scored rows, shape (R,)."""
    count, total, squares, error = drawn.T
    return {"r2": 1 - ratio(error, squares - ratio(total**2, count))}


MAGNIFICATION, CASE = "magnification", "case"
CONFOUNDED = Reason(ORIGIN_CONFOUNDED, "origin confounded")
APART = Reason(ZOOMS_APART, "zooms are never compared with their own source")
SCORES: dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]] = {
    **dict.fromkeys(KINDS, magnification_scores),
    "identity": identity_scores,
    "ridge": factor_scores,
}
"""How the sums of each probe become scores of every replicate."""


@dataclass(frozen=True)
class Answer:
    """One probe of one set of rows.

    Args:
        subject, holdout, seed: Those of the rows.
        probe: A key of `SCORES`.
        target: What the probe looks for: "magnification", "case" or the name of a factor.
        scope: "source" or "all".
        shuffled: Whether the targets were shuffled first (the control).
        images: Number of rows.
        cases: Name of each scored case, shape (cases,).
        sums: Their sums, shape (cases, columns); None where the probe is not defined.
        reason: Why it is not defined, else empty.
        note: What a reader must know of it, else empty.
    """

    subject: str
    holdout: str
    seed: int
    probe: str
    target: str
    scope: str
    shuffled: bool
    images: int
    cases: np.ndarray = field(repr=False)
    sums: np.ndarray | None = field(repr=False)
    reason: Reason = NOTHING
    note: Reason = NOTHING


NO_SOURCES = Reason(NO_SOURCE_MAGNIFICATION, "no source magnification is known")


def answer_all(work: tuple[ProbedRows, tuple[str, ...]]) -> list[Answer]:
    """Run every probe on the rows of both scopes.

    Args:
        work: The rows, and the magnifications of the whole study in the order of the sums' columns.
    """
    # the matrices are small: more threads fight over the cores, and on a busy machine cost ten times the time
    with threadpool_limits(1):
        return _answers(*work)


def _answers(everything: ProbedRows, names: tuple[str, ...]) -> list[Answer]:
    answers = []
    for scope in SCOPES:
        rows = everything.within(scope)
        no_sources = scope == SOURCES and not rows.sources
        absent = NO_SOURCES if no_sources else Reason()
        answers += _magnification(rows, scope, names, absent)
        answers.append(_identity(rows, scope, absent))
        answers += _factors(rows, scope)
    return answers


def _magnification(rows: ProbedRows, scope: str, names: tuple[str, ...], reason: Reason) -> list[Answer]:
    note = CONFOUNDED if rows.zoomed is not None and rows.zoomed.any() else NOTHING
    answers = []
    for kind in KINDS:
        for shuffled in (False, True):

            def sums(kind: str = kind, shuffled: bool = shuffled) -> tuple[np.ndarray, np.ndarray]:
                targets = rows.magnification
                if shuffled:
                    targets = shuffled_magnifications(targets, rows.case, rows.holdout, rows.seed)
                found = magnification_probe(rows.embedding, targets, rows.case, rows.label, kind)
                return found.case, magnification_values(found, list(names))

            answers.append(_answer(rows, kind, MAGNIFICATION, scope, shuffled, sums, reason, note))
    return answers


def _identity(rows: ProbedRows, scope: str, reason: Reason) -> Answer:
    def sums() -> tuple[np.ndarray, np.ndarray]:
        found = identity_probe(rows.embedding, rows.magnification, rows.case, rows.picture)
        return found.case, identity_values(found)

    note = APART if rows.zoomed is not None and rows.zoomed.any() else NOTHING
    return _answer(rows, "identity", CASE, scope, False, sums, reason, note)


def _factors(rows: ProbedRows, scope: str) -> list[Answer]:
    if not rows.factors:
        return []
    found, reason = {}, Reason()
    try:
        found = factor_probe(rows.embedding, rows.factors, rows.case, rows.label)
    except NotDefinedError as error:
        reason = error.reason
    answers = []
    for name in rows.factors:

        def sums(name: str = name) -> tuple[np.ndarray, np.ndarray]:
            varying = require_varying(found, name)
            return varying.case, factor_values(varying)

        answers.append(_answer(rows, "ridge", name, scope, False, sums, reason, NOTHING))
    return answers


def _answer(
    rows: ProbedRows,
    probe: str,
    target: str,
    scope: str,
    shuffled: bool,
    sums: Callable[[], tuple[np.ndarray, np.ndarray]],
    reason: Reason,
    note: Reason,
) -> Answer:
    cases = np.unique(rows.case)
    about = (rows.subject, rows.holdout, rows.seed, probe, target, scope, shuffled, len(rows.case), cases)
    try:
        if reason:
            return Answer(*about, None, reason, note)
        case, values = sums()
    except NotDefinedError as error:
        return Answer(*about, None, error.reason, note)
    summed = CaseSums(cases, values.shape[1])
    summed.add(case, values)
    return Answer(*about, summed.sums, Reason(), note)
