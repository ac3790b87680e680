"""Training cases drawn again for all runs at once: what sizes and overlaps would be with other cases.

The bootstraps within a fold draw for each run anew. Whether a difference of sizes or overlaps comes from the cases can
only be told by draws that all runs share, as they share their cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.signatures.overlap import measure_overlap
from magsig_tf.signatures.sources import STRANGER, UNTRAINED, SourceSignature, groups_of
from magsig_tf.statistics.cases import case_multiplicities


class CommonDraws:
    """The draws of all training cases of some runs, and what was selected in each.

    Args:
        fitted: The signatures. Those of encoders that were never trained are left out, since no claim is about them,
            and files of another model, since each may speak of cases of its own.
        draws: Number B of draws.

    Raises:
        DataError: a file has gone or changed since the signature was fitted.
    """

    def __init__(self, fitted: Sequence[SourceSignature], draws: int):
        self.fitted = [
            each for each in fitted if each.classifier is not None and each.source.method not in (STRANGER, UNTRAINED)
        ]
        self._draws = draws
        self._selected: dict[int, np.ndarray] = {}
        self._cases: dict[str, tuple[np.ndarray, np.ndarray, tuple[int, int]]] = {}
        seen: dict[str, list[pd.DataFrame]] = {}
        for each in self.fitted:
            train = each.source.read().of("train")
            frame = pd.DataFrame({"case": train.case, "label": train.label})
            seen.setdefault(each.source.data, []).append(frame.drop_duplicates())
        for data, frames in seen.items():
            label = pd.concat(frames).groupby("case")["label"].agg(["min", "max"])
            benign, malignant = label["min"].to_numpy() == 0, label["max"].to_numpy() == 1
            # a case with both labels is a stratum of its own, as in the summary
            strata = np.where(benign & malignant, 2, malignant)
            drawn = case_multiplicities(strata, draws, data, purpose="common training cases")[1:]
            self._cases[data] = (
                label.index.to_numpy(str),
                drawn.astype(np.int64),
                (int(benign.sum()), int(malignant.sum())),
            )

    def samples(self, each: SourceSignature, train: Embeddings) -> list[np.ndarray]:
        """Return the rows of every draw of a run's training rows, a row as often as its case was drawn.

        Args:
            each: The signature; one that was left out has none.
            train: Its training rows.
        """
        if not any(each is one for one in self.fitted):
            return []
        cases, drawn, _ = self._cases[each.source.data]
        times = drawn[:, np.searchsorted(cases, train.case)]
        every = np.arange(len(train))
        # without both classes nothing can be selected: all rows take the place of the draw, which is then left out
        return [np.repeat(every, one) if _both(train.label, one) else every for one in times]

    def keep(self, each: SourceSignature, train: Embeddings, selected: np.ndarray) -> None:
        """Keep what a run selects in every draw.

        Args:
            each: The signature.
            train: Its training rows.
            selected: Booleans of shape (B, p), in the order of `samples`.
        """
        cases, drawn, _ = self._cases[each.source.data]
        times = drawn[:, np.searchsorted(cases, train.case)]
        known = np.array([_both(train.label, one) for one in times])
        self._selected[id(each)] = np.where(known[:, None], selected, -1).astype(np.int8)

    def sizes(self) -> pd.DataFrame:
        """Return one row per run and draw: k, NaN where the draw lacks a class."""
        names = ("method", "config", "holdout", "patient_fold", "seed")
        rows = []
        for each in self.fitted:
            selected = self._selected[id(each)]
            k = np.where(selected[:, :1].ravel() < 0, nan, selected.sum(1))
            base: dict[str, Any] = {name: each.source.columns[name] for name in names}
            rows.append(pd.DataFrame(base | {"draw": np.arange(self._draws), "k": k} | self._counts(each)))
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()

    def overlaps(self) -> pd.DataFrame:
        """Return one row per pair of holdouts, as `compare_pairs` pairs them, and draw: the Jaccard index."""
        rows = list(self._overlaps())
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()

    def _overlaps(self) -> Iterator[pd.DataFrame]:
        for group in groups_of(self.fitted):
            for one, other in combinations(group, 2):
                first, second = self._selected[id(one)], self._selected[id(other)]
                if first.shape != second.shape:
                    continue
                jaccard = [
                    nan if min(a[0], b[0]) < 0 else measure_overlap(a, b).jaccard
                    for a, b in zip(first, second, strict=True)
                ]
                base = {name: one.source.columns[name] for name in ("method", "config", "patient_fold", "seed")}
                base |= {"first": one.source.holdout, "second": other.source.holdout}
                yield pd.DataFrame(base | {"draw": np.arange(self._draws), "jaccard": jaccard} | self._counts(one))

    def _counts(self, each: SourceSignature) -> dict[str, int]:
        benign, malignant = self._cases[each.source.data][2]
        return {"cases_benign": benign, "cases_malignant": malignant}


def _both(label: np.ndarray, times: np.ndarray) -> bool:
    return bool(times[label == 0].any() and times[label == 1].any())
