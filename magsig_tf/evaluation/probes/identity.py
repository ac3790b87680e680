"""The case-identity probe: does the embedding at one magnification find the same case at another?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magsig_tf.errors import NotDefinedError
from magsig_tf.linear_models.probe_classifiers import standardised
from magsig_tf.reasons import NO_CASE_TWICE, ONE_CASE, ONE_MAGNIFICATION


@dataclass(frozen=True)
class IdentityAnswers:
    """One search each: a query row in the gallery of one other magnification; arrays have shape (searches,).

    Args:
        case: Name of the query's case.
        found: 1 where the most similar gallery row is of the same case, else 0.
        chance: Share of the gallery rows that are of the same case.
        left_out: Searches without an answer to find: no row of the same case in the gallery.
    """

    case: np.ndarray
    found: np.ndarray
    chance: np.ndarray
    left_out: int


def identity_probe(
    embedding: np.ndarray, magnification: np.ndarray, case: np.ndarray, picture: np.ndarray | None = None
) -> IdentityAnswers:
    """Let every row look for its case among the rows of each other magnification.

    Each dimension is standardised within each magnification, which takes a shift between magnifications away; the
    nearest row is the one with the highest cosine.

    Args:
        embedding: Frozen features, shape (n, p).
        magnification: Name of each row's magnification, shape (n,).
        case: Name of each row's case, shape (n,).
        picture: What each row was made from, shape (n,): a digital zoom and its source share a name and never meet.
            None where every row is a picture of its own.

    Raises:
        NotDefinedError: one magnification only, or fewer than two cases.
    """
    names = np.unique(magnification)
    if len(names) < 2:
        found = "found one magnification"
        raise NotDefinedError("Expected two magnifications or more", found, "Probe more of them", ONE_MAGNIFICATION)
    if len(np.unique(case)) < 2:
        raise NotDefinedError("Expected two cases or more", "found one case", "Probe more of them", ONE_CASE)
    rows_at = {name: np.flatnonzero(magnification == name) for name in names}
    directions = {name: _directions(embedding[rows]) for name, rows in rows_at.items()}
    hits, chances, queried = [], [], []
    for queries in names:
        for gallery in names:
            if queries == gallery:
                continue
            rows, others = rows_at[queries], rows_at[gallery]
            allowed = np.ones((len(rows), len(others)), bool)
            if picture is not None:
                allowed = picture[rows][:, None] != picture[others][None, :]
            same = (case[rows][:, None] == case[others][None, :]) & allowed
            similarity = np.where(allowed, directions[queries] @ directions[gallery].T, -np.inf)
            hit = same[np.arange(len(rows)), similarity.argmax(1)]
            hits.append(hit.astype(float))
            chances.append(same.sum(1) / np.maximum(allowed.sum(1), 1))
            queried.append(case[rows])
    right, chance, cases = np.concatenate(hits), np.concatenate(chances), np.concatenate(queried)
    kept = chance > 0
    if not kept.any():
        raise NotDefinedError(
            "Expected cases with images at several magnifications",
            "found no case at two magnifications",
            "Add some",
            NO_CASE_TWICE,
        )
    return IdentityAnswers(cases[kept], right[kept], chance[kept], int((~kept).sum()))


def _directions(features: np.ndarray) -> np.ndarray:
    centred, _ = standardised(features, features)
    lengths = np.sqrt((centred**2).sum(1, keepdims=True))
    return centred / np.where(lengths > 0, lengths, 1.0)
