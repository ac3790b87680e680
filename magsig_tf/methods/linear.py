"""Linear: L2-penalised logistic regression on standardised embeddings, the reference beside every learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from magsig_tf.linear_models.linear_head import PATH, judged_path
from magsig_tf.linear_models.ridge_path import RidgePath, row_weights
from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.methods.contract import MethodOptions
from magsig_tf.methods.exact import ExactMethod, ExactModel, Rows


class LinearOptions(MethodOptions):
    """Config keys of linear, and of methods that end in it."""

    row_weights: Literal["none", "case", "class x magnification"] = Field(
        "none", description="linear, erasure: which rows count alike: all, all cases, or all classes x magnifications"
    )


class Linear(ExactMethod[LinearOptions]):
    """Binary cross-entropy plus penalty / 2 times the squared weights, the intercept free.

    Of a path of strengths the one with the lowest cross-entropy on source validation is taken, of equal ones the
    strongest penalty.
    """

    Options = LinearOptions

    def fit(self, train: Rows, validation: Rows) -> ExactModel:
        """Return the head that source validation prefers."""
        scaling = fit_scaling(train.embeddings)
        features, judged = scaling.apply(train.embeddings), scaling.apply(validation.embeddings)
        return ExactModel(scaling=scaling, **best_head(features, train, judged, validation, self.options))


def best_head(
    features: np.ndarray, train: Rows, judged: np.ndarray, validation: Rows, options: LinearOptions
) -> dict[str, Any]:
    """Return what `ExactModel` says of the head that source validation prefers.

    Args:
        features: Of the training rows, standardised, [n, p].
        train: These rows.
        judged: Of the validation rows, on the same scale, [m, p].
        validation: Those rows.
        options: Say how rows count.
    """
    weights = row_weights(options.row_weights, train.labels, train.cases, train.magnifications)
    path, losses = judged_path(features, train.labels, judged, validation.loss, weights=weights)
    return _said(path, losses, int(np.argmin(losses)))


def _said(path: RidgePath, losses: Sequence[float], place: int) -> dict[str, Any]:
    notes = []
    if place in (0, len(PATH) - 1):
        notes.append(f"strength C {PATH[place]:g} lies at the edge of the path")
    if not path.converged[place]:
        notes.append(f"Warning: the fit stopped at a duality gap of {path.gaps[place]:.1e} of its objective")
    return {
        "weights": path.coefficients[place],
        "intercept": float(path.intercepts[place]),
        "validation_loss": losses[place],
        "chosen": {"C": PATH[place]},
        "certificate": {
            "gradient_norm": float(path.gradient_norms[place]),
            "duality_gap": float(path.gaps[place]),
            "path": {"C": list(PATH), "validation_loss": list(losses)},
        },
        "notes": tuple(notes),
    }
