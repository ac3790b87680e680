"""Erasure: the magnification is taken out of embeddings by one affine map, then as linear.

Source: Belrose et al. 2023, LEACE: perfect linear concept erasure in closed form, arXiv 2306.03819.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from magsig_tf.linear_models.erasure import LEDOIT_WOLF, Eraser, Shrinkage, measure_covariances
from magsig_tf.linear_models.erasure_certificate import certify
from magsig_tf.linear_models.probe_classifiers import linear_probabilities
from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.methods.exact import ExactMethod, ExactModel, Rows
from magsig_tf.methods.linear import LinearOptions, best_head
from magsig_tf.parallel_work import available_cores, map_in_threads

_PROBE_PENALTY = 0.01


class ErasureOptions(LinearOptions):
    """Config keys of erasure."""

    erase: Literal["by class", "plain"] = Field(
        "by class",
        description="erasure: by class: what tells magnifications apart within a class, so that classes of different "
        "shares do not take the label along; plain: LEACE as published, without a look at the label",
    )


class Erasure(ExactMethod[ErasureOptions]):
    """LEACE on standardised embeddings, then `linear`; the map is the same for all rows, whatever their magnification.

    On the training rows no linear classifier can read the magnification afterwards, whatever the shrinkage of the
    covariance; what holds for new cases is measured on validation and said. Shrinkage and strength of the penalty are
    chosen together, by source validation.
    """

    Options = ErasureOptions

    @classmethod
    def fewest_magnifications(cls, options: ErasureOptions) -> int:
        """Return two: with one there is nothing to erase."""
        return 2

    @threadpool_limits.wrap(limits=1)  # one limit around all threads: the first to leave its own would lift it for all
    def fit(self, train: Rows, validation: Rows) -> ExactModel:
        """Return the eraser and head that source validation prefers."""
        by_class = self.options.erase == "by class"
        scaling = fit_scaling(train.embeddings)
        plain, judged = scaling.apply(train.embeddings), scaling.apply(validation.embeddings)
        labels = train.labels if by_class else None
        covariances = measure_covariances(plain, train.magnifications, labels=labels, by_class=by_class)
        # with more dimensions than rows the plain covariance would be fitted to each row
        strengths: tuple[Shrinkage, ...] = (0.0 if covariances.wide_enough else 0.1, LEDOIT_WOLF, 1.0)

        def fitted(strength: Shrinkage) -> tuple[Eraser, dict[str, Any]]:
            eraser = covariances.eraser(strength)
            erased = eraser.apply(plain), eraser.apply(judged)
            return eraser, best_head(erased[0], train, erased[1], validation, self.options)

        found = map_in_threads(fitted, strengths, _threads())
        eraser, head = min(found, key=lambda each: each[1]["validation_loss"])
        proven, notes = self._proven(eraser, (plain, train), (judged, validation))
        return ExactModel(
            scaling=scaling,
            eraser=eraser,
            **head
            | {
                "chosen": head["chosen"] | {"shrinkage": float(eraser.shrinkage)},
                "certificate": head["certificate"] | {"erasure": proven},
                "notes": (*notes, *head["notes"]),
            },
        )

    def _proven(
        self, eraser: Eraser, fitted: tuple[np.ndarray, Rows], judged: tuple[np.ndarray, Rows]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return what holds of the training rows, what is left on validation cases, and both in words."""
        plain, train = fitted
        labels = train.labels if eraser.by_class else None
        chance = 1 / len(np.unique(train.magnifications))
        erased = eraser.apply(plain), train, eraser.apply(judged[0]), judged[1]
        work: tuple[Callable[[], Any], ...] = (
            partial(certify, eraser, plain, train.magnifications, labels=labels),
            partial(_probe, plain, train, *judged),
            partial(_probe, *erased),
        )
        proven, before, after = map_in_threads(lambda each: each(), work, _threads())
        certificate = {
            "cross_covariance": proven.relative_cross_covariance,
            "cross_entropy": proven.cross_entropy,
            "entropy": proven.entropy,
            "holds": proven.holds,
            "says_nothing_of_new_rows": proven.saturated,
            "removed_share": eraser.removed_share,
            "rank": eraser.rank,
            "validation_probe": {"before": before, "after": after, "chance": chance},
        }
        notes = [
            f"{eraser.rank} directions erased ({self.options.erase}), {eraser.removed_share:.1%} of the variance; "
            f"linear probe of the magnification on validation cases: {before:.3f} before, {after:.3f} after "
            f"(chance {chance:.3f})"
        ]
        if not proven.holds:
            left = f"cross-covariance {proven.relative_cross_covariance:.1e} of that before"
            notes.append(f"Warning: on training rows a linear classifier still reads the magnification: {left}")
        return certificate, notes


def _threads() -> int:
    """Return how many fits run beside each other; each is of one BLAS thread, so they give the same bits alone."""
    return min(2, available_cores())


def _probe(features: np.ndarray, train: Rows, judged: np.ndarray, validation: Rows) -> float:
    """Return the balanced accuracy of a linear probe fitted to training rows, on validation rows."""
    names = np.unique(train.magnifications)
    target = np.searchsorted(names, train.magnifications)
    (probabilities,) = linear_probabilities(features, target, judged, len(names), (_PROBE_PENALTY,))
    wanted = validation.magnifications
    hit = names[probabilities.argmax(1)] == wanted
    return float(np.mean([hit[wanted == name].mean() for name in np.unique(wanted)]))
