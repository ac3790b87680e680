"""What `magsig signatures` calculates, as tidy frames: runs, pairs of holdouts, methods, stability within a fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import combinations
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf import reasons
from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.parallel_work import available_cores
from magsig_tf.reasons import Reason, joined, of_rows
from magsig_tf.runs.result_files import write_frame
from magsig_tf.signatures.alignment import debiased_cka, linear_cka, match_dimensions, matched_correlations
from magsig_tf.signatures.overlap import fewest_shared, measure_overlap, permuted_overlap
from magsig_tf.signatures.sources import Progress, Source, SourceSignature, counted, fit_sources, groups_of, silent
from magsig_tf.signatures.stability import nogueira_stability, permuted_stability
from magsig_tf.signatures.within_fold import WithinFold, measure_within_fold

ProgressOf = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class SignatureStudy:
    """The tables of a study of signatures; docs/signatures.md lists their columns.

    Args:
        name: Of the data set, or of the files of another model.
        runs: One row per run.
        pairs: One row per pair of holdouts; None where holdouts were not compared.
        methods: Two rows a method: its signatures and the permuted control; None where holdouts were not compared.
        within: What drawing the cases again says; None where they were not.
        replicates: Bootstrap replicates behind the intervals of scores.
        predictions: One row per run and test image; None where there is none.
    """

    name: str
    runs: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame | None = field(repr=False)
    methods: pd.DataFrame | None = field(repr=False)
    within: WithinFold | None = field(repr=False)
    replicates: int = 2000
    predictions: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """One row a run."""
        return self.runs

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the tables by the names of their files."""
        frames = {"signatures": self.runs, "signature_pairs": self.pairs, "signature_methods": self.methods}
        frames["signature_predictions"] = self.predictions
        within = vars(self.within).values() if self.within is not None else ()
        names = ("signature_stability", "signature_tests", "selection_frequencies")
        frames |= zip((*names, "signature_draws", "signature_pair_draws"), within, strict=False)
        return {name: frame for name, frame in frames.items() if frame is not None and len(frame.columns)}


def study_signatures(
    name: str,
    sources: Sequence[Source],
    *,
    compare_folds: bool = False,
    bootstraps: int = 0,
    replicates: int = 2000,
    progress: ProgressOf = lambda description: nullcontext(silent),
) -> SignatureStudy:
    """Fit the signatures of some sources and calculate what was asked for.

    Args:
        name: Of the data set, or of the files of another model.
        sources: Whose signatures.
        compare_folds: Whether to compare holdouts.
        bootstraps: Bootstraps over cases for the stability within a fold; 0 leaves it out.
        replicates: Bootstrap replicates behind the intervals of scores.
        progress: Called with what is being done; gives a context of what takes the steps done and of all.

    Raises:
        DataError: a file is missing, damaged, or not as documented.
    """
    for source in sources:
        source.read()  # a file that is damaged stops the study before minutes of fitting, not after
    with progress("signatures") as report:
        fitted = fit_sources(sources, replicates=replicates, progress=report)
    pairs = methods = within = None
    if compare_folds:
        with progress("pairs of holdouts") as report:
            pairs = compare_pairs(fitted, report)
        methods = compare_methods(fitted, pairs)
    if bootstraps:
        with progress("bootstraps over training cases") as report:
            within = measure_within_fold(fitted, bootstraps, processes=available_cores(), progress=report)
    return SignatureStudy(name, signature_table(fitted), pairs, methods, within, replicates, prediction_table(fitted))


def write_study(study: SignatureStudy, results: Path, chosen: str = "") -> list[Path]:
    """Write every table as CSV and Parquet, each whole or not at all.

    Args:
        study: What to write.
        results: The results folder of the workspace; `<name>/<table>.csv` and `.parquet` are written below it.
        chosen: What tells the files of a part of the runs from those of all.

    Returns:
        The files written.
    """
    folder, ending = results / study.name, f"{chosen and '-'}{chosen}"
    return [path for name, frame in study.frames().items() for path in write_frame(frame, folder, name + ending)]


FEWEST_COMMON_IMAGES = 10
"""Below this many common images neither matching nor alignment is informative."""
OVERLAP = ("dimensions", "shared", "jaccard", "expected", "adjusted", "ceiling", "p_value")
PAIR = (
    *("first_size", "second_size", *OVERLAP, "reason", "reason_code"),
    *("control_jaccard", "control_adjusted", "control_p_value"),
    *("matched_jaccard", "matched_adjusted", "matched_p_value", "matched_correlation", "cka", "cka_debiased"),
    "common_images",
    *("matched_reason", "matched_reason_code"),
)
"""What a row says of a pair: its overlap, the permuted control, and the overlap after matching; NaN where undefined."""
NOTHING_TO_MATCH = Reason(reasons.PERMUTED, "a permutation changes neither CKA nor what a matching could add")
NOT_COMPARED = Reason(reasons.FEWER_THAN_TWO, "not computable: fewer than two holdouts with a signature")
CONSTANT = Reason(reasons.DOES_NOT_VARY, "an embedding does not vary")
ONE_IMAGE = Reason(reasons.DOES_NOT_VARY, "debiased CKA is not defined: an embedding varies in too few images")


def signature_table(fitted: Sequence[SourceSignature]) -> pd.DataFrame:
    """Return the rows as one frame; docs/signatures.md lists the columns."""
    return pd.DataFrame([each.row for each in fitted]).astype({"k": "Int64"})


def prediction_table(fitted: Sequence[SourceSignature]) -> pd.DataFrame | None:
    """Return what the sparse classifiers say of each test image as one frame; docs/signatures.md lists the columns.

    Claims of equivalence need it: a paired interval cannot be had from two intervals. None where there is nothing.
    """
    scored = [each.scored for each in fitted if each.scored is not None]
    return pd.concat(scored, ignore_index=True) if scored else None


def compare_pairs(fitted: Sequence[SourceSignature], progress: Progress = silent) -> pd.DataFrame:
    """Compare the holdouts of each method, config, patient fold and seed, pair by pair.

    Args:
        fitted: The signatures.
        progress: Called with the number of pairs done and of all.

    Returns:
        One row per pair; docs/signatures.md lists the columns. Empty where no group has two holdouts.
    """
    pairs = [pair for group in groups_of(fitted) for pair in combinations(group, 2)]
    return pd.DataFrame([_pair(first, second) for first, second in counted(pairs, progress)])


def compare_methods(fitted: Sequence[SourceSignature], pairs: pd.DataFrame) -> pd.DataFrame:
    """Return two rows per method and config: its signatures over the holdouts, and the mean of many permutations.

    Args:
        fitted: The signatures.
        pairs: What `compare_pairs` returned for them.

    Returns:
        Means over pairs, patient folds and seeds; docs/signatures.md lists the columns. Where a method has fewer than
        two holdouts the row says so.
    """
    rows = []
    for label in dict.fromkeys(each.source.label for each in fitted):
        mine = [each for each in fitted if each.source.label == label]
        base = {name: mine[0].source.columns[name] for name in ("method", "config", "label")}
        groups = [group for group in groups_of(mine) if len(group) > 1]
        of_label = pairs[pairs["label"] == label] if len(pairs) else pairs
        rows += [base | {"control": bool(own)} | _summary(of_label, groups, own) for own in ("", "control_")]
    return pd.DataFrame(rows)


def _pair(first: SourceSignature, second: SourceSignature) -> dict[str, object]:
    row: dict[str, Any] = {name: value for name, value in first.source.columns.items() if name != "holdout"}
    row |= {"first": first.source.holdout, "second": second.source.holdout} | dict.fromkeys(PAIR, nan)
    one, other = first.selected, second.selected
    row |= {"first_size": int(one.sum()), "second_size": int(other.sum())}
    unlike = Reason()
    if len(one) != len(other):
        words = f"no overlap: embeddings of different length, {len(one)} and {len(other)}"
        unlike = Reason(reasons.OTHER_LENGTH, words)
        row |= unlike.columns()
    else:
        overlap = measure_overlap(one, other)
        control = permuted_overlap(overlap, f"{_name(first)} {_name(second)}")
        row |= {name: getattr(overlap, name) for name in OVERLAP} | overlap.reason.columns()
        row |= {f"control_{name}": value for name, value in vars(control).items()}
    here, there, why_not = _common(first.tested, second.tested)
    row["common_images"] = len(here)
    if why_not:
        return row | joined([unlike, Reason(reasons.NOT_MATCHED, f"not matched: {why_not}")]).columns("matched_")
    row |= {"cka": linear_cka(here, there), "cka_debiased": debiased_cka(here, there)}
    if unlike:
        correlation, why = matched_correlations(here, there), unlike
    else:
        matching = match_dimensions(here, there)
        matched = measure_overlap(one, matching.moved(other))
        row |= {f"matched_{name}": getattr(matched, name) for name in ("jaccard", "adjusted", "p_value")}
        correlation, why = matching.correlation, matched.reason
    row["matched_correlation"] = float(np.median(correlation))
    if not why and np.isnan(row["cka_debiased"]):
        why = CONSTANT if np.isnan(row["cka"]) else ONE_IMAGE
    return row | why.columns("matched_")


def _common(first: Embeddings, second: Embeddings) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the embeddings of the test images that both have, in one order, and why there are none."""
    if first.row is None or second.row is None:
        return first.embedding[:0], second.embedding[:0], "the files have no image numbers (array row)"
    common = np.intersect1d(first.row, second.row)
    reason = "" if len(common) >= FEWEST_COMMON_IMAGES else f"{len(common)} common test images"
    return first.images(common).embedding, second.images(common).embedding, reason


def _summary(pairs: pd.DataFrame, groups: Sequence[Sequence[SourceSignature]], prefix: str) -> dict[str, object]:
    """Average the pairs and the stability of each group; `prefix` chooses the columns of the control."""
    own, matched = ("jaccard", "adjusted"), ("matched_jaccard", "matched_adjusted", "cka", "cka_debiased")
    means = ("jaccard", "expected", "adjusted", "ceiling", *matched)
    counted = {"groups": len(groups), "pairs": len(pairs)}
    if not len(pairs):
        nothing = dict.fromkeys((*means, "median_p_value", "nogueira", "mean_size", "fewest_shared"), nan)
        return counted | nothing | NOT_COMPARED.columns() | NOT_COMPARED.columns("matched_")
    # the control has its own overlap; sizes and so chance and ceiling are the same
    values = {name: float(pairs[prefix + name if name in own else name].mean()) for name in means}
    if prefix:
        values |= dict.fromkeys(matched, nan)
    groups = [group for group in groups if len({len(each.selected) for each in group}) == 1]
    sets = [np.stack([each.selected for each in group]) for group in groups]
    indices = [
        permuted_stability(each, _name(group[0])) if prefix else nogueira_stability(each)
        for each, group in zip(sets, groups, strict=True)
    ]
    absent = {stability.reason for stability in indices if stability.reason} | set(of_rows(pairs))
    numbers = {
        "median_p_value": float(pairs[f"{prefix}p_value"].median()),
        "nogueira": float(np.mean([each.index for each in indices if not each.reason] or [nan])),
        "mean_size": float(np.mean([size for each in sets for size in each.sum(1).tolist()] or [nan])),
        "fewest_shared": float(np.mean([fewest_shared(each.sum(1).tolist(), each.shape[1]) for each in sets] or [nan])),
    }
    matching = NOTHING_TO_MATCH if prefix else joined(sorted(of_rows(pairs, "matched_")))
    return counted | values | numbers | joined(sorted(absent)).columns() | matching.columns("matched_")


def _name(each: SourceSignature) -> str:
    return f"{each.source.data} {each.source.name}"
