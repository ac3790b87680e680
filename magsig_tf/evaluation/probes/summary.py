"""The table of a probe study: one number each for subject, probe, scope and control, with intervals over cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np
import pandas as pd

from magsig_tf.data.prepared import magnification_order
from magsig_tf.evaluation.probes.answers import SCORES, Answer, answer_all
from magsig_tf.evaluation.probes.rows import ProbedRows
from magsig_tf.parallel_work import available_cores, map_in_order
from magsig_tf.reasons import FEW_CASES, Reason, joined
from magsig_tf.statistics.bootstrap import FEWEST_CASES, case_multiplicities
from magsig_tf.statistics.classification import ratio
from magsig_tf.statistics.intervals import percentile_interval

CHANCE_OF_R2 = 0.0
LEVEL = 0.95


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
    order = list(dict.fromkeys(map(_row_of, answers)))
    answers.sort(key=lambda answer: order.index(_row_of(answer)))
    table = [
        record
        for _, members in groupby(answers, _row_of)
        for record in _records(list(members), cases, strata, multiplicities)
    ]
    frame = pd.DataFrame(table)
    frame.insert(1, "kind", frame["subject"].map(kinds))
    return frame


def _row_of(answer: Answer) -> tuple:
    return answer.subject, answer.probe, answer.target, answer.scope, answer.shuffled


def _records(
    answers: list[Answer], cases: np.ndarray, strata: np.ndarray, multiplicities: np.ndarray
) -> Iterator[dict[str, object]]:
    first, defined = answers[0], [answer for answer in answers if answer.sums is not None]
    reasons = Counter(answer.reason for answer in answers if answer.reason)
    about = {
        "subject": first.subject,
        "probe": first.probe,
        "target": first.target,
        "rows": first.scope,
        "control": "shuffled" if first.shuffled else "none",
    }
    partial = joined(Reason(each.code, f"{each} ({count} of {len(answers)})") for each, count in reasons.items())
    note = joined(answer.note for answer in answers)
    common = {
        "embeddings": len(defined),
        "images": sum(answer.images for answer in defined),
        "replicates": len(multiplicities) - 1,
        "note": str(note),
        "note_code": note.code,
    }
    if not defined:
        empty = dict.fromkeys(("value", "low", "high", "chance"), float("nan"))
        metrics = _metrics_of(first.probe)
        reason = partial if len(answers) > 1 else first.reason
        yield from (about | {"metric": m} | empty | {"cases": 0} | common | reason.columns() for m in metrics)
        return
    scores, scored = _joined(defined, cases, multiplicities)
    chance = scores.pop("chance", np.array([CHANCE_OF_R2]))[0]
    few = min(np.bincount(np.unique(strata[scored], return_inverse=True)[1])) < FEWEST_CASES
    too_few = Reason(FEW_CASES, f"no interval: fewer than {FEWEST_CASES} cases in a class") if few else Reason()
    for metric, values in scores.items():
        low, high = (float("nan"),) * 2 if few else _interval(values)
        found = {"value": float(values[0]), "low": low, "high": high}
        found["chance"] = 0.0 if metric == "mutual_information" else float(chance)
        why = joined((partial, too_few)).columns()
        yield about | {"metric": metric} | found | {"cases": int(scored.sum())} | common | why


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval: a bound on information lies on its floor of 0, where no other kind serves."""
    known = np.isfinite(values[1:]).any()
    return percentile_interval(values[1:], values[0], LEVEL) if known else (float("nan"),) * 2


def _joined(
    answers: list[Answer], cases: np.ndarray, multiplicities: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the scores of every replicate, each of shape (R,), and which cases were scored."""
    embeddings: dict[tuple, np.ndarray] = {}
    for answer in answers:
        assert answer.sums is not None, "the answer is defined"
        sums = embeddings.setdefault((answer.holdout, answer.seed), np.zeros((len(cases), answer.sums.shape[1])))
        sums[np.searchsorted(cases, answer.cases)] += answer.sums
    scored = np.any([sums[:, 0] > 0 for sums in embeddings.values()], axis=0)
    each = [SCORES[answers[0].probe](multiplicities @ sums) for sums in embeddings.values()]
    joined = {}
    for name in each[0]:
        values = np.stack([scores[name] for scores in each])
        known = np.isfinite(values)
        # a replicate without the cases of one embedding averages over the others
        joined[name] = ratio(np.where(known, values, 0.0).sum(0), known.sum(0))
    return joined, scored


def _metrics_of(probe: str) -> list[str]:
    return {"identity": ["top1"], "ridge": ["r2"]}.get(probe, ["balanced_accuracy", "mutual_information"])
