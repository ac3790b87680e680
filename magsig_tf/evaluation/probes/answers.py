"""Every probe of one set of rows, as sums per case that the bootstrap multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes.case_sums import (
    CaseSums,
    factor_scores,
    factor_values,
    identity_scores,
    identity_values,
    magnification_scores,
    magnification_values,
)
from magsig_tf.evaluation.probes.factors import factor_probe, require_varying
from magsig_tf.evaluation.probes.identity import identity_probe
from magsig_tf.evaluation.probes.magnification import KINDS, magnification_probe, shuffled_magnifications
from magsig_tf.evaluation.probes.probed_rows import SCOPES, SOURCES, ProbedRows

MAGNIFICATION, CASE = "magnification", "case"
CONFOUNDED = "origin confounded"
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
    reason: str = ""
    note: str = ""


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
        answers += _magnification(rows, scope, names, "no source magnification is known" if no_sources else "")
        answers.append(_identity(rows, scope, "no source magnification is known" if no_sources else ""))
        answers += _factors(rows, scope)
    return answers


def _magnification(rows: ProbedRows, scope: str, names: tuple[str, ...], reason: str) -> list[Answer]:
    note = CONFOUNDED if rows.zoomed is not None and rows.zoomed.any() else ""
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


def _identity(rows: ProbedRows, scope: str, reason: str) -> Answer:
    def sums() -> tuple[np.ndarray, np.ndarray]:
        found = identity_probe(rows.embedding, rows.magnification, rows.case, rows.picture)
        return found.case, identity_values(found)

    note = "zooms never meet their own source" if rows.zoomed is not None and rows.zoomed.any() else ""
    return _answer(rows, "identity", CASE, scope, False, sums, reason, note)


def _factors(rows: ProbedRows, scope: str) -> list[Answer]:
    if not rows.factors:
        return []
    found, reason = {}, ""
    try:
        found = factor_probe(rows.embedding, rows.factors, rows.case, rows.label)
    except NotDefinedError as error:
        reason = error.reason
    answers = []
    for name in rows.factors:

        def sums(name: str = name) -> tuple[np.ndarray, np.ndarray]:
            varying = require_varying(found, name)
            return varying.case, factor_values(varying)

        answers.append(_answer(rows, "ridge", name, scope, False, sums, reason, ""))
    return answers


def _answer(
    rows: ProbedRows,
    probe: str,
    target: str,
    scope: str,
    shuffled: bool,
    sums: Callable[[], tuple[np.ndarray, np.ndarray]],
    reason: str,
    note: str,
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
    return Answer(*about, summed.sums, "", note)
