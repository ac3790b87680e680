"""How stable the signature of one run is over bootstraps of its training cases, lambda fixed at the run's choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from magsig_tf.errors import DataError
from magsig_tf.reasons import NO_BOUND, NO_SIGNATURE, Reason, joined
from magsig_tf.signatures.nogueira import Stability, nogueira_stability, same_stability_p_value
from magsig_tf.signatures.permuted_control import permuted
from magsig_tf.signatures.rows import SelectAt, SourceSignature
from magsig_tf.signatures.stability import PAIRS, THRESHOLD, bound_false_selections, select_on
from magsig_tf.statistics.cases import bootstrap_rows, complementary_halves

WITHOUT_SIGNATURE = Reason(NO_SIGNATURE, "not computable: no signature")


@dataclass(frozen=True)
class WithinFold:
    """What drawing the cases again says of some runs; docs/signatures.md lists the columns.

    Args:
        stability: One row per run.
        frequencies: One row per run and dimension.
        tests: One row per pair of methods at the same holdout, patient fold and seed.
    """

    stability: pd.DataFrame = field(repr=False)
    frequencies: pd.DataFrame = field(repr=False)
    tests: pd.DataFrame = field(repr=False)


def measure_within_fold(
    fitted: Sequence[SourceSignature],
    bootstraps: int,
    *,
    pairs: int = PAIRS,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> WithinFold:
    """Select anew on bootstraps and on complementary half-samples of the training cases of every run.

    Args:
        fitted: The signatures; those without one keep a row that says so.
        bootstraps: Number B of bootstraps, 50 or more for frequencies worth reading.
        pairs: Number of pairs of complementary halves.
        processes: How many work at once.
        progress: Called with the number of selections done and of all.

    Raises:
        DataError: a file has gone or changed since the signature was fitted.
    """
    each_total = bootstraps + 2 * pairs
    rows, frequencies, stabilities = [], [], {}
    for number, each in enumerate(fitted):

        def report(done: int, _: int, before: int = number * each_total) -> None:
            progress(before + done, len(fitted) * each_total)

        row, table, stability = _run(each, bootstraps, pairs, processes, report)
        rows.append(each.source.columns | row)
        frequencies.append(table)
        stabilities[each.source.columns["label"], each.source.holdout, each.source.patient_fold, each.source.seed] = (
            stability
        )
    return WithinFold(
        pd.DataFrame(rows).astype({"stable": "Int64"}), pd.concat(frequencies, ignore_index=True), _tests(stabilities)
    )


def _run(
    each: SourceSignature, bootstraps: int, pairs: int, processes: int, report: Callable[[int, int], None]
) -> tuple[dict[str, object], pd.DataFrame, Stability]:
    if each.classifier is None:
        nothing = Stability(float("nan"), float("nan"), 0, float("nan"), WITHOUT_SIGNATURE)
        return _columns(nothing, None) | _no_bound(WITHOUT_SIGNATURE), pd.DataFrame(), nothing
    train = each.source.read().of("train")
    data, select = (train.embedding, train.label, train.case), SelectAt(each.classifier.penalty)
    # the test of two methods takes their draws as independent, so each run has its own
    names = (each.source.data, each.source.name)
    samples = list(bootstrap_rows(train.label, train.case, bootstraps, *names))
    try:
        halves = [half for pair in complementary_halves(train.label, train.case, pairs, *names) for half in pair]
    except DataError as error:
        words = f"no bound: {error.expected[0].lower()}{error.expected[1:]}, {error.found}"
        halves, reason = [], Reason(NO_BOUND, words)
    # bootstraps and halves in one go: starting the processes takes longer than many selections
    selected = select_on(select, data, [*samples, *halves], processes, report)
    drawn, halved = selected[:bootstraps], selected[bootstraps:].reshape(-1, 2, train.dimensions)
    stability = nogueira_stability(drawn)
    control = nogueira_stability(permuted(drawn, *names))
    frequencies: dict[str, object] = {"dimension": np.arange(train.dimensions), "selected": each.selected}
    frequencies["bootstrap_frequency"] = drawn.mean(0)
    if len(halved):
        false = bound_false_selections(halved)
        frequencies["half_sample_frequency"] = halved.mean((0, 1))
        bound = {
            "half_sample_size": false.mean_size,
            "threshold": false.threshold,
            "stable": false.stable,
            "false_bound": false.bound,
            "false_bound_unimodal": false.unimodal_bound,
            **false.reason.columns("bound_"),
        }
    else:
        frequencies["half_sample_frequency"] = np.nan
        bound = _no_bound(reason)
    return _columns(stability, control) | bound, pd.DataFrame(each.source.columns | frequencies), stability


def _columns(stability: Stability, control: Stability | None) -> dict[str, object]:
    low, high = stability.interval()
    return {
        "bootstraps": stability.sets,
        "mean_size": stability.mean_size,
        "nogueira": stability.index,
        "nogueira_low": low,
        "nogueira_high": high,
        "control_nogueira": control.index if control else float("nan"),
        **stability.reason.columns(),
    }


def _no_bound(reason: Reason) -> dict[str, object]:
    nan = float("nan")
    return {
        "half_sample_size": nan,
        "threshold": THRESHOLD,
        "stable": pd.NA,
        "false_bound": nan,
        "false_bound_unimodal": nan,
        **reason.columns("bound_"),
    }


def _tests(stabilities: dict[tuple, Stability]) -> pd.DataFrame:
    """Test methods against each other where holdout, patient fold and seed are the same."""
    names = ["holdout", "patient_fold", "seed", "first", "second", "difference", "p_value"]
    rows = []
    for (first, *where), (second, *there) in combinations(stabilities, 2):
        if where != there:
            continue
        one, other = stabilities[first, *where], stabilities[second, *there]
        sides = ((first, one.reason), (second, other.reason))
        reason = joined(Reason(each.code, f"{label}: {each}") for label, each in sides if each)
        values = (one.index - other.index, same_stability_p_value(one, other))
        rows.append(dict(zip(names, (*where, first, second, *values), strict=True)) | reason.columns())
    return pd.DataFrame(rows, columns=[*names, *Reason().columns()])
