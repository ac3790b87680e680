"""Signatures of different holdouts, pair by pair: what they share beside what chance shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from magsig_tf import reasons
from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.reasons import Reason, joined, of_rows
from magsig_tf.signatures.alignment import linear_cka, match_dimensions
from magsig_tf.signatures.nogueira import nogueira_stability
from magsig_tf.signatures.overlap import Overlap, fewest_shared, measure_overlap
from magsig_tf.signatures.permuted_control import PermutedOverlap, permuted_overlap, permuted_stability
from magsig_tf.signatures.rows import SourceSignature

FEWEST_COMMON_IMAGES = 10
"""Below this many common images neither matching nor alignment is informative."""
NOTHING_TO_MATCH = Reason(reasons.PERMUTED, "a permutation changes neither CKA nor what a matching could add")
NOT_COMPARED = Reason(reasons.FEWER_THAN_TWO, "not computable: fewer than two holdouts with a signature")

CONSTANT = Reason(reasons.DOES_NOT_VARY, "an embedding does not vary")


def compare_pairs(
    fitted: Sequence[SourceSignature], progress: Callable[[int, int], None] = lambda done, total: None
) -> pd.DataFrame:
    """Compare the holdouts of each method, config, patient fold and seed, pair by pair.

    Args:
        fitted: The signatures.
        progress: Called with the number of pairs done and of all.

    Returns:
        One row per pair; docs/signatures.md lists the columns. Empty where no group has two holdouts.
    """
    pairs = [pair for group in _groups(fitted) for pair in combinations(group, 2)]
    rows = []
    for done, (first, second) in enumerate(pairs):
        progress(done, len(pairs))
        rows.append(_pair(first, second))
    progress(len(pairs), len(pairs))
    return pd.DataFrame(rows)


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
        groups = [group for group in _groups(mine) if len(group) > 1]
        of_label = pairs[pairs["label"] == label] if len(pairs) else pairs
        rows.append({**base, "control": False, **_summary(of_label, groups, "")})
        rows.append({**base, "control": True, **_summary(of_label, groups, "control_")})
    return pd.DataFrame(rows)


def _groups(fitted: Sequence[SourceSignature]) -> list[list[SourceSignature]]:
    """Return the signatures that may be compared: one method, config, patient fold and seed, and one length."""
    groups: dict[tuple, list[SourceSignature]] = {}
    for each in fitted:
        if each.classifier is not None:
            key = (each.source.label, each.source.patient_fold, each.source.seed)
            groups.setdefault(key, []).append(each)
    return list(groups.values())


def _pair(first: SourceSignature, second: SourceSignature) -> dict[str, object]:
    columns = first.source.columns
    del columns["holdout"]
    row = columns | {"first": first.source.holdout, "second": second.source.holdout}
    one, other = first.selected, second.selected
    if len(one) != len(other):
        words = f"not compared: embeddings of different length, {len(one)} and {len(other)}"
        nothing = Reason(reasons.OTHER_LENGTH, words)
        return row | _overlap_columns(None) | _control_columns(None) | _not_matched(0, nothing)
    overlap = measure_overlap(one, other)
    row |= _overlap_columns(overlap)
    row |= _control_columns(permuted_overlap(overlap, f"{_name(first)} {_name(second)}"))
    return row | _matched(one, other, *_common(first.tested, second.tested))


def _overlap_columns(overlap: Overlap | None) -> dict[str, object]:
    names = ("first", "second", "dimensions", "shared", "jaccard", "expected", "adjusted", "ceiling", "p_value")
    values = {name: getattr(overlap, name) if overlap else float("nan") for name in names}
    return (
        {"first_size": values.pop("first"), "second_size": values.pop("second")}
        | values
        | (overlap.reason if overlap else Reason(reasons.OTHER_LENGTH, "embeddings of different length")).columns()
    )


def _control_columns(control: PermutedOverlap | None) -> dict[str, object]:
    names = ("jaccard", "adjusted", "p_value")
    return {f"control_{name}": getattr(control, name) if control else float("nan") for name in names}


def _common(first: Embeddings, second: Embeddings) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the embeddings of the test images that both have, in one order, and why there are none."""
    if first.row is None or second.row is None:
        return first.embedding[:0], second.embedding[:0], "the files have no image numbers (array row)"
    common = np.intersect1d(first.row, second.row)
    reason = "" if len(common) >= FEWEST_COMMON_IMAGES else f"{len(common)} common test images"
    return first.images(common).embedding, second.images(common).embedding, reason


def _matched(one: np.ndarray, other: np.ndarray, first: np.ndarray, second: np.ndarray, reason: str) -> dict:
    if reason:
        return _not_matched(len(first), Reason(reasons.NOT_MATCHED, f"not matched: {reason}"))
    matching = match_dimensions(first, second)
    overlap = measure_overlap(one, matching.moved(other))
    alignment = linear_cka(first, second)
    return {
        "matched_jaccard": overlap.jaccard,
        "matched_adjusted": overlap.adjusted,
        "matched_p_value": overlap.p_value,
        "matched_correlation": float(np.median(matching.correlation)),
        "cka": alignment,
        "common_images": len(first),
        **(overlap.reason or (CONSTANT if np.isnan(alignment) else Reason())).columns("matched_"),
    }


def _not_matched(images: int, reason: Reason) -> dict[str, object]:
    names = ("matched_jaccard", "matched_adjusted", "matched_p_value", "matched_correlation", "cka")
    return dict.fromkeys(names, float("nan")) | {"common_images": images} | reason.columns("matched_")


def _summary(pairs: pd.DataFrame, groups: Sequence[Sequence[SourceSignature]], prefix: str) -> dict[str, object]:
    """Average the pairs and the stability of each group; `prefix` chooses the columns of the control."""
    means = ("jaccard", "expected", "adjusted", "ceiling", "matched_jaccard", "matched_adjusted", "cka")
    own = {"jaccard", "adjusted"}  # the control has its own; sizes and so chance and ceiling are the same
    counted = {"groups": len(groups), "pairs": len(pairs)}
    if not len(pairs):
        nothing = dict.fromkeys((*means, "median_p_value", "nogueira", "mean_size", "fewest_shared"), float("nan"))
        return counted | nothing | NOT_COMPARED.columns() | NOT_COMPARED.columns("matched_")
    values = {name: float(pairs[prefix + name if name in own else name].mean()) for name in means}
    if prefix:
        values |= dict.fromkeys(("matched_jaccard", "matched_adjusted", "cka"), float("nan"))
    groups = [group for group in groups if len({len(each.selected) for each in group}) == 1]
    sets = [[each.selected for each in group] for group in groups]
    indices = [
        permuted_stability(each, _name(group[0])) if prefix else nogueira_stability(each)
        for each, group in zip(sets, groups, strict=True)
    ]
    defined = [stability.index for stability in indices if not stability.reason]
    absent = {stability.reason for stability in indices if stability.reason} | set(of_rows(pairs))
    sizes = [[int(each.sum()) for each in group] for group in sets]
    return (
        counted
        | values
        | {
            "median_p_value": float(pairs[f"{prefix}p_value"].median()),
            "nogueira": float(np.mean(defined)) if defined else float("nan"),
            "mean_size": float(np.mean([size for group in sizes for size in group])) if sizes else float("nan"),
            "fewest_shared": float(np.mean([fewest_shared(s, len(g[0])) for s, g in zip(sizes, sets, strict=True)]))
            if sizes
            else float("nan"),
        }
        | joined(sorted(absent)).columns()
        | (NOTHING_TO_MATCH if prefix else joined(sorted(of_rows(pairs, "matched_")))).columns("matched_")
    )


def _name(each: SourceSignature) -> str:
    return f"{each.source.data} {each.source.name}"
