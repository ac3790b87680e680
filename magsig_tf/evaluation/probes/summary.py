"""The table of a probe study: every probe of every set of rows, with intervals over cases, and what to know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from magsig_tf.data.identity import magnification_order
from magsig_tf.errors import NotDefinedError, in_words
from magsig_tf.evaluation import probes
from magsig_tf.evaluation.cells.values import known_mean
from magsig_tf.evaluation.probes.case_and_factors import require_varying
from magsig_tf.evaluation.probes.rows import APART, CONFOUNDED, NO_SOURCES, SCOPES, SOURCES, ProbedRows
from magsig_tf.evaluation.summary.notes import names_of
from magsig_tf.parallel_work import available_cores, map_in_order
from magsig_tf.reasons import FEW_CASES, NOTHING, UNEXPECTED, Reason, joined
from magsig_tf.statistics.cases import FEWEST_CASES, MANY_CASES, case_multiplicities
from magsig_tf.statistics.intervals import SHARE, UNBOUNDED, Bootstrapped, Interval, interval

CHANCE_OF_R2 = 0.0
LEVEL = 0.95
KIND = "percentile"
SHARES = ("balanced_accuracy", "top1")
"""Scores that are shares of answers."""
MAGNIFICATION, CASE = "magnification", "case"
SCORES: dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]] = {
    **dict.fromkeys(probes.KINDS, probes.MagnificationAnswers.scores),
    "identity": probes.IdentityAnswers.scores,
    "ridge": probes.FactorAnswers.scores,
}
"""How the sums of each probe become scores of every replicate."""


@dataclass(frozen=True)
class Answer:
    """One probe of one set of rows.

    Args:
        question: Subject, probe (a key of `SCORES`), target ("magnification", "case" or the name of a factor), scope,
            and control ("shuffled" where the targets were shuffled first, else "none").
        embedding: Holdout and seed of the rows.
        images: Number of rows.
        cases: Name of each scored case, shape (cases,).
        sums: Their sums, shape (cases, columns); None where the probe is not defined.
        reason: Why it is not defined, else empty.
        note: What a reader must know of it, else empty.
    """

    question: tuple[str, str, str, str, str]
    embedding: tuple[str, int]
    images: int
    cases: np.ndarray = field(repr=False)
    sums: np.ndarray | None = field(repr=False)
    reason: Reason = NOTHING
    note: Reason = NOTHING


def answer_all(work: tuple[ProbedRows, tuple[str, ...]]) -> list[Answer]:
    """Run every probe on the rows of both scopes.

    Args:
        work: The rows, and the magnifications of the whole study in the order of the sums' columns.
    """
    everything, names = work
    # the matrices are small: more threads fight over the cores, and on a busy machine cost ten times the time
    with threadpool_limits(1):
        return [answer for scope in SCOPES for answer in _answers(everything.within(scope), scope, names)]


def _answers(rows: ProbedRows, scope: str, names: tuple[str, ...]) -> Iterator[Answer]:
    asked = [(kind, MAGNIFICATION, shuffled) for kind in probes.KINDS for shuffled in (False, True)]
    asked += [("identity", CASE, False), *(("ridge", name, False) for name in rows.factors)]
    factors = cache(partial(probes.factor_probe, rows.embedding, rows.factors, rows.case, rows.label))
    zoomed = rows.zoomed is not None and rows.zoomed.any()
    cases = np.unique(rows.case)
    for probe, target, shuffled in asked:
        question = (rows.subject, probe, target, scope, "shuffled" if shuffled else "none")
        about = (question, (rows.holdout, rows.seed), len(rows.case), cases)
        note = {"identity": APART, "ridge": NOTHING}.get(probe, CONFOUNDED) if zoomed else NOTHING
        if scope == SOURCES and not rows.sources:
            yield Answer(*about, None, NO_SOURCES, note)
            continue
        try:
            if probe == "identity":
                searches = probes.identity_probe(rows.embedding, rows.magnification, rows.case, rows.picture)
                case, values = searches.case, searches.values
            elif probe == "ridge":
                factor = require_varying(factors(), target)
                case, values = factor.case, factor.values
            else:
                targets = rows.magnification
                if shuffled:
                    targets = probes.shuffled_magnifications(targets, rows.case, rows.holdout, rows.seed)
                found = probes.magnification_probe(rows.embedding, targets, rows.case, rows.label, probe)
                case, values = found.case, found.values(names)
        except NotDefinedError as error:
            yield Answer(*about, None, error.reason, note)
            continue
        except Exception as error:  # a fault in one probe costs its own rows, not those of all others
            yield Answer(*about, None, Reason(UNEXPECTED, in_words(error).rstrip(".")), note)
            continue
        sums = np.zeros((len(cases), values.shape[1]))
        np.add.at(sums, np.searchsorted(cases, case), values)
        yield Answer(*about, sums, NOTHING, note)


def summarise_probes(
    rows: Iterable[ProbedRows],
    magnifications: Iterable[str],
    *,
    total: int,
    replicates: int = 2000,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Probe every set of rows and put the answers together.

    The patient folds of one holdout and seed are joined, since each case is tested in one of them; holdouts and seeds
    are then averaged, since they are different embeddings.

    Args:
        rows: What to probe, at least one set; drawn as they are needed, so that few are in memory.
        magnifications: Every magnification that any row has.
        total: Number of sets of rows.
        replicates: Bootstrap replicates over cases.
        workers: Processes; None takes one a core.
        progress: Told the sets of rows done, and their number.

    Returns:
        A tidy frame, one row for each subject, probe, target, scope, control and metric. `value` is NaN where it is not
        defined, and then `reason` says why; `reason_code` is its code, one of `magsig_tf.reasons`.
    """
    names = tuple(magnification_order(magnifications))
    labels: dict[str, int] = {}
    kinds: dict[str, str] = {}

    def drawn() -> Iterator[tuple[ProbedRows, tuple[str, ...]]]:
        for each in rows:
            labels.update(zip(each.case.tolist(), each.label.tolist(), strict=True))
            kinds[each.subject] = each.kind
            yield each, names

    answers: list[Answer] = []
    workers = min(available_cores(), total) if workers is None else workers
    for done, found in enumerate(map_in_order(answer_all, drawn(), workers), start=1):
        answers += found
        progress(done, total)
    cases = np.array(sorted(labels))
    strata = np.array([labels[name] for name in cases])
    multiplicities = case_multiplicities(strata, replicates, "probes")
    by_question: dict[tuple, list[Answer]] = {}
    for answer in answers:
        by_question.setdefault(answer.question, []).append(answer)
    table = [record for found in by_question.values() for record in _records(found, cases, strata, multiplicities)]
    frame = pd.DataFrame(table)
    frame.insert(1, "kind", frame["subject"].map(kinds))
    return frame


def _records(
    answers: list[Answer], cases: np.ndarray, strata: np.ndarray, multiplicities: np.ndarray
) -> Iterator[dict[str, object]]:
    defined = [answer for answer in answers if answer.sums is not None]
    reasons = Counter(answer.reason for answer in answers if answer.reason)
    about = dict(zip(("subject", "probe", "target", "rows", "control"), answers[0].question, strict=True))
    partial = joined(Reason(each.code, f"{each} ({count} of {len(answers)})") for each, count in reasons.items())
    note = joined(answer.note for answer in answers)
    common: dict[str, object] = {"embeddings": len(defined), "images": sum(answer.images for answer in defined)}
    common |= {"replicates": len(multiplicities) - 1, "note": str(note), "note_code": note.code}
    if not defined:
        empty = dict.fromkeys(("value", "low", "high", "chance"), float("nan")) | {"interval": KIND}
        of_magnification = ["balanced_accuracy", "mutual_information"]
        metrics = {"identity": ["top1"], "ridge": ["r2"]}.get(str(about["probe"]), of_magnification)
        reason = partial if len(answers) > 1 else answers[0].reason
        yield from (about | {"metric": m} | empty | {"cases": 0} | common | reason.columns() for m in metrics)
        return
    scores, scored = _joined(defined, cases, multiplicities)
    chance = scores.pop("chance", np.array([CHANCE_OF_R2]))[0]
    few = np.unique(strata[scored], return_counts=True)[1].min() < FEWEST_CASES
    too_few = Reason(FEW_CASES, f"no interval: fewer than {FEWEST_CASES} cases in a class") if few else Reason()
    for metric, values in scores.items():
        known = Interval(float("nan"), float("nan"), KIND) if few else _interval(metric, values, int(scored.sum()))
        found = {"value": float(values[0]), "low": known.low, "high": known.high, "interval": known.kind}
        found["chance"] = 0.0 if metric == "mutual_information" else float(chance)
        why = joined((partial, too_few, known.reason)).columns()
        yield about | {"metric": metric} | found | {"cases": int(scored.sum())} | common | why


def _interval(metric: str, values: np.ndarray, cases: int) -> Interval:
    """Return the interval of one score; a share that is 1, or 0, of every case in every replicate has a bound."""
    # a bound on information lies on its floor of 0, where no other kind of interval serves
    share = metric in SHARES
    number = Bootstrapped(float(values[0]), values[1:], (), SHARE if share else UNBOUNDED, trials=(cases * share,) * 2)
    return interval(number, LEVEL, KIND)


def _joined(
    answers: list[Answer], cases: np.ndarray, multiplicities: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the scores of every replicate, each of shape (R,), and which cases were scored."""
    embeddings: dict[tuple, np.ndarray] = {}
    for answer in answers:
        assert answer.sums is not None, "the answer is defined"
        sums = embeddings.setdefault(answer.embedding, np.zeros((len(cases), answer.sums.shape[1])))
        sums[np.searchsorted(cases, answer.cases)] += answer.sums
    scored = np.any([sums[:, 0] > 0 for sums in embeddings.values()], axis=0)
    each = [SCORES[answers[0].question[1]](multiplicities @ sums) for sums in embeddings.values()]
    # a replicate without the cases of one embedding averages over the others
    return {name: known_mean(np.stack([scores[name] for scores in each])) for name in each[0]}, scored


READS = {"linear": "linear probe", "neighbours": "k-NN probe", "identity": "same case", "ridge": "factor"}


def probe_notes(table: pd.DataFrame, absent_controls: Sequence[str] = ()) -> list[str]:
    """Return the notes that belong to the printed tables.

    Args:
        table: From `summarise_probes`.
        absent_controls: Controls that are not there, each with its reason.
    """
    rows = table[table["note_code"] == CONFOUNDED.code]
    scopes = " and ".join("source rows" if scope == SOURCES else "all rows" for scope in rows["rows"].unique())
    confounded = (
        f"{CONFOUNDED.capitalize()} ({scopes}): some are digital zooms, so the probe may distinguish zooms from "
        "photographs rather than magnifications. In the search for the same case no zoom is compared with its source."
    )
    cells: list[tuple[str, str]] = []
    for row in table[(table["reason"] != "") & (table["control"] == "none")].to_dict("records"):
        name = READS[row["probe"]] + (f" {row['target']}" if row["probe"] == "ridge" else "")
        cells.append((f"{row['subject']}, {row['rows']} rows, {name}", row["reason"]))
    absent = []
    for reason, names in names_of(cells).items():
        more = f" and {len(names) - 1} more cells" if len(names) > 1 else ""
        absent.append(f"{names[0]}{more}: {reason}.")
    few = table[table["low"].notna() & (table["cases"] < MANY_CASES)]["cases"]
    too_narrow = f"Only {few.min()} cases: intervals are likely too narrow (below {MANY_CASES} cases)."
    return [
        *([] if rows.empty else [confounded]),
        *absent,
        *([] if few.empty else [too_narrow]),
        *(f"Control {text}." for text in absent_controls),
    ]
